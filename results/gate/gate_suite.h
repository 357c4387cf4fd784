// GateSuite: the verdicts of a suite of gated workloads, from their block values alone. It starts nothing and
// reads no clock, so that the live gate and the certificate's bootstrap run through the same code.
//
// A block value is the median over its pairs of log(B / A). REGRESSED and PASS are both shown by an exact
// signed-rank test (see GatePlan); what neither shows is INCONCLUSIVE, with the smallest effect that could
// have been seen. REGRESSED holds over the suite (Holm at each look; the looks' levels add up to alpha).
//
// Threads: one at a time. Cost of a look: some milliseconds.
#ifndef LAYERMARK_RESULTS_GATE_GATE_SUITE_H_
#define LAYERMARK_RESULTS_GATE_GATE_SUITE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/gate/gate_plan.h"
#include "results/statistics.h"

namespace layermark {

enum class GateVerdict { kRegressed, kPass, kInconclusive };
std::string_view VerdictName(GateVerdict verdict);  // "regressed" "pass" "inconclusive"

struct TimingResult {
  std::optional<GateVerdict> verdict;  // nullopt: undecided, more blocks are wanted
  std::string reason;                  // one sentence
  size_t blocks = 0;                   // that counted
  size_t discarded = 0;
  size_t independent = 0;        // left after neighbours that hang together were merged
  double effect = 0;             // Hodges-Lehmann's estimate of B / A - 1
  std::optional<Interval> ci95;  // of the effect
  double sigma = 0;              // standard deviation of the block values
  double lag1 = 0;
  double p_regressed = 1;     // of "at most 1 % slower", this look
  double p_adjusted = 1;      // the same after Holm
  double p_pass = 1;          // of "at least 5 % slower"
  double mde = 0;             // the smallest slowdown that these blocks would show, as a fraction
  bool underpowered = false;  // decided by exhaustion, with an mde above the target
  bool improved = false;      // shown to be at least 1 % faster (level .01, uncorrected); no verdict
};

class GateSuite {
 public:
  GateSuite(GatePlan plan, size_t workloads) : plan_(std::move(plan)), tests_(workloads) {}

  size_t size() const { return tests_.size(); }
  // Blocks a workload wants in all until the next look; 0 once it is decided.
  size_t Wanted(size_t workload) const;
  // REQUIRES: the workload is undecided.
  void Add(size_t workload, double log_ratio);
  void Discard(size_t workload) { ++tests_[workload].result.discarded; }
  // True where more than the plan's share was discarded; the workload is then INCONCLUSIVE.
  bool TooDisturbed(size_t workload) const;

  // Looks at all that is undecided, and goes on to the next look. REQUIRES: every undecided workload has what
  // it wanted, or was given up.
  void Look();
  // Ends a workload without a verdict: it ran out of time, broke, or was too disturbed.
  void GiveUp(size_t workload, const std::string& reason);
  void GiveUpAll(const std::string& reason);
  bool Decided() const;

  const TimingResult& result(size_t workload) const { return tests_[workload].result; }
  const std::vector<double>& values(size_t workload) const { return tests_[workload].values; }

 private:
  struct Test {
    std::vector<double> values;
    TimingResult result;
  };
  void Describe(Test& test) const;
  void Decide(Test& test, GateVerdict verdict, std::string reason) const;
  bool LastLook() const { return look_ + 1 >= plan_.looks.size(); }

  GatePlan plan_;
  std::vector<Test> tests_;
  size_t look_ = 0;
  size_t regressed_ = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_GATE_SUITE_H_
