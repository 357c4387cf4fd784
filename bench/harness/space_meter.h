// SpaceMeter: growth of a driver's store, and of the file system that it is on, between two looks.
//
// Threads: one at a time. Cost: each look walks the store and flushes its file system.
#ifndef LAYERMARK_BENCH_HARNESS_SPACE_METER_H_
#define LAYERMARK_BENCH_HARNESS_SPACE_METER_H_

#include <string>

#include "bench/harness/workload.h"
#include "core/result.h"
#include "results/accounting.h"

namespace layermark {

class SpaceMeter {
 public:
  // `store`: the driver's directory; `pool`: any path on its file system.
  SpaceMeter(std::string store, std::string pool) : store_(std::move(store)), pool_(std::move(pool)) {}

  Status Begin();
  // pool_bytes, allocated_bytes, inodes, whiteouts and logical_bytes as growth since Begin; own_bytes and
  // shared_bytes, where the file system tells extents, as they are now: extents that were one file's alone
  // become shared when a snapshot is made.
  Result<Figures> End() const;

 private:
  std::string store_, pool_;
  SpaceCount before_;
  PoolState pool_before_;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_SPACE_METER_H_
