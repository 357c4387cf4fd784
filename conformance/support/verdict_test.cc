#include "conformance/support/verdict.h"

#include <gtest/gtest.h>

#include <string>

namespace layermark {
namespace {

WorkerAnswer Ended(const std::string& text) {
  WorkerAnswer answer;
  answer.text = text;
  answer.status.code = 0;
  return answer;
}

ConformanceRow Judged(const std::string& text) {
  WorkerAnswer answer = Ended(text);
  answer.seconds = 1.5;
  ConformanceRow row;
  row.case_name = "rename.file";
  row.reason = "not begun";
  EXPECT_FALSE(Judge(answer, row)) << text;
  EXPECT_EQ(row.seconds, 1.5);
  return row;
}

TEST(JudgeTest, ACaseThatSaidNothingPassesWithoutAReason) {
  for (const char* text : {"{}", R"({"failures":"","skip":"","error":""})"}) {
    const ConformanceRow row = Judged(text);
    EXPECT_EQ(row.verdict, Verdict::kPass) << text;
    EXPECT_EQ(row.reason, "") << text;
  }
}

TEST(JudgeTest, TheReasonIsWhatTheCaseSaid) {
  const ConformanceRow failed = Judged(R"({"failures":"one\ntwo"})");
  EXPECT_EQ(failed.verdict, Verdict::kFail);
  EXPECT_EQ(failed.reason, "one\ntwo");
  const ConformanceRow skipped = Judged(R"({"skip":"tool_missing: no setfacl: not here"})");
  EXPECT_EQ(skipped.verdict, Verdict::kSkip);
  EXPECT_EQ(skipped.skip_code, "tool_missing");
  EXPECT_EQ(skipped.reason, "no setfacl: not here");
  const ConformanceRow broken = Judged(R"({"error":"mkdir: EIO"})");
  EXPECT_EQ(broken.verdict, Verdict::kError);
  EXPECT_EQ(broken.reason, "mkdir: EIO");
}

TEST(JudgeTest, ASkipWithoutACodeOfTheListIsAnError) {
  for (const char* text : {R"({"skip":"not here"})", R"({"skip":"whim: not here"})", R"({"skip":"budget"})",
                           R"({"skip":": x"})"}) {
    const ConformanceRow row = Judged(text);
    EXPECT_EQ(row.verdict, Verdict::kError) << text;
    EXPECT_EQ(row.skip_code, "") << text;
    EXPECT_NE(row.reason.find("core/skip_codes.def"), std::string::npos) << row.reason;
  }
}

TEST(JudgeTest, NothingHidesAFailureAndNoSkipHidesAnError) {
  EXPECT_EQ(Judged(R"({"failures":"f","error":"e","skip":"s"})").verdict, Verdict::kFail);
  EXPECT_EQ(Judged(R"({"failures":"f","skip":"s"})").verdict, Verdict::kFail);
  EXPECT_EQ(Judged(R"({"error":"e","skip":"s"})").verdict, Verdict::kError);
}

TEST(JudgeTest, AWorkerWithoutAnAnswerIsAnErrorThatSaysHowItEnded) {
  for (const char* text : {"", "[]", "7", "{\"failures\":", R"({"failures":1})", R"({"error":[]})",
                           R"({"skip":null})", R"({"skip":"budget: none","hung":"no"})"}) {
    const ConformanceRow row = Judged(text);
    EXPECT_EQ(row.verdict, Verdict::kError) << text;
    EXPECT_NE(row.reason.find("without an answer"), std::string::npos) << row.reason;
  }
  WorkerAnswer died = Ended("{}");
  died.status.code = -1;
  died.status.signal = 11;
  ConformanceRow row;
  EXPECT_FALSE(Judge(died, row));
  EXPECT_EQ(row.verdict, Verdict::kError);
  EXPECT_NE(row.reason.find(died.status.ToString()), std::string::npos) << row.reason;
}

TEST(JudgeTest, ADeadlineIsATimeoutWhateverTheWorkerLeft) {
  WorkerAnswer hung = Ended("{}");
  hung.status.timed_out = true;
  ConformanceRow row;
  EXPECT_FALSE(Judge(hung, row));
  EXPECT_EQ(row.verdict, Verdict::kTimeout);
}

TEST(JudgeTest, TellsThatTheDriversProgramHung) {
  WorkerAnswer answer = Ended(R"({"error":"the call took too long","hung":true})");
  ConformanceRow row;
  EXPECT_TRUE(Judge(answer, row));
  EXPECT_EQ(row.verdict, Verdict::kError);
}

constexpr const char* kEntries = R"(
[[expect]]
case = "rename.directory_*"
reason = "*EXDEV*"
when = { "option.redirect_dir" = "off", backing = "ext4", "feature.reflink" = false }
cause = "no directory renames"
link = "https://example.org/1"
)";

class ExpectationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<std::vector<ExpectedFailure>> parsed = ParseExpectedFailures(kEntries, "some", "file.toml");
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    entries_ = *parsed;
    here_.driver = "some";
    here_.options = {{"redirect_dir", "off"}};
    here_.backing = "ext4";
  }

  ConformanceRow Applied(const std::string& name, Verdict verdict, const std::string& reason,
                         const DeviationContext& context) const {
    ConformanceRow row;
    row.case_name = name;
    row.verdict = verdict;
    row.reason = reason;
    ApplyExpectations(entries_, context, row);
    return row;
  }
  Verdict VerdictIn(const DeviationContext& context) const {
    return Applied("rename.directory_lower", Verdict::kFail, "rename -> EXDEV", context).verdict;
  }

  std::vector<ExpectedFailure> entries_;
  DeviationContext here_;
};

