// Recorded runs against each other: two sets of records, or the history of many.
//
// Between two runs a machine differs by more than most changes do, and no interval within a run holds that.
// So times are compared as ratios to the raw twin, with the run as the unit: what two sides of fewer than
// kRunsForTimes runs say of a time is INCONCLUSIVE, with the estimate. Exact counts need one run a side.
// Threads: pure functions.
#ifndef LAYERMARK_RESULTS_GATE_COMPARE_RUNS_H_
#define LAYERMARK_RESULTS_GATE_COMPARE_RUNS_H_

#include <string>
#include <vector>

#include "results/gate/change_points.h"
#include "results/gate/gate_plan.h"
#include "results/record.h"

namespace layermark {

inline constexpr size_t kRunsForTimes = 6;

struct Comparison {
  std::vector<GateRow> rows;       // tiers "counts" and "runs"; a count that agrees everywhere is in one row
  std::vector<std::string> notes;  // what cannot be concluded, and why
};
// Rows for what both sides have. A row that only the base has is INCONCLUSIVE. A case that passed and now
// fails, and a workload that was right and is not any more, have regressed.
Comparison CompareRuns(const std::vector<Record>& base, const std::vector<Record>& fresh,
                       const GatePlan& plan);

struct HistoryChange {
  std::string workload, instance, metric;
  Params params;
  ChangePoint change;
  std::string started, tool_version;  // of the first run after it
};
// Change points of every exact count and every ratio to the raw twin that at least 2 * min_segment runs have.
// Records in any order. Advisory: nobody corrected for the number of series.
std::vector<HistoryChange> HistoryChanges(std::vector<Record> records,
                                          const ChangePointOptions& options = {});

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_COMPARE_RUNS_H_
