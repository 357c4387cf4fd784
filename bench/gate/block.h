// One block of the gate: the job of a worker that sets up both sides afresh, verifies both, and runs pairs.
//
// Every block has set-ups of its own, A's or B's first by the toss of a coin, so that what a set-up happens
// to be like (where things lie in memory, how names hash) is noise between blocks and never a bias of a run;
// and blocks are independent of each other.
#ifndef LAYERMARK_BENCH_GATE_BLOCK_H_
#define LAYERMARK_BENCH_GATE_BLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/harness/engine.h"
#include "results/gate/block_series.h"

namespace layermark {

struct GateSide {
  ExaminedInstance instance;
  double slowdown = 0;  // planted: the operation's own time that is waited on top, as a share of it
};

struct BlockPlan {
  double seconds = 0.5;  // of measuring; set-up comes on top
  int min_pairs = 20;
  uint64_t seed = 1;
};

struct BlockAnswer {
  // "right"; "wrong" or "failed" of `side`; "lacking": `side` lacks a capability.
  enum class State { kRight, kWrong, kFailed, kLacking } state = State::kFailed;
  bool b_side = false;  // which side a state other than kRight is about
  std::string reason;
  double log_ratio = 0;  // median over the pairs of log(B / A)
  int64_t pairs = 0;
  double a_ns = 0, b_ns = 0;  // medians
  std::string metric;         // "latency" or "cpu_time": what the ratio is of
  Disturbance disturbance;    // canaries: CPU loop, file operation
  double seconds = 0;
};

// Runs the block in a worker process with the workload's deadline and answers.
BlockAnswer RunBlock(const GateSide& a, const GateSide& b, const WorkloadChoice& choice,
                     const BenchOptions& options, const BlockPlan& plan);

// The metric the gate compares on these sides: wall time where a side has a daemon.
Metric GateMetric(const WorkloadInfo& info, const GateSide& a, const GateSide& b);

// One side's workload on a backing of its own. Shared with the counts.
class PreparedSide {
 public:
  // Makes backing and workload, sets up and verifies. What is wrong is the Status (IsWrongAnswer).
  static Result<std::unique_ptr<PreparedSide>> Make(const GateSide& side, const WorkloadChoice& choice,
                                                    const BenchOptions& options);
  Workload& workload() { return *workload_; }
  Backing& backing() { return *backing_; }
  Status Close();

 private:
  std::unique_ptr<Backing> backing_;
  WorkloadContext context_;
  std::unique_ptr<Workload> workload_;
};

// nullopt where the side can run this choice; else why not.
std::optional<Lack> WhyNot(const GateSide& side, const WorkloadChoice& choice);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_BLOCK_H_
