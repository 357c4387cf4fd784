#include "conformance/support/sources.h"

#include <gtest/gtest.h>

#include "core/sys/fd.h"

namespace layermark {
namespace {

Case Named(std::string name, std::string source) {
  Case c;
  c.info.area = "area";
  c.info.name = std::move(name);
  c.info.source = std::move(source);
  return c;
}

TEST(Sources, EveryRowHasACaseOrAReasonAndEveryCaseNamesWhatExists) {
  for (const std::string& fault : SourceFaults(AllSources(), AllCases())) ADD_FAILURE() << fault;
}

TEST(Sources, AreSplitAtSemicolons) {
  EXPECT_EQ(SplitSources("rule 28;  ovl/003 ; a, b"),
            (std::vector<std::string>{"rule 28", "ovl/003", "a, b"}));
  EXPECT_TRUE(SplitSources(" ; ").empty());
  EXPECT_TRUE(SplitSources("").empty());
}

TEST(Sources, FaultsAreFound) {
  const std::vector<SourceRow> rows = {{"rule 1", "covered", ""},
                                       {"rule 2", "forgotten", ""},
                                       {"L1", "both", "a reason"},
                                       {"L2", "fine", "why"}};
  const std::vector<Case> cases = {Named("a", "rule 1; L1"), Named("b", "rule 7; L99; ovl/001; Lustre"),
                                   Named("c", ""), Named("d", "rule L1")};
  EXPECT_EQ(SourceFaults(rows, cases),
            (std::vector<std::string>{"rule 2: has neither a case nor a reason why not",
                                      "L1: area.a covers it, and a reason why none does stands there",
                                      "area.b: names rule 7, which does not exist",
                                      "area.b: names L99, which does not exist", "area.c: has no source",
                                      "area.d: names rule L1, which does not exist"}));
}

TEST(Sources, TablesOfTheSnapshotApiAndOfLayerTarsAreWhole) {
  for (const auto& [family, count] :
       {std::pair<std::string, int>{"rule ", 59}, {"L", 51}, {"peer bug ", 53}}) {
    int number = 0;
    for (const SourceRow& row : AllSources()) {
      if (!row.id.starts_with(family)) continue;
      EXPECT_EQ(row.id, family + std::to_string(++number));
    }
    EXPECT_EQ(number, count) << family;
  }
}

TEST(Sources, PageIsTheTable) {
  Result<std::string> page = ReadFile(LAYERMARK_SOURCE_DIR "/docs/sources.md");
  ASSERT_TRUE(page.ok()) << page.status().ToString();
  EXPECT_TRUE(*page == SourcesMarkdown(AllSources(), AllCases()))
      << "docs/sources.md is out of date: ./layermark cases --sources > docs/sources.md";
}

}  // namespace
}  // namespace layermark
