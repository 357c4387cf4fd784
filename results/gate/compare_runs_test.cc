#include "results/gate/compare_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

namespace layermark {
namespace {

using ::testing::HasSubstr;

const Place kPlace{"overlay2", "overlay2", "ext4", "ram"};

Measurement Value(const std::string& workload, Metric metric, double value) {
  Measurement m;
  m.workload = workload;
  m.place = kPlace;
  m.metric = metric;
  m.n = 1;
  m.value = value;
  m.exact = Row(metric).exact;
  return m;
}

Record RunOf(double inodes, double ratio, int day = 1) {
  Record record;
  record.complete = true;
  record.run.id = fmt::format("run{}", day);
  record.run.started = fmt::format("2025-01-{:02}T00:00:00Z", day);
  record.measurements = {Value("w", Metric::inodes, inodes), Value("w", Metric::ratio_to_raw, ratio)};
  return record;
}

std::string VerdictOf(const Comparison& comparison, const std::string& metric) {
  for (const GateRow& row : comparison.rows) {
    if (row.metric == metric) return row.verdict;
  }
  return "none";
}

TEST(CompareRuns, CountsNeedOneRunASideAndTimesSix) {
  const Comparison worse = CompareRuns({RunOf(10, 1.5)}, {RunOf(11, 3.0)}, {});
  EXPECT_EQ(VerdictOf(worse, "inodes"), "regressed");
  EXPECT_EQ(VerdictOf(worse, "ratio_to_raw"), "inconclusive");
  EXPECT_THAT(worse.rows.back().reason, HasSubstr("too few"));
  const Comparison fewer = CompareRuns({RunOf(10, 1.5)}, {RunOf(9, 1.5)}, {});
  EXPECT_EQ(VerdictOf(fewer, "inodes"), "pass");
  EXPECT_EQ(VerdictOf(CompareRuns({RunOf(10, 1)}, {RunOf(10, 1)}, {}), "exact"), "pass");
}

TEST(CompareRuns, TimesOfManyRunsAreToldByTheRun) {
  std::vector<Record> base, slower, same;
  for (int i = 0; i < 8; ++i) {
    base.push_back(RunOf(10, 1.5 + 0.001 * i));
    slower.push_back(RunOf(10, 1.7 + 0.001 * i));
    same.push_back(RunOf(10, 1.5005 + 0.001 * i));
  }
  EXPECT_EQ(VerdictOf(CompareRuns(base, slower, {}), "ratio_to_raw"), "regressed");
  EXPECT_EQ(VerdictOf(CompareRuns(base, same, {}), "ratio_to_raw"), "pass");
}

TEST(CompareRuns, ACountThatVariesWithinASideIsNotExact) {
  EXPECT_EQ(VerdictOf(CompareRuns({RunOf(10, 1), RunOf(12, 1)}, {RunOf(11, 1)}, {}), "inodes"),
            "inconclusive");
}

TEST(CompareRuns, WhatWasRightAndIsWrongHasRegressed) {
  Record base = RunOf(10, 1);
  Record fresh = RunOf(10, 1);
  WorkloadRow row;
  row.workload = "w";
  row.place = kPlace;
  row.verdict = WorkloadVerdict::kRight;
  base.workloads = {row};
  row.verdict = WorkloadVerdict::kWrong;
  row.reason = "wrong answer: f is missing";
  fresh.workloads = {row};
  const Comparison comparison = CompareRuns({base}, {fresh}, {});
  EXPECT_EQ(comparison.rows.at(0).verdict, "regressed");
  EXPECT_THAT(comparison.rows.at(0).reason, HasSubstr("f is missing"));
}

TEST(CompareRuns, AnotherMachineIsNoted) {
  Record base = RunOf(10, 1);
  Record fresh = RunOf(10, 1);
  base.environment.text["cpu"] = "one";
  fresh.environment.text["cpu"] = "another";
  EXPECT_THAT(CompareRuns({base}, {fresh}, {}).notes, ::testing::Contains(HasSubstr("cpu differs")));
}

TEST(HistoryChanges, AStepInACountNamesTheFirstRunAfterIt) {
  std::vector<Record> records;
  for (int day = 28; day >= 1; --day) records.push_back(RunOf(day > 14 ? 12 : 11, 1.5, day));  // in any order
  const std::vector<HistoryChange> changes = HistoryChanges(records);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].metric, "inodes");
  EXPECT_EQ(changes[0].started, "2025-01-15T00:00:00Z");
}

}  // namespace
}  // namespace layermark
