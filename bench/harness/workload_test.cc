#include "bench/harness/workload.h"

#include <gtest/gtest.h>

#include <map>
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
    size_t combinations = 1;
    for (const auto& [param, values] : entry.info.params) combinations *= values.quick.size();
    EXPECT_EQ(choices[entry.info.name], combinations) << entry.info.name;
  }
  for (int i = 0; i < 4; ++i) {
    for (const WorkloadChoice& choice : SelectWorkloads({}, "quick", i, 4)) --seen[name(choice)];
  }
  for (const auto& [what, left] : seen) EXPECT_EQ(left, 0) << what;
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
