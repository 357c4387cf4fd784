// One workload, one choice of parameters, one instance: the job of a worker, and its answer as text.
#ifndef LAYERMARK_BENCH_HARNESS_RUN_ONE_H_
#define LAYERMARK_BENCH_HARNESS_RUN_ONE_H_

#include <functional>
#include <string>

#include "bench/harness/engine.h"
#include "bench/harness/operation_counters.h"
#include "bench/harness/pair_loop.h"

namespace layermark {

struct OneAnswer {
  WorkloadVerdict verdict = WorkloadVerdict::kNotRun;
  std::string reason;
  std::string skip_code;  // where it is not run: a word of core/skip_codes.def
  // It could have run and something broke (a call failed, the worker died or hung), so that there is no
  // verdict on it: a finding, other than a capability that is missing or a backing that does not fit.
  bool failed = false;
  Samples samples;
  Figures figures;
  std::vector<OperationCount> counts;
  double seconds = 0;
};

PairPlan PlanFor(const WorkloadChoice& choice, const BenchOptions& options);

// In the worker: backing, set-up, verify, one operation counted, pairs, account. The text that ParseAnswer
// reads.
std::string RunOne(const ExaminedInstance& instance, const WorkloadChoice& choice,
                   const BenchOptions& options, const PairPlan& plan);
OneAnswer ParseAnswer(const std::string& text);

// Runs it in a worker process with the workload's deadline and answers; why it is not run, or died, is the
// reason.
// `meanwhile` as in RunWorkers.
OneAnswer RunInWorker(const ExaminedInstance& instance, const WorkloadChoice& choice,
                      const BenchOptions& options, const PairPlan& plan,
                      const std::function<void()>& meanwhile = {});

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_RUN_ONE_H_
