// Planted faults: what the gate must find. The certificate and the tests wrap a driver, or one side of a
// pair, so that it is slower by a known share or does one thing more than it should.
#ifndef LAYERMARK_BENCH_GATE_PLANTED_H_
#define LAYERMARK_BENCH_GATE_PLANTED_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/workload.h"
#include "drivers/driver.h"

namespace layermark {

enum class PlantedFault {
  kInodePerLayer,  // Commit leaves one more file in the store
  kFsync,          // Prepare and Commit flush the store's directory once more
  kCopyUp,         // Prepare changes one file of the parent, so that it is copied up
  kMountPerLayer,  // the mounts of a snapshot are one more for each layer below it
};
std::string_view PlantedName(PlantedFault fault);  // "inode_per_layer" ...
const std::vector<PlantedFault>& AllPlantedFaults();

// `inner` with the fault. The object lives for ever, as drivers do. Threads: as `inner`.
const Driver& PlantedDriver(const Driver& inner, PlantedFault fault);

// Another side whose operation takes its own time and `share` of it more, by waiting busily (wall and CPU).
// REQUIRES: `inner` outlives it.
class SlowedSide : public Side {
 public:
  SlowedSide(Side& inner, double share) : inner_(inner), share_(share) {}
  Status Before() override { return inner_.Before(); }
  Status Run(Stopwatch& watch) override;
  Status After() override { return inner_.After(); }

 private:
  Side& inner_;
  double share_;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_PLANTED_H_
