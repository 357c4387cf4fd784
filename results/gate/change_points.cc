#include "results/gate/change_points.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "results/statistics.h"

namespace layermark {
namespace {

struct Split {
  size_t at = 0;  // 0: none
  double statistic = -1;
};

double FromSums(double within_left, double within_right, double across, size_t n, size_t m) {
  const double left = static_cast<double>(n);
  const double right = static_cast<double>(m);
  const double distance =
      2 * across / (left * right) - within_left / (left * left) - within_right / (right * right);
  return left * right / (left + right) * distance;
}

// The best split that leaves `least` values on each side. Sums of distances move from one side to the other
// as the split moves, so that all splits together cost O(n^2).
Split BestSplit(const std::vector<double>& x, size_t least) {
  double within_left = 0;  // over ordered pairs
  double across = 0;
  double within_right = 0;
  for (const double a : x) {
    for (const double b : x) within_right += std::fabs(a - b);
  }
  Split best;
  for (size_t split = 1; split + least <= x.size(); ++split) {
    const double moved = x[split - 1];
    double to_left = 0;
    double to_right = 0;
    for (size_t i = 0; i < x.size(); ++i) (i + 1 < split ? to_left : to_right) += std::fabs(x[i] - moved);
    within_left += 2 * to_left;
    within_right -= 2 * to_right;
    across += to_right - to_left;
    if (split < least) continue;
    const double statistic = FromSums(within_left, within_right, across, split, x.size() - split);
    if (statistic > best.statistic) best = {split, statistic};
  }
  return best;
}

double PermutationP(std::vector<double> x, const Split& best, const ChangePointOptions& options,
                    std::mt19937_64& random) {
  size_t as_large = 0;
  for (size_t i = 0; i < options.permutations; ++i) {
    std::shuffle(x.begin(), x.end(), random);
    // A little slack, so that equal statistics reached by other sums count as equal.
    if (BestSplit(x, options.min_segment).statistic >= best.statistic * (1 - 1e-12)) ++as_large;
  }
  return static_cast<double>(as_large + 1) / static_cast<double>(options.permutations + 1);
}

void Search(const std::vector<double>& series, size_t begin, size_t end, const ChangePointOptions& options,
            std::mt19937_64& random, std::vector<ChangePoint>& found) {
  if (end - begin < 2 * options.min_segment) return;
  const std::vector<double> x(series.begin() + static_cast<std::ptrdiff_t>(begin),
                              series.begin() + static_cast<std::ptrdiff_t>(end));
  const Split best = BestSplit(x, options.min_segment);
  if (best.at == 0 || best.statistic <= 0) return;
  const double p = PermutationP(x, best, options, random);
  if (p > options.level) return;
  found.push_back({begin + best.at, p, 0, 0});
  Search(series, begin, begin + best.at, options, random, found);
  Search(series, begin + best.at, end, options, random, found);
}

double MedianOf(const std::vector<double>& series, size_t begin, size_t end) {
  return Median({series.begin() + static_cast<std::ptrdiff_t>(begin),
                 series.begin() + static_cast<std::ptrdiff_t>(end)});
}

}  // namespace

double EnergyStatistic(const std::vector<double>& series, size_t split) {
  double left = 0;
  double right = 0;
  double across = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    for (size_t j = 0; j < series.size(); ++j) {
      const double distance = std::fabs(series[i] - series[j]);
      if (i < split && j < split) left += distance;
      if (i >= split && j >= split) right += distance;
      if (i < split && j >= split) across += distance;
    }
  }
  return FromSums(left, right, across, split, series.size() - split);
}

std::vector<ChangePoint> ChangePoints(const std::vector<double>& series, const ChangePointOptions& options) {
  std::vector<ChangePoint> found;
  std::mt19937_64 random(options.seed);
  Search(series, 0, series.size(), options, random, found);
  std::sort(found.begin(), found.end(),
            [](const ChangePoint& a, const ChangePoint& b) { return a.index < b.index; });
  for (size_t i = 0; i < found.size(); ++i) {
    const size_t begin = i == 0 ? 0 : found[i - 1].index;
    const size_t end = i + 1 == found.size() ? series.size() : found[i + 1].index;
    found[i].before = MedianOf(series, begin, found[i].index);
    found[i].after = MedianOf(series, found[i].index, end);
  }
  std::erase_if(found, [&](const ChangePoint& c) {
    const double change = std::fabs(c.after - c.before);
    return change == 0 || change < options.min_magnitude * std::fabs(c.before);
  });
  return found;
}

}  // namespace layermark
