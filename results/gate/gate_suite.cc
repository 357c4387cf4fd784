#include "results/gate/gate_suite.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "results/gate/block_series.h"
#include "results/gate/multiple_tests.h"
#include "results/gate/signed_rank.h"

namespace layermark {
namespace {

std::string Percent(double fraction) {
  return fmt::format("{:.1f} %", 100 * fraction);
}

}  // namespace

std::string_view VerdictName(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kRegressed:
      return "regressed";
    case GateVerdict::kPass:
      return "pass";
    case GateVerdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

size_t GateSuite::Wanted(size_t workload) const {
  return tests_[workload].result.verdict ? 0 : static_cast<size_t>(plan_.looks[look_]);
}

void GateSuite::Add(size_t workload, double log_ratio) {
  tests_[workload].values.push_back(log_ratio);
}

bool GateSuite::TooDisturbed(size_t workload) const {
  const Test& test = tests_[workload];
  const double discarded = static_cast<double>(test.result.discarded);
  // A first few bad blocks say little: the share is of what the first look wants, at least.
  const double all =
      std::max(discarded + static_cast<double>(test.values.size()), static_cast<double>(plan_.looks.front()));
  return discarded > plan_.max_discarded * all;
}

// Everything but the verdict, from the values so far.
void GateSuite::Describe(Test& test) const {
  TimingResult& r = test.result;
  r.blocks = test.values.size();
  if (test.values.empty()) return;
  const std::vector<double> values = Decorrelated(test.values);
  r.independent = values.size();
  r.lag1 = Lag1Autocorrelation(test.values);
  r.sigma = StandardDeviation(values);
  r.effect = std::expm1(HodgesLehmann(values));
  if (const auto interval = HodgesLehmannInterval(values, 0.95)) {
    r.ci95 = Interval{std::expm1(interval->low), std::expm1(interval->high)};
  }
  r.p_regressed = SignedRankGreater(values, std::log1p(plan_.null_slowdown));
  r.p_pass = SignedRankLess(values, std::log1p(plan_.target));
  r.improved =
      SignedRankLess(values, -std::log1p(plan_.null_slowdown)) <= 0.01 && r.effect < -plan_.effect_floor;
  r.mde = MinimumDetectableEffect(plan_, tests_.size(), r.sigma, values.size());
}

void GateSuite::Decide(Test& test, GateVerdict verdict, std::string reason) const {
  test.result.verdict = verdict;
  test.result.reason = std::move(reason);
  test.result.underpowered = verdict == GateVerdict::kInconclusive && test.result.mde > plan_.target;
}

void GateSuite::Look() {
  std::vector<Test*> open;
  std::vector<double> p;
  for (Test& test : tests_) {
    if (test.result.verdict) continue;
    Describe(test);
    open.push_back(&test);
    p.push_back(test.result.p_regressed);
  }
  const double share = plan_.spending[look_];
  // What was found before is no longer in the family; what passed still is, which errs on the safe side.
  const std::vector<double> adjusted = HolmAdjusted(p, tests_.size() - regressed_);
  for (size_t i = 0; i < open.size(); ++i) {
    Test& test = *open[i];
    TimingResult& r = test.result;
    r.p_adjusted = adjusted[i];
    const std::string at = fmt::format("after {} blocks", r.blocks);
    if (r.p_adjusted <= share * plan_.alpha && r.effect > plan_.effect_floor) {
      ++regressed_;
      Decide(test, GateVerdict::kRegressed,
             fmt::format("slower by {}, shown to be above {} {}", Percent(r.effect),
                         Percent(plan_.null_slowdown), at));
    } else if (r.p_pass <= share * plan_.pass_alpha && r.mde <= plan_.target) {
      // Blocks that would not have shown the slowdown either give no PASS, whatever their luck.
      Decide(test, GateVerdict::kPass,
             fmt::format("a slowdown of {} is excluded {}", Percent(plan_.target), at));
    } else if (LastLook()) {
      Decide(test, GateVerdict::kInconclusive,
             fmt::format("neither shown {}; a slowdown of {} would have been seen", at, Percent(r.mde)));
    }
  }
  if (!LastLook()) ++look_;
}

void GateSuite::GiveUp(size_t workload, const std::string& reason) {
  Test& test = tests_[workload];
  if (test.result.verdict) return;
  Describe(test);
  std::string more;
  if (test.result.independent >= 6) {
    more = fmt::format("; {} blocks would have shown a slowdown of {}", test.result.blocks,
                       Percent(test.result.mde));
  } else {
    test.result.mde = INFINITY;  // a spread of so few values is not worth a word
  }
  Decide(test, GateVerdict::kInconclusive, reason + more);
}

void GateSuite::GiveUpAll(const std::string& reason) {
  for (size_t i = 0; i < tests_.size(); ++i) GiveUp(i, reason);
}

bool GateSuite::Decided() const {
  return std::all_of(tests_.begin(), tests_.end(),
                     [](const Test& test) { return test.result.verdict.has_value(); });
}

}  // namespace layermark