TEST_F(ExpectationsTest, AKnownFailureIsXfailWithCauseLinkAndWhatWasSeen) {
  const ConformanceRow row = Applied("rename.directory_lower", Verdict::kFail, "rename -> EXDEV", here_);
  EXPECT_EQ(row.verdict, Verdict::kXfail);
  EXPECT_EQ(row.reason, "no directory renames (https://example.org/1)\nrename -> EXDEV");
}

TEST_F(ExpectationsTest, AnUnexpectedPassIsXpassAndNamesTheCause) {
  const ConformanceRow row = Applied("rename.directory_lower", Verdict::kPass, "", here_);
  EXPECT_EQ(row.verdict, Verdict::kXpass);
  EXPECT_NE(row.reason.find("no directory renames"), std::string::npos) << row.reason;
}

TEST_F(ExpectationsTest, AnotherCaseOrAnotherFailureIsNotExcused) {
  EXPECT_EQ(Applied("rename.file", Verdict::kFail, "rename -> EXDEV", here_).verdict, Verdict::kFail);
  EXPECT_EQ(Applied("rename.file", Verdict::kPass, "", here_).verdict, Verdict::kPass);
  const ConformanceRow other = Applied("rename.directory_lower", Verdict::kFail, "an entry is gone", here_);
  EXPECT_EQ(other.verdict, Verdict::kFail);
  EXPECT_EQ(other.reason, "an entry is gone");
}

TEST_F(ExpectationsTest, EveryConditionMustHold) {
  EXPECT_EQ(VerdictIn(here_), Verdict::kXfail);
  DeviationContext other = here_;
  other.options["redirect_dir"] = "on";
  EXPECT_EQ(VerdictIn(other), Verdict::kFail);
  other = here_;
  other.backing = "xfs";
  EXPECT_EQ(VerdictIn(other), Verdict::kFail);
  other = here_;
  other.features.Add(Capability::reflink);
  EXPECT_EQ(VerdictIn(other), Verdict::kFail);
  other = here_;
  other.driver = "another";
  EXPECT_EQ(VerdictIn(other), Verdict::kFail);
}

TEST_F(ExpectationsTest, WhatGaveNoAnswerIsNeverExcused) {
  for (Verdict verdict : {Verdict::kError, Verdict::kTimeout, Verdict::kSkip}) {
    const ConformanceRow row = Applied("rename.directory_lower", verdict, "EXDEV", here_);
    EXPECT_EQ(row.verdict, verdict);
    EXPECT_EQ(row.reason, "EXDEV");
  }
}

}  // namespace
}  // namespace layermark
