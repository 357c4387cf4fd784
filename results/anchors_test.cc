#include "results/anchors.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace layermark {
namespace {

// The anchor `id`, as it is in the file.
const Anchor& Named(std::string_view id) {
  for (const Anchor& anchor : AllAnchors()) {
    if (anchor.id == id) return anchor;
  }
  ADD_FAILURE() << "no anchor " << id;
  return AllAnchors().front();
}

class AnchorsTest : public testing::Test {
 protected:
  void Measure(const std::string& workload, const std::string& instance, const Params& params, Metric metric,
               double middle, double spread) {
    const Place place{instance, instance, "ext4", "ram"};
    record_.workloads.push_back({workload, "family", place, params, WorkloadVerdict::kRight, "", 0.1});
    Measurement m;
    m.workload = workload;
    m.place = place;
    m.params = params;
    m.metric = metric;
    m.exact = Row(metric).exact;
    m.n = 30;
    if (m.exact) {
      m.value = middle;
    } else {
      m.p50 = middle;
      m.ci95_low = middle * (1 - spread);
      m.ci95_high = middle * (1 + spread);
    }
    record_.measurements.push_back(m);
  }

  AnchorRow Only(std::string_view id) const {
    for (const AnchorRow& row : EvaluateAnchors(record_)) {
      if (row.id == id) return row;
    }
    ADD_FAILURE() << "no row " << id;
    return {};
  }

  Record record_;
};

TEST(AnchorsFile, EachRowIsSoundAndHasAWordOfItsOwn) {
  std::set<std::string_view> ids;
  for (const Anchor& anchor : AllAnchors()) {
    EXPECT_TRUE(ids.insert(anchor.id).second) << anchor.id;
    EXPECT_LE(anchor.low, anchor.high) << anchor.id;
    EXPECT_GT(anchor.low, 0) << anchor.id;
    EXPECT_FALSE(anchor.claim.empty() || anchor.source.empty() || anchor.doubt.empty()) << anchor.id;
    EXPECT_NE(anchor.side_a, anchor.side_b) << anchor.id;
    if (anchor.published > 0) {
      EXPECT_TRUE(anchor.low <= anchor.published && anchor.published <= anchor.high) << anchor.id;
    }
  }
  EXPECT_GE(ids.size(), 30U);
}

TEST_F(AnchorsTest, AFactorInTheBandIsReproducedWithItsInterval) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 500, 0.1);
  const AnchorRow row = Only("fuse_stream");
  EXPECT_EQ(row.verdict, "reproduced") << row.reason;
  EXPECT_DOUBLE_EQ(*row.factor, 5);
  EXPECT_DOUBLE_EQ(*row.ci95_low, 450 / 110.0);
  EXPECT_DOUBLE_EQ(*row.ci95_high, 550 / 90.0);
  EXPECT_EQ(*row.published, Named("fuse_stream").published);
}

TEST_F(AnchorsTest, TheSameDirectionWithAnotherFactorIsToldApart) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 150, 0.1);
  EXPECT_EQ(Only("fuse_stream").verdict, "other_factor");
}

TEST_F(AnchorsTest, AnIntervalThatHoldsOneClaimsNoDirection) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.3);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 150, 0.3);
  const AnchorRow row = Only("fuse_stream");
  EXPECT_EQ(row.verdict, "not_reproduced");
  EXPECT_EQ(row.reason, "the interval holds 1");
}

TEST_F(AnchorsTest, ATimeWithoutAnIntervalClaimsNothing) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 500, 0.1);
  record_.measurements.back().ci95_low = record_.measurements.back().ci95_high = std::nullopt;
  const AnchorRow row = Only("fuse_stream");
  EXPECT_EQ(row.verdict, "not_runnable");
  EXPECT_EQ(row.reason, "too few samples for an interval");
  EXPECT_DOUBLE_EQ(*row.factor, 5);
}

TEST_F(AnchorsTest, TheOtherDirectionIsNotReproduced) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 500, 0.1);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  EXPECT_EQ(Only("fuse_stream").verdict, "not_reproduced");
}

TEST_F(AnchorsTest, OfSeveralChoicesTheLastOfBothSidesCounts) {
  for (const char* writes : {"32", "4024"}) {
    const double scale = writes == std::string("32") ? 1 : 10;
    Measure("stream_write", "overlay2", {{"writes", writes}}, Metric::latency, 100 * scale, 0.1);
    Measure("stream_write", "fuse_overlayfs", {{"writes", writes}}, Metric::latency, 400 * scale * scale,
            0.1);
  }
  Measure("stream_write", "fuse_overlayfs", {{"writes", "99999"}}, Metric::latency, 1, 0.1);
  const AnchorRow row = Only("fuse_stream");
  EXPECT_EQ(row.a.params.at("writes"), "4024") << "99999 has no other side";
  EXPECT_DOUBLE_EQ(*row.factor, 40);
}

