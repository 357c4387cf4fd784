#include "results/merge_shards.h"

#include <gtest/gtest.h>

namespace layermark {
namespace {

const Place kPlace = {"overlay2", "overlay2", "ext4", "ram"};

Record Part(const std::string& shard, const std::string& name) {
  Record record;
  record.complete = true;
  record.run = {.id = "id" + shard,
                .started = "2026-01-01T00:00:0" + shard.substr(0, 1) + "Z",
                .seconds = 10,
                .tool_version = "1",
                .command = "run",
                .seed = 1,
                .profile = "quick"};
  record.image_digest = "sha256:1";
  record.environment.text = {{kShardKey, shard}, {"hostname", "one"}};
  DriverRow driver;
  driver.place = kPlace;
  driver.available = shard != "1/3";
  record.drivers = {driver};
  ConformanceRow row;
  row.case_name = name;
  row.place = kPlace;
  row.verdict = Verdict::kPass;
  record.conformance = {row};
  record.warnings = {"a warning"};
  return record;
}

TEST(MergeShards, AllPartsGiveOneCompleteRecord) {
  auto merged = MergeShards({Part("2/3", "b"), Part("1/3", "a"), Part("3/3", "c")});
  ASSERT_TRUE(merged.ok()) << merged.status().ToString();
  ASSERT_TRUE(merged->has_value());
  const Record& whole = **merged;
  EXPECT_TRUE(whole.complete);
  ASSERT_EQ(whole.conformance.size(), 3U);
  EXPECT_EQ(whole.conformance[0].case_name, "a");
  EXPECT_EQ(whole.conformance[2].case_name, "c");
  ASSERT_EQ(whole.drivers.size(), 1U);
  EXPECT_TRUE(whole.drivers[0].available);
  EXPECT_EQ(whole.run.seconds, 30);
  EXPECT_EQ(whole.run.started, "2026-01-01T00:00:01Z");
  EXPECT_EQ(whole.warnings.size(), 3U);
  EXPECT_FALSE(PartOf(whole).has_value());
}

TEST(MergeShards, AMissingPartMakesItIncomplete) {
  auto merged = MergeShards({Part("1/3", "a"), Part("3/3", "c")});
  ASSERT_TRUE(merged.ok() && merged->has_value());
  EXPECT_FALSE((*merged)->complete);
  EXPECT_EQ((*merged)->warnings.back(), "missing parts: 2/3");
}

TEST(MergeShards, SeveralMachinesAreSaid) {
  Record other = Part("2/2", "b");
  other.environment.text["hostname"] = "two";
  auto merged = MergeShards({Part("1/2", "a"), other});
  ASSERT_TRUE(merged.ok() && merged->has_value());
  EXPECT_NE((*merged)->warnings.back().find("differ in hostname (2 of them)"), std::string::npos);
}

TEST(MergeShards, RunsThatAreNoPartsStayApart) {
  Record run = Part("1/2", "a");
  run.environment.text.erase(kShardKey);
  auto merged = MergeShards({run, Part("2/2", "b")});
  ASSERT_TRUE(merged.ok());
  EXPECT_FALSE(merged->has_value());
}

TEST(MergeShards, WhatDoesNotBelongTogetherIsRefused) {
  Record seed = Part("2/2", "b");
  seed.run.seed = 2;
  EXPECT_EQ(MergeShards({Part("1/2", "a"), seed}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(MergeShards({Part("1/2", "a"), Part("2/3", "b")}).status().code(), Code::kInvalidArgument);
  const Status twice = MergeShards({Part("1/2", "a"), Part("1/2", "a")}).status();
  EXPECT_NE(twice.message().find("1/2 is given twice"), std::string::npos);
}

TEST(MergeShards, APartIsReadFromItsText) {
  for (const char* text : {"", "1", "0/2", "3/2", "1/2x", "a/b"}) {
    Record record;
    record.environment.text[kShardKey] = text;
    EXPECT_FALSE(PartOf(record).has_value()) << text;
  }
}

}  // namespace
}  // namespace layermark
