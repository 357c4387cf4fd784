// The gate: is B slower than A, or does it do more? Counts first, then times, both live and side by side.
//
// The timing tier runs blocks (bench/gate/block.h) of all gated workloads in one shuffled order, looks at
// them when the plan says so (results/gate/gate_suite.h) and stops a workload once it is decided. Blocks that
// the machine disturbed are dropped for both sides by a rule that does not see their result, and made good.
#ifndef LAYERMARK_BENCH_GATE_GATE_H_
#define LAYERMARK_BENCH_GATE_GATE_H_

#include <functional>
#include <string>
#include <vector>

#include "bench/gate/block.h"
#include "bench/gate/counts.h"
#include "results/gate/gate_suite.h"
#include "results/record.h"
#include "scenario/progress.h"

namespace layermark {

struct GateOptions {
  BenchOptions bench;
  GatePlan plan;
  CountRule counts = CountRule::kEqual;
  bool timing = true;         // false: the deterministic tier alone
  bool keep_going = false;    // time even where a count has regressed already
  double budget_seconds = 0;  // 0: none
  // What the caller, who is not root, may not do; empty for root. What fails for want of it is then not run.
  std::string restriction;
  // Sees each block that counted: for the certificate.
  std::function<void(const WorkloadChoice&, const BlockAnswer&)> on_block;
};

struct GateResult {
  std::vector<GateRow> rows;
  std::vector<std::string> notes;  // what a reader must know
  double counts_seconds = 0, timing_seconds = 0;
  // The worst of the rows: kRegressed over kInconclusive over kPass.
  GateVerdict verdict() const;
  size_t CountOf(const std::string& verdict) const;
};

// What the gate runs: the declared choices of the workloads that match a filter ("": all), and of those with
// a clock. Workloads that only count are in the first alone.
std::vector<WorkloadChoice> GatedChoices(const std::vector<std::string>& filters);

// Runs both tiers. An interrupt ends it early, with what there is; the undecided are INCONCLUSIVE then.
// REQUIRES: workspace, one thread; both instances available.
GateResult RunGate(const GateSide& a, const GateSide& b, const std::vector<WorkloadChoice>& choices,
                   const GateOptions& options, Progress& progress);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_GATE_H_
