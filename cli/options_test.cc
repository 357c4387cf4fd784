#include "cli/options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "drivers/registry.h"

namespace layermark {
namespace {

// Best first.
constexpr int kRanked[] = {kExitPass, kExitInconclusive, kExitFinding, kExitInterrupted, kExitUsage};

TEST(ExitStatusTest, TheStatusesAreTheDocumentedNumbers) {
  EXPECT_EQ(kExitPass, 0);
  EXPECT_EQ(kExitFinding, 1);
  EXPECT_EQ(kExitUsage, 2);
  EXPECT_EQ(kExitInconclusive, 3);
  EXPECT_EQ(kExitInterrupted, 130);
}

TEST(ExitStatusTest, TheWorstWinsWhicheverComesFirst) {
  for (size_t a = 0; a < std::size(kRanked); ++a) {
    for (size_t b = 0; b < std::size(kRanked); ++b) {
      EXPECT_EQ(WorseExit(kRanked[a], kRanked[b]), kRanked[std::max(a, b)])
          << kRanked[a] << " and " << kRanked[b];
    }
  }
}

CommonOptions WithDrivers(std::vector<std::string> drivers) {
  CommonOptions options;
  options.drivers = std::move(drivers);
  return options;
}

TEST(InstancesForTest, SpecsBecomeInstancesInTheirOrderAndEachOnce) {
  const auto instances = InstancesFor(WithDrivers(
      {"vfs", "overlay2:metacopy=on,index=off", "overlay2", "overlay2:index=off,metacopy=on", "vfs"}));
  ASSERT_TRUE(instances.ok()) << instances.status().ToString();
  std::vector<std::string> names;
  for (const InstanceSpec& instance : *instances) names.push_back(instance.name());
  EXPECT_EQ(names, (std::vector<std::string>{"vfs", "overlay2:index=off,metacopy=on", "overlay2"}));
}

TEST(InstancesForTest, WithoutSpecsEveryDriverThatNeedsNothingMore) {
  const auto complete = InstancesFor({});
  const auto all = InstancesFor({}, true);
  ASSERT_TRUE(complete.ok());
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), AllDrivers().size());
  EXPECT_LT(complete->size(), all->size());  // a driver with a required option is not run by itself
  for (const InstanceSpec& instance : *complete) {
    EXPECT_EQ(instance.WhatIsMissing(), "") << instance.name();
    EXPECT_TRUE(instance.options.empty()) << instance.name();
  }
}

TEST(InstancesForTest, AllNamesEveryDriverAndThoseOfShortRunsAreAmongThem) {
  const auto all = InstancesFor(WithDrivers({kAllDrivers}));
  const auto some = InstancesFor({});
  CommonOptions full;
  full.profile = "full";
  const auto long_run = InstancesFor(full);
  ASSERT_TRUE(all.ok() && some.ok() && long_run.ok());
  EXPECT_EQ(all->size(), long_run->size());
  EXPECT_GE(all->size(), some->size());
  for (const InstanceSpec& instance : *some) EXPECT_TRUE(instance.driver->in_short_runs()) << instance.name();
  EXPECT_FALSE(FurtherCheckedInstances(WithDrivers({kAllDrivers})).empty());
}

TEST(InstancesForTest, OnlyADriverThatIsNamedMustBeAbleToRun) {
  const auto named = InstancesFor(WithDrivers({kAllDrivers, "vfs"}));
  ASSERT_TRUE(named.ok()) << named.status().ToString();
  size_t vfs = 0;
  for (const InstanceSpec& instance : *named) {
    EXPECT_EQ(IsNamed(WithDrivers({kAllDrivers, "vfs"}), instance), instance.name() == "vfs");
    vfs += instance.name() == "vfs" ? 1 : 0;
  }
  EXPECT_EQ(vfs, 1u);
}

TEST(InstancesForTest, FurtherInstancesAreCheckedWhereNoDriverIsNamed) {
  const std::vector<InstanceSpec> further = FurtherCheckedInstances({});
  ASSERT_FALSE(further.empty());
  for (const InstanceSpec& instance : further) {
    EXPECT_FALSE(instance.options.empty()) << instance.name();
    // Written as a user writes it, it is the same: its options exist and have these values.
    const auto parsed = ParseInstance(instance.name());
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ(parsed->options, instance.options);
  }
  EXPECT_TRUE(FurtherCheckedInstances(WithDrivers({"vfs"})).empty());
}

