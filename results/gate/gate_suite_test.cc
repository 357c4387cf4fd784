#include "results/gate/gate_suite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace layermark {
namespace {

// Runs a suite whose workloads' blocks are normal about log(1 + slowdown[i]).
GateSuite Simulate(const std::vector<double>& slowdown, double sigma, uint64_t seed) {
  std::mt19937_64 random(seed);
  GateSuite suite({}, slowdown.size());
  while (!suite.Decided()) {
    for (size_t i = 0; i < slowdown.size(); ++i) {
      while (suite.values(i).size() < suite.Wanted(i)) {
        suite.Add(i, std::log1p(slowdown[i]) + std::normal_distribution<double>(0, sigma)(random));
      }
    }
    suite.Look();
  }
  return suite;
}

TEST(GateSuite, UnchangedAndQuietPassesAtTheFirstLook) {
  const GateSuite suite = Simulate(std::vector<double>(12, 0.0), 0.005, 1);
  for (size_t i = 0; i < suite.size(); ++i) {
    EXPECT_EQ(suite.result(i).verdict, GateVerdict::kPass);
    EXPECT_EQ(suite.result(i).blocks, 12u);
    EXPECT_FALSE(suite.result(i).underpowered);
    EXPECT_LT(suite.result(i).mde, 0.05);
  }
}

TEST(GateSuite, AnUnchangedSuiteRaisesNoAlarmAndAPlantedOneIsFound) {
  int alarms = 0;
  int found = 0;
  int small = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    std::vector<double> slowdown(12, 0.0);
    const GateSuite same = Simulate(slowdown, 0.02, seed);
    for (size_t i = 0; i < same.size(); ++i) alarms += same.result(i).verdict == GateVerdict::kRegressed;
    slowdown[3] = 0.05;
    slowdown[4] = 0.01;
    const GateSuite planted = Simulate(slowdown, 0.02, seed + 1000);
    found += planted.result(3).verdict == GateVerdict::kRegressed;
    small += planted.result(4).verdict == GateVerdict::kRegressed;
  }
  EXPECT_EQ(alarms, 0);
  EXPECT_GE(found, 95);
  EXPECT_EQ(small, 0);
}

TEST(GateSuite, NoiseGivesNoVerdictAndSaysWhatCouldHaveBeenSeen) {
  const GateSuite suite = Simulate({0.0, 0.05}, 0.4, 7);
  for (size_t i = 0; i < suite.size(); ++i) {
    const TimingResult& r = suite.result(i);
    EXPECT_EQ(r.verdict, GateVerdict::kInconclusive) << r.reason;
    EXPECT_EQ(r.blocks, 64u);
    EXPECT_TRUE(r.underpowered);
    EXPECT_GT(r.mde, 0.05);
    EXPECT_NE(r.reason.find("would have been seen"), std::string::npos) << r.reason;
  }
}

TEST(GateSuite, AClearSpeedUpPassesAndIsSaid) {
  const GateSuite suite = Simulate({-0.1}, 0.01, 3);
  EXPECT_EQ(suite.result(0).verdict, GateVerdict::kPass);
  EXPECT_TRUE(suite.result(0).improved);
  EXPECT_NEAR(suite.result(0).effect, -0.1, 0.02);
}

TEST(GateSuite, ASlowdownBelowTheFloorIsNoAlarmHoweverSure) {
  const GateSuite suite = Simulate({0.015}, 0.0005, 3);
  EXPECT_EQ(suite.result(0).verdict, GateVerdict::kPass) << suite.result(0).reason;
}

TEST(GateSuite, OutOfTimeIsInconclusive) {
  GateSuite suite({}, 2);
  for (int i = 0; i < 8; ++i) suite.Add(0, 0.001 * i);
  suite.GiveUpAll("the budget is used up");
  EXPECT_EQ(suite.result(0).verdict, GateVerdict::kInconclusive);
  EXPECT_NE(suite.result(0).reason.find("8 blocks would have shown"), std::string::npos);
  EXPECT_EQ(suite.result(1).verdict, GateVerdict::kInconclusive);
  EXPECT_EQ(suite.result(1).reason, "the budget is used up");
  EXPECT_TRUE(suite.result(1).underpowered);
  EXPECT_TRUE(suite.Decided());
}

TEST(GateSuite, MoreThanAFifthOfTheBlocksDisturbedIsTooMuch) {
  GateSuite suite({}, 1);
  suite.Discard(0);
  suite.Discard(0);
  EXPECT_FALSE(suite.TooDisturbed(0));  // two of the first twelve
  suite.Discard(0);
  EXPECT_TRUE(suite.TooDisturbed(0));
  for (int i = 0; i < 12; ++i) suite.Add(0, 0);
  EXPECT_FALSE(suite.TooDisturbed(0));  // three of fifteen
}

TEST(GatePlan, BlocksNeededAndEffectSeenAgree) {
  const GatePlan plan;
  EXPECT_EQ(BlocksNeeded(plan, 25, 0.001), 12);
  for (const double sigma : {0.03, 0.04, 0.05}) {
    const int n = BlocksNeeded(plan, 25, sigma);
    EXPECT_LE(MinimumDetectableEffect(plan, 25, sigma, static_cast<size_t>(n)), 0.05 + 1e-9);
    EXPECT_GT(MinimumDetectableEffect(plan, 25, sigma, static_cast<size_t>(n) - 1), 0.05);
  }
  EXPECT_GT(BlocksNeeded(plan, 25, 0.03), BlocksNeeded(plan, 5, 0.03));
}

TEST(GatePlan, TheLooksSpendTheWholeLevel) {
  const GatePlan plan;
  ASSERT_EQ(plan.looks.size(), plan.spending.size());
  double sum = 0;
  for (const double share : plan.spending) sum += share;
  EXPECT_NEAR(sum, 1, 1e-12);
}

}  // namespace
}  // namespace layermark
