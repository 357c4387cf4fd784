#include "results/export_ktap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

struct Level {
  int planned = -1;
  int seen = 0;
  int not_ok = 0;
};

// Reads KTAP as the kernel's documentation states it, without the writer's help: version line, plan, numbered
// results, directives of the closed list, subtests one level deep, nothing else. "" or what is wrong.
std::string CheckKtap(const std::string& text, int* results, int* not_ok) {
  const std::regex result(R"((ok|not ok) ([0-9]+) - ([^#]+)( # (SKIP|XFAIL|TIMEOUT|ERROR)( .*)?)?)");
  std::vector<Level> levels;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos || indent % 2 != 0) return "stray line: " + line;
    const size_t depth = indent / 2;
    const std::string body = line.substr(indent);
    std::smatch match;
    if (body == "KTAP version 1") {
      if (depth != levels.size()) return "version line at the wrong depth";
      levels.emplace_back();
    } else if (body[0] == '#') {
      if (depth >= levels.size()) return "diagnostic at the wrong depth: " + line;
    } else if (body.rfind("1..", 0) == 0) {
      if (depth + 1 != levels.size() || levels.back().planned >= 0) return "plan out of place";
      levels.back().planned = std::stoi(body.substr(3));
    } else if (std::regex_match(body, match, result)) {
      if (depth + 1 < levels.size()) {
        // The result of the subtest that ends here.
        const Level inner = levels.back();
        levels.pop_back();
        if (inner.seen != inner.planned) return "a subtest's plan is not met";
        if ((inner.not_ok > 0) != (match[1] == "not ok"))
          return "a subtest's result does not follow from its tests";
      }
      if (depth + 1 != levels.size()) return "result at the wrong depth: " + line;
      if (std::stoi(match[2]) != ++levels.back().seen) return "numbers are not in order: " + line;
      levels.back().not_ok += match[1] == "not ok" ? 1 : 0;
      ++*results;
      *not_ok += match[1] == "not ok" ? 1 : 0;
    } else {
      return "stray line: " + line;
    }
  }
  if (levels.size() != 1) return "a subtest has no result";
  return levels[0].seen == levels[0].planned ? "" : "the plan is not met";
}

TEST(ExportKtap, IsReadableByTheRules) {
  int results = 0;
  int not_ok = 0;
  EXPECT_EQ(CheckKtap(ExportKtap(FixtureRecord()), &results, &not_ok), "");
  EXPECT_EQ(results, 8 + 3 + 3);
  EXPECT_EQ(not_ok, 4 + 1 + 2);  // fail, xpass, error, timeout; wrong; the two places that hold them
}

TEST(ExportKtap, StaysReadableWhateverTheReasonsHold) {
  Record record = FixtureRecord();
  for (ConformanceRow& row : record.conformance) row.reason = "first\nok 1 - forged\n1..9\n# x\r\n\x01";
  record.conformance[0].case_name = "area.with # in it";
  record.warnings = {"two\nlines"};
  int results = 0;
  int not_ok = 0;
  EXPECT_EQ(CheckKtap(ExportKtap(record), &results, &not_ok), "");
  EXPECT_EQ(results, 8 + 3 + 3);
}

TEST(ExportKtap, SaysTheDirectiveWithItsReason) {
  const std::string text = ExportKtap(FixtureRecord());
  EXPECT_THAT(text, HasSubstr("ok 3 - hardlink.survives_copy_up # XFAIL overlayfs breaks hard links"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "ok 5 - special.mknod # SKIP privilege_missing: missing capability priv_mknod: mknodat: EPERM\n"));
  EXPECT_THAT(text, HasSubstr("not ok 6 - view.is_read_only # ERROR worker died: SIGSEGV\n"));
  EXPECT_THAT(text, HasSubstr("not ok 7 - stack.layers_500 # TIMEOUT 60 s passed\n"));
  EXPECT_THAT(text, HasSubstr("# rename.dir: unexpected pass: "));
  EXPECT_THAT(text, HasSubstr("# copyup.mode: reproduce: layermark check --filter copyup.mode\n"));
  EXPECT_THAT(text, HasSubstr("ok 3 - aufs on ext4 (ram) # SKIP driver_unavailable: mount aufs: ENODEV\n"));
}

TEST(ExportKtap, AnOldRecordHasSkipsWithoutACode) {
  Record record = FixtureRecord();
  for (ConformanceRow& row : record.conformance) row.skip_code.clear();
  EXPECT_THAT(ExportKtap(record), HasSubstr("ok 5 - special.mknod # SKIP missing capability priv_mknod"));
}

TEST(ExportKtap, DiagnosticsStandBeforeTheResultTheyExplain) {
  const std::string text = ExportKtap(FixtureRecord());
  EXPECT_LT(text.find("# copyup.mode: mode 0644"), text.find("not ok 2 - copyup.mode"));
}

TEST(ExportKtap, AnEmptyRecordIsAnEmptyPlan) {
  Record record;
  record.complete = true;
  EXPECT_EQ(ExportKtap(record), "KTAP version 1\n1..0\n");
}

}  // namespace
}  // namespace layermark
