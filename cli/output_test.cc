#include "cli/output.h"

#include <gtest/gtest.h>

#include <string>

namespace layermark {
namespace {

const Place kHere = {"vfs", "vfs", "ext4", "ram"};
const Place kThere = {"overlay2", "overlay2:index=on", "ext4", "ram"};

ConformanceRow Row(const std::string& name, const Place& place, Verdict verdict, const std::string& reason,
                   double seconds) {
  ConformanceRow row;
  row.case_name = name;
  row.place = place;
  row.verdict = verdict;
  row.reason = reason;
  row.seconds = seconds;
  row.reproduce = "again " + name;
  return row;
}

size_t Count(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(FindingsTextTest, WhatWasNotBegunForOneReasonIsOneEntryForEachInstance) {
  Record record;
  for (const Place& place : {kHere, kThere}) {
    for (const char* name : {"a.one", "a.two", "a.three"}) {
      record.conformance.push_back(Row(name, place, Verdict::kError, "interrupted before it ran", 0));
    }
  }
  const std::string text = FindingsText(record);
  EXPECT_EQ(Count(text, "interrupted before it ran"), 2u) << text;
  EXPECT_NE(text.find("error: a.one and 2 more vfs on ext4 (ram)"), std::string::npos) << text;
  EXPECT_NE(text.find("error: a.one and 2 more overlay2:index=on on ext4 (ram)"), std::string::npos) << text;
}

TEST(FindingsTextTest, WhatRanIsListedOneByOne) {
  Record record;
  record.conformance = {Row("a.pass", kHere, Verdict::kPass, "", 0.1),
                        Row("a.skip", kHere, Verdict::kSkip, "no", 0),
                        Row("a.known", kHere, Verdict::kXfail, "known", 0.1),
                        Row("a.fail", kHere, Verdict::kFail, "same", 0.1),
                        Row("a.fail2", kHere, Verdict::kFail, "same", 0.1),
                        Row("a.error", kHere, Verdict::kError, "same", 0.1),
                        Row("a.error2", kHere, Verdict::kError, "same", 0.1),
                        Row("a.hang", kHere, Verdict::kTimeout, "same", 1),
                        Row("a.mended", kHere, Verdict::kXpass, "same", 0.1)};
  const std::string text = FindingsText(record);
  for (const char* name : {"a.fail", "a.fail2", "a.error", "a.error2", "a.hang", "a.mended"}) {
    EXPECT_EQ(Count(text, std::string("again: again ") + name + "\n"), 1u) << name << "\n" << text;
  }
  for (const char* name : {"a.pass", "a.skip", "a.known"}) EXPECT_EQ(Count(text, name), 0u) << text;
  EXPECT_EQ(Count(text, " more "), 0u) << text;
}

TEST(FindingsTextTest, WorkloadsThatAreWrongAreNamedAndThoseNotRunShareAReason) {
  Record record;
  const auto row = [&](const char* act, WorkloadVerdict verdict, const char* reason) {
    record.workloads.push_back({"start", "container", kHere, {{"act", act}}, verdict, reason, 1});
  };
  row("right", WorkloadVerdict::kRight, "");
  row("wrong", WorkloadVerdict::kWrong, "f is missing");
  row("a", WorkloadVerdict::kNotRun, "no room");
  row("b", WorkloadVerdict::kNotRun, "no room");
  record.workloads[2].skip_code = record.workloads[3].skip_code = "budget";
  const std::string text = FindingsText(record) + SkipsText(record);
  EXPECT_NE(text.find("wrong: start act=wrong vfs on ext4 (ram)\n    f is missing\n"), std::string::npos)
      << text;
  EXPECT_EQ(Count(text, "budget: no room"), 1u) << text;
  EXPECT_NE(text.find("start act=a vfs and 1 more"), std::string::npos) << text;
  EXPECT_EQ(text.find("act=right"), std::string::npos) << text;
}

TEST(SkipsTextTest, EachCodeAndReasonOnceWithWhatItKeptFromRunning) {
  Record record;
  for (const Place& place : {kHere, kThere}) {
    record.conformance.push_back(
        Row("a.one", place, Verdict::kSkip, "missing capability acl: EOPNOTSUPP", 0));
    record.conformance.back().skip_code = "capability_missing";
  }
  record.conformance.push_back(Row("a.two", kHere, Verdict::kSkip, "an old record's", 0));
  record.conformance.push_back(Row("a.three", kHere, Verdict::kPass, "", 0));
  EXPECT_EQ(SkipsText(record),
            "skip: a.two vfs\n    an old record's\n"
            "skip: a.one overlay2:index=on and 1 more\n    capability_missing: missing capability acl: "
            "EOPNOTSUPP\n");
  EXPECT_EQ(FindingsText(record), "");
}

TEST(VerdictsTextTest, CountsEachVerdictOnce) {
  Record record;
  record.conformance = {Row("a.one", kHere, Verdict::kPass, "", 0.1),
                        Row("a.two", kHere, Verdict::kSkip, "no", 0)};
  const std::string text = VerdictsText(record);
  EXPECT_NE(text.find("vfs on ext4 (ram)"), std::string::npos) << text;
  EXPECT_NE(text.find("50.0 %"), std::string::npos) << text;
  EXPECT_EQ(VerdictsText(Record{}), "");
}

}  // namespace
}  // namespace layermark