TEST_F(AnchorsTest, SidesMayDifferInAParameterAlone) {
  Measure("lookup", "overlay2", {{"cache", "cold"}, {"depth", "1"}, {"name", "hit"}}, Metric::latency, 10,
          0.1);
  Measure("lookup", "overlay2", {{"cache", "cold"}, {"depth", "32"}, {"name", "hit"}}, Metric::latency, 100,
          0.1);
  Measure("lookup", "overlay2", {{"cache", "warm"}, {"depth", "32"}, {"name", "hit"}}, Metric::latency, 1,
          0.1);
  const AnchorRow row = Only("lookup_depth");
  EXPECT_EQ(row.verdict, "reproduced") << row.reason;
  EXPECT_DOUBLE_EQ(*row.factor, 10);
  EXPECT_FALSE(row.published.has_value()) << "only a direction was published";
  EXPECT_EQ(Only("lookup_warm").verdict, "not_runnable");
}

TEST_F(AnchorsTest, EqualityIsABandAroundOne) {
  const auto measure = [&](double eight) {
    record_ = {};
    Measure("page_cache", "overlay2", {{"containers", "1"}, {"size", "2MiB"}}, Metric::cache_duplication, 1,
            0);
    Measure("page_cache", "overlay2", {{"containers", "8"}, {"size", "2MiB"}}, Metric::cache_duplication,
            eight, 0);
    return Only("cache_overlay").verdict;
  };
  EXPECT_EQ(measure(1.0), "reproduced");
  EXPECT_EQ(measure(1.5), "not_reproduced");
  EXPECT_EQ(measure(0.5), "not_reproduced");
}

TEST_F(AnchorsTest, ACountOverNoneIsTheCountAndNoneOverNoneIsNoDifference) {
  const auto measure = [&](double farm) {
    record_ = {};
    Measure("link_limit", "overlay", {{"names", "33000"}}, Metric::link_failures, farm, 0);
    Measure("link_limit", "overlay2", {{"names", "33000"}}, Metric::link_failures, 0, 0);
    return Only("link_limit").verdict;
  };
  EXPECT_EQ(measure(1), "reproduced");
  EXPECT_EQ(measure(0), "not_reproduced");
}

TEST_F(AnchorsTest, WhatWasNotMeasuredStaysWithItsReason) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  EXPECT_EQ(Only("fuse_stream").verdict, "not_runnable");
  EXPECT_EQ(Only("fuse_stream").reason, "fuse_overlayfs is not in this run");
  const Place place{"fuse_overlayfs", "fuse_overlayfs", "ext4", "ram"};
  record_.workloads.push_back(
      {"stream_write", "writing", place, {{"writes", "32"}}, WorkloadVerdict::kNotRun, "no /dev/fuse", 0});
  EXPECT_EQ(Only("fuse_stream").reason, "fuse_overlayfs: no /dev/fuse");
  record_.workloads.back().verdict = WorkloadVerdict::kWrong;
  EXPECT_EQ(Only("fuse_stream").reason, "fuse_overlayfs: the answer was wrong: no /dev/fuse");
}

TEST_F(AnchorsTest, AnAnchorWhoseWorkloadWasNotSelectedHasNoRow) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  for (const AnchorRow& row : EvaluateAnchors(record_)) EXPECT_EQ(row.workload, "stream_write") << row.id;
  EXPECT_TRUE(EvaluateAnchors(Record{}).empty());
}

TEST_F(AnchorsTest, RowsSurviveTheRecordAsText) {
  Measure("stream_write", "overlay2", {{"writes", "32"}}, Metric::latency, 100, 0.1);
  Measure("stream_write", "fuse_overlayfs", {{"writes", "32"}}, Metric::latency, 500, 0.1);
  record_.anchors = EvaluateAnchors(record_);
  ASSERT_FALSE(record_.anchors.empty());
  const Result<Record> back = FromJson(ToJson(record_));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  ASSERT_EQ(back->anchors.size(), record_.anchors.size());
  const AnchorRow &was = record_.anchors.front(), &is = back->anchors.front();
  EXPECT_EQ(was.id, is.id);
  EXPECT_EQ(was.factor, is.factor);
  EXPECT_EQ(was.ci95_low, is.ci95_low);
  EXPECT_EQ(was.a.params, is.a.params);
  EXPECT_EQ(was.verdict, is.verdict);
  EXPECT_EQ(was.low, is.low);
}

}  // namespace
}  // namespace layermark
