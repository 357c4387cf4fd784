// Canaries: a thing measured against itself, beside each block. What they show is the machine's, not a
// driver's.
#ifndef LAYERMARK_BENCH_GATE_CANARY_H_
#define LAYERMARK_BENCH_GATE_CANARY_H_

#include <string>
#include <vector>

#include "core/result.h"

namespace layermark {

// Pairs of a pure CPU loop, and pairs of a file operation in `directory` (create, write, unlink).
class Canary {
 public:
  explicit Canary(std::string directory) : directory_(std::move(directory)) {}
  // Some more pairs, about five milliseconds. Called before and after the block's own pairs.
  Status Sing();
  // Median log ratio of each: {CPU loop, file operation}. Empty before the first Sing.
  std::vector<double> LogRatios() const;

 private:
  std::string directory_;
  std::vector<double> cpu_, file_;
};

// The hypervisor's share of all CPU time since the machine began, as two counters; 0 where not told.
struct StealCounter {
  double stolen = 0, all = 0;
};
StealCounter ReadSteal();
double StealFraction(const StealCounter& before, const StealCounter& after);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_CANARY_H_
