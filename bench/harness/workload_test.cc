#include "bench/harness/workload.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "bench/harness/engine.h"

namespace layermark {
namespace {

TEST(WorkloadContextTest, NumbersMayHaveABinaryUnit) {
  WorkloadContext context;
  context.params = {{"plain", "128"}, {"zero", "0"},    {"kib", "64KiB"},   {"mib", "3MiB"},
                    {"gib", "2GiB"},  {"word", "deep"}, {"unit", "64 KiB"}, {"short", "64K"}};
  EXPECT_EQ(context.Number("plain"), 128);
  EXPECT_EQ(context.Number("zero"), 0);
  EXPECT_EQ(context.Number("kib"), 65536);
  EXPECT_EQ(context.Number("mib"), 3145728);
  EXPECT_EQ(context.Number("gib"), 2147483648);
  for (const char* bad : {"word", "unit", "short"}) {
    EXPECT_THROW((void)context.Number(bad), std::invalid_argument) << bad;
  }
  EXPECT_EQ(context.Text("word"), "deep");
}

TEST(WrongAnswerTest, IsToldFromOtherFailures) {
  EXPECT_TRUE(IsWrongAnswer(WrongAnswer("f is missing")));
  EXPECT_TRUE(IsWrongAnswer(WrongAnswer("f is missing").WithContext("verification")));
  EXPECT_FALSE(IsWrongAnswer(DataLoss("a digest does not fit")));
  EXPECT_FALSE(IsWrongAnswer(Status::Ok()));
}

TEST(SelectWorkloadsTest, EveryCombinationOnceAndShardsShareThemOut) {
  std::map<std::string, int> seen;
  const auto name = [](const WorkloadChoice& c) { return c.entry->info.name + " " + ParamsText(c.params); };
  std::map<std::string, size_t> choices;
  for (const WorkloadChoice& choice : SelectWorkloads({}, "quick")) {
    EXPECT_EQ(++seen[name(choice)], 1) << name(choice);
    ++choices[choice.entry->info.name];
  }
  ASSERT_FALSE(seen.empty());
  for (const WorkloadEntry& entry : AllWorkloads()) {
    if (entry.info.from == From::kFull) {
      EXPECT_EQ(choices.count(entry.info.name), 0U) << entry.info.name;
      continue;
    }
    size_t combinations = 1;
    for (const auto& [param, values] : entry.info.params) combinations *= values.quick.size();
    EXPECT_EQ(choices[entry.info.name], combinations) << entry.info.name;
  }
  for (int i = 0; i < 4; ++i) {
    for (const WorkloadChoice& choice : SelectWorkloads({}, "quick", i, 4)) --seen[name(choice)];
  }
  for (const auto& [what, left] : seen) EXPECT_EQ(left, 0) << what;
}

TEST(SelectWorkloadsTest, WhatAProfileLeavesOutRunsWhereAFilterNamesIt) {
  const auto names = [](const std::vector<std::string>& filters, const std::string& profile) {
    std::set<std::string> found;
    for (const WorkloadChoice& c : SelectWorkloads(filters, profile)) found.insert(c.entry->info.name);
    return found;
  };
  const std::set<std::string> smoke = names({}, "smoke"), quick = names({}, "quick"),
                              full = names({}, "full");
  EXPECT_TRUE(std::includes(quick.begin(), quick.end(), smoke.begin(), smoke.end()));
  EXPECT_EQ(full.size(), AllWorkloads().size());
  EXPECT_LT(quick.size(), full.size());
  for (const WorkloadEntry& entry : AllWorkloads()) {
    const std::string profiles = ProfilesOf(entry.info);
    EXPECT_EQ(smoke.contains(entry.info.name), profiles.starts_with("smoke")) << entry.info.name;
    EXPECT_EQ(quick.contains(entry.info.name), profiles.find("quick") != std::string::npos)
        << entry.info.name;
    for (const char* profile : {"smoke", "quick", "full"}) {
      EXPECT_TRUE(names({entry.info.name}, profile).contains(entry.info.name)) << entry.info.name << profile;
    }
  }
}

TEST(AllWorkloadsTest, EachScenarioOfTheMethodologyHasOne) {
  for (int i = 1; i <= 28; ++i) {
    const std::string id = fmt::format("W{:02}", i);
    const auto& all = AllWorkloads();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const WorkloadEntry& entry) {
      return entry.info.source.find(id) != std::string::npos;
    })) << id;
  }
}

TEST(AllWorkloadsTest, EachParameterHasAValueInEveryProfile) {
  for (const WorkloadEntry& entry : AllWorkloads()) {
    for (const auto& [param, values] : entry.info.params) {
      EXPECT_FALSE(values.smoke.empty() || values.quick.empty() || values.full.empty())
          << entry.info.name << " " << param << ": a filter can name it with any profile";
    }
  }
}

TEST(SelectWorkloadsTest, GlobsMatchNameAndFamily) {
  EXPECT_TRUE(SelectWorkloads({"no_such_*"}, "quick").empty());
  ASSERT_FALSE(AllWorkloads().empty());
  const WorkloadInfo& first = AllWorkloads().front().info;
  for (const WorkloadChoice& c : SelectWorkloads({first.family}, "quick")) {
    EXPECT_TRUE(c.entry->info.family == first.family || c.entry->info.name == first.family);
  }
  EXPECT_FALSE(SelectWorkloads({first.family}, "quick").empty());
}

}  // namespace
}  // namespace layermark
