// Statistics as pure functions over samples.
#ifndef LAYERMARK_RESULTS_STATISTICS_H_
#define LAYERMARK_RESULTS_STATISTICS_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace layermark {

struct Interval {
  double low = 0, high = 0;
};

// REQUIRES: values not empty.
double Median(std::vector<double> values);
// The p-quantile (0 < p < 1), only where at least 10 values lie beyond it: n * (1 - p) >= 10 for p > 0.5; the
// median (p = 0.5) for any n >= 1.
std::optional<double> Quantile(std::vector<double> values, double p);
// Distribution-free 95 % interval of the median by order statistics (binomial); nullopt for n < 6.
std::optional<Interval> MedianInterval95(std::vector<double> values);
// Median of the pairwise ratios a[i]/b[i] and its 95 % interval. REQUIRES: equal sizes, b > 0, not empty.
struct RatioSummary {
  double median = 1;
  std::optional<Interval> ci95;
  int64_t n = 0;
};
RatioSummary PairedRatio(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_STATISTICS_H_
