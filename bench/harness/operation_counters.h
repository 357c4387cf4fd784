// Counts of one operation: what it asks of the kernel and what it leaves behind, outside the timed pairs.
#ifndef LAYERMARK_BENCH_HARNESS_OPERATION_COUNTERS_H_
#define LAYERMARK_BENCH_HARNESS_OPERATION_COUNTERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness/workload.h"
#include "core/result.h"
#include "scenario/backing.h"

namespace layermark {

// One figure of one side.
struct OperationCount {
  Metric metric = Metric::syscalls;
  std::string side;             // "driver" "raw"
  std::optional<double> value;  // none: could not be counted here
  bool exact = false;           // the metric is, and nothing in the operation waited for a daemon
  std::map<std::string, int64_t> breakdown;  // its parts by name
  std::string reason;                        // why it could not
};

class OperationCounters {
 public:
  // Before the set-up, so that what the set-up starts (a daemon, a pool of threads) is counted with the
  // operation. What cannot be counted here gets a reason, in each later answer; this does not fail. `backing`
  // outlives it. Cost: 3 ms.
  explicit OperationCounters(const Backing& backing);
  ~OperationCounters();

  // Does the side's operation twice, each wrapped in Before and After: once to warm up, once counted. Of the
  // raw twin only its system calls. Fails where the operation does. Cost besides: two walks of the
  // backing, some 2 us for each inode. REQUIRES: the thread that made this.
  Result<std::vector<OperationCount>> Count(Side& side, const std::string& name);

  // Ends the tracing; what the kernel needs to be rid of it goes on beside the caller, asleep, until this
  // object goes. To be called before anything is timed.
  void BeginClose();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_OPERATION_COUNTERS_H_
