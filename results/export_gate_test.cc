#include "results/export_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/export_junit.h"
#include "results/export_markdown.h"
#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

GateRow With(const std::string& verdict) {
  GateRow row;
  row.workload = "w_" + verdict;
  row.verdict = verdict;
  return row;
}

TEST(ExportGate, TheWorstVerdictIsTheGates) {
  EXPECT_EQ(GateVerdictOf({With("pass"), With("regressed"), With("inconclusive")}), "regressed");
  EXPECT_EQ(GateVerdictOf({With("pass"), With("inconclusive")}), "inconclusive");
  EXPECT_EQ(GateVerdictOf({With("pass"), With("not_run")}), "pass");
  EXPECT_EQ(GateVerdictOf({With("not_run")}), "inconclusive");  // nothing was looked at
  EXPECT_EQ(GateVerdictOf({}), "inconclusive");
  EXPECT_EQ(GateSentence({With("pass"), With("not_run")}),
            "PASS: 0 regressed, 0 inconclusive, 1 passed, 1 not run");
}

TEST(ExportGate, MarkdownShowsWhatIsNoPassAndFoldsTheRest) {
  Record record = FixtureRecord();
  record.gate.push_back(With("pass"));
  const std::string text = ExportGateMarkdown(record);
  EXPECT_THAT(text, HasSubstr("REGRESSED: 1 regressed, 1 inconclusive, 1 passed"));
  EXPECT_THAT(text, HasSubstr("4 on A, 5 on B \\| \\<more>"));
  EXPECT_THAT(
      text,
      HasSubstr("| inconclusive | stack_mount layers=16 | latency | +0.6 % | -2.0 % to +3.0 % | +6.5 % |"));
  EXPECT_LT(text.find("| **regressed**"), text.find("| inconclusive"));
  EXPECT_LT(text.find("<details>"), text.find("w_pass"));
  EXPECT_THAT(text, HasSubstr("Again with: layermark run --filter 'a b'"));
}

TEST(ExportGate, TheOtherExportsHaveItsRows) {
  const Record record = FixtureRecord();
  const std::string junit = ExportJunit(record);
  EXPECT_THAT(junit, HasSubstr("type=\"Regressed\""));
  EXPECT_THAT(junit, HasSubstr("name=\"stack_mount/layers=16 operation.inodes_left\""));
  EXPECT_THAT(junit, HasSubstr("<skipped type=\"inconclusive\""));
  EXPECT_THAT(ExportMarkdown(record), HasSubstr("layermark gate: REGRESSED"));
  Record without = record;
  without.gate.clear();
  EXPECT_THAT(ExportJunit(without), Not(HasSubstr("gate")));
  EXPECT_THAT(ExportMarkdown(without), Not(HasSubstr("gate")));
}

}  // namespace
}  // namespace layermark
