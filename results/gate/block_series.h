// A series of block values in the order taken: whether neighbours hang together, and what to do then; and the
// rule that throws disturbed blocks away. Threads: pure functions. Cost: linear, or n log n for medians.
#ifndef LAYERMARK_RESULTS_GATE_BLOCK_SERIES_H_
#define LAYERMARK_RESULTS_GATE_BLOCK_SERIES_H_

#include <string>
#include <vector>

namespace layermark {

// Correlation of each value with the next about the common mean; 0 for fewer than 3 values or no spread.
double Lag1Autocorrelation(const std::vector<double>& values);
// Means of neighbours, two by two; an odd last value joins the last pair.
std::vector<double> MergeNeighbours(const std::vector<double>& values);
// Merges as long as neighbours hang together: lag-1 above 0.3, and above what n independent values show by
// chance (1.645 / sqrt(n)). A series of fewer than 12 is left alone.
std::vector<double> Decorrelated(std::vector<double> values);

double Mean(const std::vector<double>& values);
// Standard deviation of the sample (n - 1); 0 for fewer than 2 values.
double StandardDeviation(const std::vector<double>& values);
// 1.4826 times the median distance from the median: the standard deviation of a normal sample, unmoved by a
// few wild values. 0 for an empty one.
double RobustSigma(const std::vector<double>& values);

// What a block met, apart from its result: log ratios of the canaries beside it (one thing measured against
// itself) and the share of time that the hypervisor took.
struct Disturbance {
  std::vector<double> canaries;
  double steal_fraction = 0;
};
// Which blocks to drop, given what all of them met: a canary beyond 4 robust sigmas of all canaries (never
// below `canary_floor`), or steal above 10 %. The rule never sees what the blocks measured. Fewer than 10
// canaries tell nothing yet.
std::vector<bool> DisturbedBlocks(const std::vector<Disturbance>& blocks, double canary_floor = 0.02);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_BLOCK_SERIES_H_
