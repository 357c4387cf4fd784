#include "results/gate/change_points.h"

#include <gtest/gtest.h>

#include <random>

namespace layermark {
namespace {

std::vector<double> Levels(const std::vector<std::pair<size_t, double>>& levels, double sigma,
                           uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, sigma);
  std::vector<double> series;
  for (const auto& [n, level] : levels) {
    for (size_t i = 0; i < n; ++i) series.push_back(level * (1 + noise(random)));
  }
  return series;
}

TEST(ChangePoints, AStepIsFoundWhereItIs) {
  const auto found = ChangePoints(Levels({{25, 1.0}, {25, 1.05}}, 0.01, 3));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].index, 25u);
  EXPECT_NEAR(found[0].before, 1.0, 0.01);
  EXPECT_NEAR(found[0].after, 1.05, 0.01);
  EXPECT_LE(found[0].p, 0.001);
}

TEST(ChangePoints, TwoStepsAreFoundInOrder) {
  const auto found = ChangePoints(Levels({{20, 1.0}, {20, 1.2}, {20, 1.1}}, 0.01, 4));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].index, 20u);
  EXPECT_EQ(found[1].index, 40u);
}

TEST(ChangePoints, NoiseAloneHasNone) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_TRUE(ChangePoints(Levels({{40, 1.0}}, 0.02, seed)).empty()) << seed;
  }
}

TEST(ChangePoints, AnExactCountThatChangesIsFoundAndAConstantOneIsNot) {
  std::vector<double> counts(20, 12);
  EXPECT_TRUE(ChangePoints(counts).empty());
  counts.insert(counts.end(), 20, 13);
  const auto found = ChangePoints(counts);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].index, 20u);
}

TEST(ChangePoints, AStepBelowTheMagnitudeIsLeftOut) {
  EXPECT_TRUE(ChangePoints(Levels({{25, 1.0}, {25, 1.01}}, 0.0005, 5)).empty());
}

TEST(ChangePoints, AShortHistoryHasNone) {
  EXPECT_TRUE(ChangePoints({1, 1, 1, 5, 5, 5}).empty());
  EXPECT_TRUE(ChangePoints({}).empty());
}

}  // namespace
}  // namespace layermark
