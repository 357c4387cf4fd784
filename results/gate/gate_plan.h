// The plan of a gate, fixed before the first block: hypotheses, levels, looks.
#ifndef LAYERMARK_RESULTS_GATE_GATE_PLAN_H_
#define LAYERMARK_RESULTS_GATE_GATE_PLAN_H_

#include <cstddef>
#include <vector>

namespace layermark {

struct GatePlan {
  // A look at the blocks happens at these numbers of blocks and at no other; each may spend its share of the
  // levels below.
  std::vector<int> looks = {12, 16, 24, 32, 48, 64};
  std::vector<double> spending = {.05, .10, .20, .20, .20, .25};
  double alpha = .01;          // chance that a suite in which nothing changed raises any alarm
  double pass_alpha = .05;     // chance, for one workload, that a slowdown of `target` passes
  double null_slowdown = .01;  // REGRESSED: the slowdown is shown to be above this...
  double effect_floor = .02;   // ...and is estimated to be above this
  double target = .05;         // PASS: a slowdown of this size is excluded
  double max_discarded = .20;  // more of the blocks disturbed than this: INCONCLUSIVE
};

// How many blocks it takes to find a slowdown of `target` with probability .95 in a suite of `family` gated
// workloads, if the blocks' standard deviation (of log ratios) is `sigma`. At least the first look.
int BlocksNeeded(const GatePlan& plan, size_t family, double sigma);
// The smallest slowdown (a fraction) that `blocks` blocks would show with probability .95.
double MinimumDetectableEffect(const GatePlan& plan, size_t family, double sigma, size_t blocks);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_GATE_PLAN_H_
