#include "results/gate/block_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace layermark {
namespace {

using ::testing::ElementsAre;

std::vector<double> Drifting(double keep, size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise;
  std::vector<double> values;
  double at = 0;
  for (size_t i = 0; i < n; ++i) values.push_back(at = keep * at + noise(random));
  return values;
}

TEST(BlockSeries, NeighboursAreMergedTwoByTwo) {
  EXPECT_THAT(MergeNeighbours({1, 3, 5, 7}), ElementsAre(2, 6));
  EXPECT_THAT(MergeNeighbours({1, 3, 4, 5, 6}), ElementsAre(2, 5));
  EXPECT_THAT(MergeNeighbours({4}), ElementsAre(4));
}

TEST(BlockSeries, OnlyWhatHangsTogetherIsMerged) {
  EXPECT_EQ(Decorrelated(Drifting(0, 64, 1)).size(), 64u);
  EXPECT_LE(Decorrelated(Drifting(0.95, 64, 1)).size(), 32u);
  EXPECT_EQ(Decorrelated({1, 2, 3, 4}).size(), 4u);  // too few to tell
}

TEST(BlockSeries, ABlockIsDroppedForItsCanaryOrForStealAndNotOtherwise) {
  std::vector<Disturbance> blocks(20, {{0.001, -0.001}, 0});
  blocks[3].canaries[1] = -0.5;
  blocks[7].steal_fraction = 0.2;
  blocks[9].canaries[0] = 0.015;  // above 4 sigmas of so quiet a machine, below the floor
  const std::vector<bool> dropped = DisturbedBlocks(blocks);
  for (size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(dropped[i], i == 3 || i == 7) << i;
}

TEST(BlockSeries, FewCanariesTellNothing) {
  EXPECT_THAT(DisturbedBlocks({{{0.9, 0.0}, 0}, {{0.0, 0.0}, 0}}), ElementsAre(false, false));
}

TEST(BlockSeries, OneWildValueDoesNotMoveTheRobustSigma) {
  EXPECT_LT(RobustSigma({1, 2, 3, 4, 5, 1000}), 5);
  EXPECT_GT(StandardDeviation({1, 2, 3, 4, 5, 1000}), 300);
}

}  // namespace
}  // namespace layermark
