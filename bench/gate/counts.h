// The deterministic tier of the gate: what one set-up and one operation leave behind, counted on each side
// and compared for equality. No clock, no statistics.
//
// Names of counts: WHEN.METRIC with a metric of core/metrics.def, or operation.syscalls.NAME and
// operation.fuse_requests.NAME.
//   setup      after set-up and verification
//   operation  by Before and the operation itself, the second time that it is done
//   left       the same, after its After as well: what the operation leaves for good
//   account    the workload's own exact figures
#ifndef LAYERMARK_BENCH_GATE_COUNTS_H_
#define LAYERMARK_BENCH_GATE_COUNTS_H_

#include <map>
#include <string>
#include <vector>

#include "bench/gate/block.h"
#include "results/record.h"

namespace layermark {

using Counts = std::map<std::string, double>;

struct CountsAnswer {
  BlockAnswer::State state = BlockAnswer::State::kFailed;
  std::string reason;
  Counts counts;
};

// How two sides' counts are held against each other: any difference is worse; fewer on B is fine; or
// differences are only shown, as between two drivers, which do different things.
enum class CountRule { kEqual, kNoWorse, kShow };

// Counts every choice on both sides, as many at a time as there are processors. A difference is counted once
// more on fresh set-ups: a row is REGRESSED only where both sides gave the same numbers again. Rows: one for
// each count that differs, and one PASS with metric "exact" that says how many agree. An interrupt ends it
// with kCancelled.
Status CompareCounts(const GateSide& a, const GateSide& b, const std::vector<WorkloadChoice>& choices,
                     const BenchOptions& options, CountRule rule, std::vector<GateRow>& rows);

// The rows for two answers and their repetitions (which may be absent). A pure function.
std::vector<GateRow> JudgeCounts(const GateRow& head, const CountsAnswer& a, const CountsAnswer& b,
                                 const CountsAnswer* a_again, const CountsAnswer* b_again, CountRule rule);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_COUNTS_H_
