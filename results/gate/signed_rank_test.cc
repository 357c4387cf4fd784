// Against SciPy on random data: testing/statistics. Here: what can be counted by hand.
#include "results/gate/signed_rank.h"

#include <gtest/gtest.h>

#include "results/gate/multiple_tests.h"
#include "results/gate/rank_sum.h"

namespace layermark {
namespace {

TEST(SignedRank, TwelveBlocksOnOneSideAreOneIn4096) {
  const std::vector<double> values(12, 0.05);
  EXPECT_DOUBLE_EQ(SignedRankGreater(values, 0.01), 1.0 / 4096);
  EXPECT_DOUBLE_EQ(SignedRankLess(values, 0.01), 1);
}

TEST(SignedRank, ValuesWithoutASignShowNothing) {
  EXPECT_DOUBLE_EQ(SignedRankGreater({0, 0, 0}, 0), 1);
  EXPECT_DOUBLE_EQ(SignedRankLess({}, 0), 1);
}

TEST(HodgesLehmann, IsTheMedianOfMeans) {
  EXPECT_DOUBLE_EQ(HodgesLehmann({1, 2, 9}), 3.5);  // of 1, 1.5, 2, 5, 5.5, 9
  EXPECT_FALSE(HodgesLehmannInterval({1, 2, 3, 4, 5}, 0.95).has_value());
  const auto interval = HodgesLehmannInterval({1, 2, 3, 4, 5, 6}, 0.95);
  ASSERT_TRUE(interval.has_value());
  EXPECT_DOUBLE_EQ(interval->low, 1);
  EXPECT_DOUBLE_EQ(interval->high, 6);
}

TEST(RankSum, ThreeAgainstThreeIsOneInTwenty) {
  EXPECT_DOUBLE_EQ(RankSumGreater({1, 2, 3}, {4, 5, 6}, 0), 0.05);
  EXPECT_DOUBLE_EQ(RankSumLess({1, 2, 3}, {4, 5, 6}, 0), 1);
  EXPECT_DOUBLE_EQ(RankSumGreater({}, {1}, 0), 1);
}

TEST(Holm, StopsAtTheFirstThatStands) {
  EXPECT_EQ(HolmAdjusted({0.01, 0.04, 0.03}), (std::vector<double>{0.03, 0.06, 0.06}));
  EXPECT_EQ(HolmAdjusted({0.01}, 5), (std::vector<double>{0.05}));
}

}  // namespace
}  // namespace layermark
