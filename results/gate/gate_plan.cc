#include "results/gate/gate_plan.h"

#include <algorithm>
#include <cmath>

#include "results/gate/normal.h"

namespace layermark {
namespace {

constexpr double kPowerQuantile = 1.645;         // of probability .95
constexpr double kSignedRankEfficiency = 0.955;  // against the t test, on normal samples

double Quantiles(const GatePlan& plan, size_t family) {
  return NormalUpperQuantile(plan.alpha / static_cast<double>(std::max<size_t>(family, 1))) + kPowerQuantile;
}

}  // namespace

int BlocksNeeded(const GatePlan& plan, size_t family, double sigma) {
  const double distance = std::log1p(plan.target) - std::log1p(plan.null_slowdown);
  const double ratio = Quantiles(plan, family) * sigma / distance;
  const double n = std::ceil(ratio * ratio / kSignedRankEfficiency);
  return std::max(static_cast<int>(std::min(n, 1e9)), plan.looks.front());
}

double MinimumDetectableEffect(const GatePlan& plan, size_t family, double sigma, size_t blocks) {
  if (blocks == 0) return INFINITY;
  const double n = static_cast<double>(blocks) * kSignedRankEfficiency;
  return std::expm1(std::log1p(plan.null_slowdown) + Quantiles(plan, family) * sigma / std::sqrt(n));
}

}  // namespace layermark
