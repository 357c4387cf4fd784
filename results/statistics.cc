#include "results/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace layermark {
namespace {

// A percentile is worth printing where this many samples lie beyond it.
constexpr double kSamplesBeyond = 10;

// The value at a fractional rank of `values` (0 = smallest), linear between neighbours (R's type 7). Reorders
// `values`.
double AtRank(std::vector<double>* values, double rank) {
  const auto below = static_cast<size_t>(std::floor(rank));
  const double fraction = rank - static_cast<double>(below);
  const auto nth = values->begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values->begin(), nth, values->end());
  const double low = *nth;
  if (fraction == 0) return low;
  // What follows nth is not smaller; its minimum is the next rank.
  return low + fraction * (*std::min_element(nth + 1, values->end()) - low);
}

// The largest k (counted from 1) for which the k-th smallest and k-th largest of n samples enclose the median
// with probability >= 0.95: P(Binomial(n, 1/2) < k) <= 0.025. 0 where no k does.
size_t MedianIntervalRank(size_t n) {
  const double log_half_to_n = -static_cast<double>(n) * std::log(2.0);
  const double count = static_cast<double>(n);
  double below = 0;
  for (size_t k = 0; k <= n; ++k) {
    const double index = static_cast<double>(k);
    const double log_choose =
        std::lgamma(count + 1) - std::lgamma(index + 1) - std::lgamma(count - index + 1);
    below += std::exp(log_choose + log_half_to_n);
    if (below > 0.025) return k;
  }
  return 0;
}

}  // namespace

double Median(std::vector<double> values) {
  return AtRank(&values, 0.5 * static_cast<double>(values.size() - 1));
}

std::optional<double> Quantile(std::vector<double> values, double p) {
  if (values.empty() || !(p > 0) || !(p < 1)) return std::nullopt;
  const double beyond = static_cast<double>(values.size()) * std::min(p, 1 - p);
  // 1 - 0.99 is a little less than 0.01: 1000 samples do support p99.
  constexpr double kRounding = 1e-9;
  if (p != 0.5 && beyond + kRounding < kSamplesBeyond) return std::nullopt;
  return AtRank(&values, p * static_cast<double>(values.size() - 1));
}

std::optional<Interval> MedianInterval95(std::vector<double> values) {
  const size_t rank = MedianIntervalRank(values.size());
  if (rank == 0) return std::nullopt;
  const auto low = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  const auto high = values.end() - static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), low, values.end());
  const double low_value = *low;
  std::nth_element(values.begin(), high, values.end());
  return Interval{low_value, *high};
}

RatioSummary PairedRatio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  ratios.reserve(a.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) ratios.push_back(a[i] / b[i]);
  RatioSummary summary;
  summary.n = static_cast<int64_t>(ratios.size());
  if (ratios.empty()) return summary;
  summary.ci95 = MedianInterval95(ratios);
  summary.median = Median(std::move(ratios));
  return summary;
}

}  // namespace layermark