TEST(InstancesForTest, OneBadSpecIsRefusedByName) {
  for (const char* bad : {"", "nosuch", "overlay2:nosuch=on", "overlay2:metacopy=perhaps",
                          "overlay2:metacopy", "overlay2:metacopy=on,metacopy=off", "exec"}) {
    const auto instances = InstancesFor(WithDrivers({"vfs", bad}));
    ASSERT_FALSE(instances.ok()) << bad;
    EXPECT_EQ(instances.status().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_NE(InstancesFor(WithDrivers({"nosuch"})).status().message().find("\"nosuch\""), std::string::npos);
}

TEST(BackingForTest, TheDriversOwnUnlessOneIsNamed) {
  const InstanceSpec btrfs{FindDriver("btrfs"), {}};
  ASSERT_NE(btrfs.driver, nullptr);
  CommonOptions options;
  options.device = "disk";
  auto backing = BackingFor(options, btrfs);
  ASSERT_TRUE(backing.ok());
  EXPECT_EQ(backing->name(), btrfs.driver->default_backing());
  EXPECT_EQ(backing->device, "disk");
  options.backing = "tmpfs";
  backing = BackingFor(options, btrfs);
  ASSERT_TRUE(backing.ok());
  EXPECT_EQ(backing->name(), "tmpfs");
  EXPECT_EQ(backing->device, "ram");  // whatever was asked for
  options.backing = "dir=/";
  backing = BackingFor(options, btrfs);
  ASSERT_TRUE(backing.ok());
  EXPECT_EQ(backing->name(), "dir");
  EXPECT_EQ(backing->directory, "/");
  for (const char* bad : {"ext5", "dir=", "dir=/nonexistent/place", "EXT4"}) {
    options.backing = bad;
    EXPECT_FALSE(BackingFor(options, btrfs).ok()) << bad;
  }
}

TEST(ParseShardTest, CountsFromOne) {
  for (const auto& [text, index, count] :
       {std::tuple{"", 0, 1}, std::tuple{"1/1", 0, 1}, std::tuple{"1/3", 0, 3}, std::tuple{"3/3", 2, 3}}) {
    const Result<Shard> shard = ParseShard(text);
    ASSERT_TRUE(shard.ok()) << text;
    EXPECT_EQ(shard->index, index) << text;
    EXPECT_EQ(shard->count, count) << text;
  }
}

TEST(ParseShardTest, RefusesTheRestByName) {
  for (const char* bad : {"0/3", "4/3", "-1/3", "1", "1/", "/3", "1/0", "1/3x", "a/b", "1 /3", "1/3/5",
                          "99999999999/99999999999"}) {
    const Result<Shard> shard = ParseShard(bad);
    ASSERT_FALSE(shard.ok()) << bad;
    EXPECT_EQ(shard.status().code(), Code::kInvalidArgument);
    EXPECT_NE(shard.status().message().find(bad), std::string::npos) << shard.status().message();
  }
}

// Sets a variable of the environment for the time of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(ShardForTest, TheEnvironmentCountsFromZeroAndTheOptionWins) {
  {
    const Variable count("GTEST_TOTAL_SHARDS", "4"), index("GTEST_SHARD_INDEX", "3");
    ASSERT_TRUE(ShardFor("").ok());
    EXPECT_EQ(ShardFor("")->index, 3);
    EXPECT_EQ(ShardFor("")->count, 4);
    EXPECT_EQ(ShardFor("1/2")->index, 0);
    EXPECT_EQ(ShardFor("1/2")->count, 2);
  }
  const Variable index("JOB_COMPLETION_INDEX", "0");
  EXPECT_EQ(ShardFor("")->count, 1) << "an index without a count is no part";
  const Variable count("LAYERMARK_SHARDS", "2");
  EXPECT_EQ(ShardFor("")->index, 0);
  EXPECT_EQ(ShardFor("")->count, 2);
}

TEST(ShardForTest, NamesTheVariableThatIsWrong) {
  const Variable count("LAYERMARK_SHARDS", "2");
  EXPECT_NE(ShardFor("").status().message().find("JOB_COMPLETION_INDEX"), std::string::npos);
  const Variable index("JOB_COMPLETION_INDEX", "2");
  EXPECT_NE(ShardFor("").status().message().find("JOB_COMPLETION_INDEX=2"), std::string::npos);
  const Variable wrong("GTEST_TOTAL_SHARDS", "many");
  EXPECT_NE(ShardFor("").status().message().find("GTEST_TOTAL_SHARDS=many"), std::string::npos);
}

TEST(ParseDurationTest, SecondsMinutesAndHoursAddUp) {
  for (const auto& [text, seconds] :
       {std::pair{"45", 45.0}, std::pair{"90s", 90.0}, std::pair{"5m", 300.0}, std::pair{"2h", 7200.0},
        std::pair{"1h30m", 5400.0}, std::pair{"1m30", 90.0}, std::pair{"0.5m", 30.0},
        std::pair{"1.5s", 1.5}}) {
    const Result<double> parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_DOUBLE_EQ(*parsed, seconds) << text;
  }
}

TEST(ParseDurationTest, RefusesTheRestByName) {
  for (const char* bad : {"", "0", "0s", "-5", "-5s", "s", "5d", "5 m", "5ms", "ten", "inf", "nan", "infs",
                          "nanh", "1e999", "5m-1s", "1h inf"}) {
    const Result<double> parsed = ParseDuration(bad);
    ASSERT_FALSE(parsed.ok()) << bad << " is " << *parsed;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument) << bad;
    EXPECT_NE(parsed.status().message().find("--budget"), std::string::npos) << parsed.status().message();
  }
}

TEST(BisectExitTest, WhatIsNoFindingIsSkippedAndAnInterruptStopsTheBisection) {
  EXPECT_EQ(BisectExit(kExitPass), 0);
  EXPECT_EQ(BisectExit(kExitFinding), 1);
  EXPECT_EQ(BisectExit(kExitUsage), 125);
  EXPECT_EQ(BisectExit(kExitInconclusive), 125);
  EXPECT_EQ(BisectExit(kExitInterrupted), 130);
}

TEST(QuotedCommandTest, AShellReadsBackWhatWasTyped) {
  const char* argv[] = {
      "/somewhere/layermark", "check", "--driver", "overlay2:metacopy=on,index=off", "--filter",
      "whiteout.*",           "it's",  ""};
  EXPECT_EQ(QuotedCommand(static_cast<int>(std::size(argv)), argv),
            "./layermark check --driver overlay2:metacopy=on,index=off --filter 'whiteout.*' 'it'\\''s' ''");
}

}  // namespace
}  // namespace layermark
