#include "results/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace layermark {
namespace {

std::vector<double> OneTo(int n) {
  std::vector<double> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Median, IsTheMiddleOrTheMeanOfTheTwoMiddleValues) {
  EXPECT_DOUBLE_EQ(Median({7}), 7);
  EXPECT_DOUBLE_EQ(Median({9, 1, 5}), 5);
  EXPECT_DOUBLE_EQ(Median({4, 1, 3, 2}), 2.5);
}

TEST(Quantile, IsGivenOnlyWhereTenSamplesLieBeyond) {
  EXPECT_FALSE(Quantile(OneTo(99), 0.9).has_value());
  EXPECT_TRUE(Quantile(OneTo(100), 0.9).has_value());
  EXPECT_FALSE(Quantile(OneTo(999), 0.99).has_value());
  EXPECT_TRUE(Quantile(OneTo(1000), 0.99).has_value());
  EXPECT_TRUE(Quantile(OneTo(1), 0.5).has_value());
  EXPECT_FALSE(Quantile({}, 0.5).has_value());
  EXPECT_FALSE(Quantile(OneTo(50), 0.1).has_value());
}

TEST(Quantile, InterpolatesBetweenRanks) {
  // 0.9 * 99 = 89.1: a tenth of the way from the 90th to the 91st of 1..100.
  EXPECT_DOUBLE_EQ(Quantile(OneTo(100), 0.9).value(), 90.1);
  EXPECT_DOUBLE_EQ(Quantile(OneTo(101), 0.9).value(), 91);
  EXPECT_DOUBLE_EQ(Quantile(OneTo(1000), 0.99).value(), 990.01);
}

// The ranks are those of the sign test's table at 5 %, two-sided: n, then the rank from each end.
TEST(MedianInterval95, HasTheRanksOfTheSignTest) {
  const std::vector<std::pair<int, int>> table = {{6, 1},  {8, 1},   {9, 2},   {12, 3},  {20, 6},
                                                  {25, 8}, {30, 10}, {50, 18}, {100, 40}};
  for (const auto& [n, rank] : table) {
    const std::optional<Interval> interval = MedianInterval95(OneTo(n));
    ASSERT_TRUE(interval.has_value()) << n;
    EXPECT_DOUBLE_EQ(interval->low, rank) << n;
    EXPECT_DOUBLE_EQ(interval->high, n + 1 - rank) << n;
  }
}

TEST(MedianInterval95, NeedsSixSamples) {
  EXPECT_FALSE(MedianInterval95(OneTo(5)).has_value());
  EXPECT_FALSE(MedianInterval95({}).has_value());
}

TEST(MedianInterval95, CoversTheMedianInAtLeastNineteenOfTwentySeededTrials) {
  std::mt19937_64 random(42);
  std::lognormal_distribution<double> skewed(0, 1);  // its median is 1
  int covered = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(40);
    for (double& value : values) value = skewed(random);
    const Interval interval = MedianInterval95(values).value();
    if (interval.low <= 1 && 1 <= interval.high) ++covered;
  }
  EXPECT_GE(covered, kTrials * 94 / 100);
  EXPECT_LE(covered, kTrials * 99 / 100) << "far wider than it says";
}

TEST(MedianInterval95, StaysFiniteForManySamples) {
  const Interval interval = MedianInterval95(OneTo(100000)).value();
  EXPECT_NEAR(interval.low, 50000 - 1.96 * 158.1, 2);
  EXPECT_NEAR(interval.high, 50001 + 1.96 * 158.1, 2);
}

TEST(PairedRatio, IsTheMedianOfTheRatiosNotTheRatioOfTheMedians) {
  const RatioSummary summary = PairedRatio({2, 30, 1}, {1, 10, 1});
  EXPECT_DOUBLE_EQ(summary.median, 2);
  EXPECT_EQ(summary.n, 3);
  EXPECT_FALSE(summary.ci95.has_value());
}

TEST(PairedRatio, CarriesAnIntervalFromSixPairsOn) {
  const RatioSummary summary = PairedRatio({1, 2, 3, 4, 5, 6}, {1, 1, 1, 1, 1, 1});
  ASSERT_TRUE(summary.ci95.has_value());
  EXPECT_DOUBLE_EQ(summary.ci95->low, 1);
  EXPECT_DOUBLE_EQ(summary.ci95->high, 6);
}

}  // namespace
}  // namespace layermark
