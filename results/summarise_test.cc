#include "results/summarise.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

SampleSeries Series(size_t n, Metric metric = Metric::latency) {
  SampleSeries series{
      "copy_up_open", {"overlay2", "overlay2", "ext4", "ram"}, {{"size", "64KiB"}}, metric, "driver", {}};
  for (size_t i = 1; i <= n; ++i) series.values.push_back(static_cast<double>(i));
  return series;
}

TEST(Summarise, GivesOnlyWhatTheNumberOfSamplesSupports) {
  const Measurement few = Summarise(Series(20));
  EXPECT_EQ(few.n, 20);
  EXPECT_DOUBLE_EQ(few.p50.value(), 10.5);
  EXPECT_DOUBLE_EQ(few.max.value(), 20);
  EXPECT_DOUBLE_EQ(few.ci95_low.value(), 6);
  EXPECT_DOUBLE_EQ(few.ci95_high.value(), 15);
  EXPECT_FALSE(few.p90.has_value());
  EXPECT_FALSE(few.p99.has_value());
  EXPECT_FALSE(few.value.has_value());

  const Measurement many = Summarise(Series(1000));
  EXPECT_TRUE(many.p90.has_value());
  EXPECT_DOUBLE_EQ(many.p99.value(), 990.01);
}

TEST(Summarise, AnEmptySeriesHasNoNumber) {
  const Measurement none = Summarise(Series(0));
  EXPECT_EQ(none.n, 0);
  EXPECT_FALSE(none.p50 || none.max || none.value || none.ci95_low);
}

TEST(Summarise, KeepsTheKeyAndTakesExactnessFromTheMetric) {
  const Measurement m = Summarise(Series(3, Metric::inodes));
  EXPECT_EQ(m.workload, "copy_up_open");
  EXPECT_EQ(m.place.backing, "ext4");
  EXPECT_EQ(m.params.at("size"), "64KiB");
  EXPECT_EQ(m.side, "driver");
  EXPECT_TRUE(m.exact);
  EXPECT_FALSE(Summarise(Series(3)).exact);
}

TEST(SummariseRatio, PairsSamplesInTheOrderTaken) {
  SampleSeries driver = Series(7);
  SampleSeries raw = Series(7);
  raw.side = "raw";
  for (double& value : driver.values) value *= 3;
  const Measurement m = SummariseRatio(driver, raw);
  EXPECT_EQ(m.metric, Metric::ratio_to_raw);
  EXPECT_EQ(m.n, 7);
  EXPECT_DOUBLE_EQ(m.value.value(), 3);
  EXPECT_DOUBLE_EQ(m.ci95_low.value(), 3);
  EXPECT_FALSE(m.p50.has_value());
}

TEST(SummariseRatio, LeavesOutAPairWithoutAClockTick) {
  SampleSeries driver = Series(4);
  SampleSeries raw = Series(4);
  raw.values[0] = 0;
  EXPECT_EQ(SummariseRatio(driver, raw).n, 3);
  raw.values.assign(4, 0);
  EXPECT_FALSE(SummariseRatio(driver, raw).value.has_value());
}

TEST(SingleValue, IsOneSample) {
  const Measurement m = SingleValue("sharing_images", {"vfs", "vfs", "ext4", "disk"}, {}, Metric::inodes, 12);
  EXPECT_EQ(m.n, 1);
  EXPECT_DOUBLE_EQ(m.value.value(), 12);
  EXPECT_TRUE(m.exact);
}

}  // namespace
}  // namespace layermark
