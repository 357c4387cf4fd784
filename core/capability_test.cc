#include "core/capability.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

TEST(ToleranceOf, IsNothingForExactMetricsAndUnknownForTimes) {
  const auto exact = ToleranceOf(Metric::syscalls);
  ASSERT_TRUE(exact);
  EXPECT_TRUE(exact->Covers(7, 7));
  EXPECT_FALSE(exact->Covers(7, 8));
  EXPECT_FALSE(ToleranceOf(Metric::latency));
  EXPECT_FALSE(ToleranceOf(Metric::slab_bytes)) << "the machine's, not the operation's";
}

TEST(ToleranceOf, CoversByShareOrByAmountWhicheverIsMore) {
  const MetricTolerance tolerance{0.1, 5};
  EXPECT_TRUE(tolerance.Covers(0, 5));
  EXPECT_FALSE(tolerance.Covers(0, 6));
  EXPECT_TRUE(tolerance.Covers(1000, 900));
  EXPECT_TRUE(tolerance.Covers(900, 1000));
  EXPECT_FALSE(tolerance.Covers(899, 1000));
}

TEST(ToleranceOf, NoRowStandsForAnExactMetric) {
#define METRIC(name, unit, direction, exact, sentence)
#define TOLERANCE(name, relative, absolute) EXPECT_FALSE(Row(Metric::name).exact) << #name;
#include "core/metrics.def"
#undef TOLERANCE
#undef METRIC
}

}  // namespace
}  // namespace layermark
