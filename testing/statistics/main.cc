// gate_statistics: answers cases that against_scipy.py makes. Standard input and output: one JSON array each.
#include <fmt/core.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "results/gate/block_series.h"
#include "results/gate/change_points.h"
#include "results/gate/multiple_tests.h"
#include "results/gate/normal.h"
#include "results/gate/rank_sum.h"
#include "results/gate/signed_rank.h"

namespace {

using nlohmann::json;
using Values = std::vector<double>;

json Answer(const json& ask) {
  using namespace layermark;
  const std::string what = ask["what"];
  const Values x = ask.value("x", Values{});
  const Values y = ask.value("y", Values{});
  const double shift = ask.value("shift", 0.0);
  if (what == "signed_rank") return {SignedRankGreater(x, shift), SignedRankLess(x, shift)};
  if (what == "rank_sum") return {RankSumGreater(y, x, shift), RankSumLess(y, x, shift)};
  if (what == "hodges_lehmann") {
    const auto interval = HodgesLehmannInterval(x, ask["confidence"]);
    json answer = {HodgesLehmann(x)};
    if (interval) answer.insert(answer.end(), {interval->low, interval->high});
    return answer;
  }
  if (what == "shift_estimate") return {ShiftEstimate(y, x)};
  if (what == "normal") return {NormalUpperTail(shift), NormalUpperQuantile(ask["p"])};
  if (what == "holm") return HolmAdjusted(x, ask["family"]);
  if (what == "benjamini_hochberg") return BenjaminiHochbergAdjusted(x);
  if (what == "lag1") return {Lag1Autocorrelation(x)};
  if (what == "robust_sigma") return {RobustSigma(x)};
  if (what == "energy") return {EnergyStatistic(x, ask["split"])};
  return nullptr;
}

}  // namespace

int main() {
  try {
    json answers = json::array();
    for (const json& ask : json::parse(std::cin)) answers.push_back(Answer(ask));
    std::cout << answers.dump() << "\n";
  } catch (const std::exception& e) {
    std::cerr << "gate_statistics: " << e.what() << "\n";
    return 2;
  }
  return 0;
}
