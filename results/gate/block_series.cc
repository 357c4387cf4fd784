#include "results/gate/block_series.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "results/statistics.h"

namespace layermark {

double Mean(const std::vector<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double StandardDeviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double RobustSigma(const std::vector<double>& values) {
  if (values.empty()) return 0;
  const double median = Median(values);
  std::vector<double> distances;
  distances.reserve(values.size());
  for (const double value : values) distances.push_back(std::fabs(value - median));
  return 1.4826 * Median(std::move(distances));
}

double Lag1Autocorrelation(const std::vector<double>& values) {
  if (values.size() < 3) return 0;
  const double mean = Mean(values);
  double spread = 0;
  double together = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    spread += (values[i] - mean) * (values[i] - mean);
    if (i > 0) together += (values[i] - mean) * (values[i - 1] - mean);
  }
  return spread > 0 ? together / spread : 0;
}

std::vector<double> MergeNeighbours(const std::vector<double>& values) {
  std::vector<double> merged;
  for (size_t i = 0; i < values.size(); i += 2) {
    size_t end = std::min(i + 2, values.size());
    if (values.size() - end == 1) end = values.size();
    merged.push_back(std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(i),
                                     values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
                     static_cast<double>(end - i));
    if (end == values.size()) break;
  }
  return merged;
}

std::vector<double> Decorrelated(std::vector<double> values) {
  while (values.size() >= 12) {
    const double chance = 1.645 / std::sqrt(static_cast<double>(values.size()));
    if (Lag1Autocorrelation(values) <= std::max(0.3, chance)) break;
    values = MergeNeighbours(values);
  }
  return values;
}

std::vector<bool> DisturbedBlocks(const std::vector<Disturbance>& blocks, double canary_floor) {
  std::vector<double> canaries;
  for (const Disturbance& block : blocks) {
    canaries.insert(canaries.end(), block.canaries.begin(), block.canaries.end());
  }
  const double limit = canaries.size() < 10 ? INFINITY : std::max(4 * RobustSigma(canaries), canary_floor);
  std::vector<bool> disturbed;
  disturbed.reserve(blocks.size());
  for (const Disturbance& block : blocks) {
    disturbed.push_back(block.steal_fraction > 0.1 ||
                        std::any_of(block.canaries.begin(), block.canaries.end(),
                                    [&](double c) { return std::fabs(c) > limit; }));
  }
  return disturbed;
}

}  // namespace layermark
