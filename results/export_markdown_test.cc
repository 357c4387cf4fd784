#include "results/export_markdown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

// Columns of a table line: separators that are not escaped, less one.
int Columns(const std::string& line) {
  int bars = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++bars;
  }
  return bars - 1;
}

TEST(ExportMarkdown, EveryTableIsRectangular) {
  Record record = FixtureRecord();
  record.environment.text["odd"] = "a | b\nc";
  std::istringstream in(ExportMarkdown(record));
  std::string line;
  int width = 0;
  int tables = 0;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] != '|') {
      width = 0;
      continue;
    }
    if (width == 0) {
      width = Columns(line);
      ++tables;
    }
    EXPECT_EQ(Columns(line), width) << line;
  }
  EXPECT_EQ(tables, 5);
}

TEST(ExportMarkdown, CountsVerdictsAndNamesFindingsWithTheirCommand) {
  const std::string text = ExportMarkdown(FixtureRecord());
  EXPECT_THAT(text,
              HasSubstr("| overlay2:metacopy=on on ext4 (ram) | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 0 | 0 |"));
  EXPECT_THAT(text, HasSubstr("**fail** copyup.mode on overlay2:metacopy=on on ext4 (ram): mode 0644"));
  EXPECT_THAT(text, HasSubstr("again with: layermark check --filter copyup.mode"));
  EXPECT_THAT(text, HasSubstr("**wrong** copy_up_open size=64KiB on vfs on ext4 (ram): digest \\| differs"));
}

TEST(ExportMarkdown, ShowsMedianIntervalCountAndRatio) {
  EXPECT_THAT(ExportMarkdown(FixtureRecord()),
              HasSubstr("| latency | 812 us | 800 us to 820 us | - | 200 | 2.03 |"));
}

TEST(ExportMarkdown, CountsOfOneOperationHaveATableOfTheirOwn) {
  Record record = FixtureRecord();
  Measurement calls = record.measurements[3];
  calls.side = "driver";
  calls.metric = Metric::syscalls;
  calls.value = 4711;
  Measurement none = calls;
  none.metric = Metric::fuse_requests;
  none.value.reset();
  none.n = 0;
  none.reason = "fsopen tracefs: EPERM";
  record.measurements.insert(record.measurements.end(), {calls, none});
  const std::string text = ExportMarkdown(record);
  const std::string table = text.substr(text.find("## Counts of one operation"));
  EXPECT_THAT(table, HasSubstr("| 4,711 | n/a | - |"));
  EXPECT_THAT(table, HasSubstr("n/a: fuse_requests: fsopen tracefs: EPERM"));
  EXPECT_THAT(text.substr(0, text.find("## Counts of one operation")), ::testing::Not(HasSubstr("4,711")));
  EXPECT_THAT(ExportMarkdown(FixtureRecord()), ::testing::Not(HasSubstr("Counts of one operation")));
}

TEST(ExportMarkdown, SaysWhatDidNotRunAndWhy) {
  const std::string text = ExportMarkdown(FixtureRecord());
  EXPECT_THAT(text, HasSubstr("driver aufs on ext4 (ram): mount aufs: ENODEV"));
  EXPECT_THAT(text, HasSubstr("missing capability priv_mknod: mknodat: EPERM (1: special.mknod)"));
  EXPECT_THAT(text, HasSubstr("needs layers_500 (1: stack_mount layers=500)"));
}

TEST(ExportMarkdown, SaysThatARunWasInterrupted) {
  Record record = FixtureRecord();
  EXPECT_THAT(ExportMarkdown(record), ::testing::Not(HasSubstr("Interrupted")));
  record.complete = false;
  EXPECT_THAT(ExportMarkdown(record), HasSubstr("Interrupted"));
}

}  // namespace
}  // namespace layermark
