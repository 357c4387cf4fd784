#include "drivers/exec/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Words(const std::string& text) {
  auto words = SplitCommand(text);
  EXPECT_TRUE(words.ok()) << text << ": " << words.status().ToString();
  return words.ok() ? *words : std::vector<std::string>();
}

TEST(SplitCommandTest, BlanksSeparateWords) {
  EXPECT_THAT(Words("prog"), ElementsAre("prog"));
  EXPECT_THAT(Words("  prog\t--a  b\n"), ElementsAre("prog", "--a", "b"));
}

TEST(SplitCommandTest, QuotesKeepBlanksAndNothingIsExpanded) {
  EXPECT_THAT(Words("'a b' \"c d\""), ElementsAre("a b", "c d"));
  EXPECT_THAT(Words("a'b c'd"), ElementsAre("ab cd"));
  EXPECT_THAT(Words("p '' \"\""), ElementsAre("p", "", ""));
  EXPECT_THAT(Words("p $HOME *.c `x` ~ >out ; &"),
              ElementsAre("p", "$HOME", "*.c", "`x`", "~", ">out", ";", "&"));
}

TEST(SplitCommandTest, BackslashEscapesAsInAShell) {
  EXPECT_THAT(Words("a\\ b \\' \\\\"), ElementsAre("a b", "'", "\\"));
  EXPECT_THAT(Words("'a\\b'"), ElementsAre("a\\b"));
  EXPECT_THAT(Words("\"a\\\"b\\\\c\\n\""), ElementsAre("a\"b\\c\\n"));
}

TEST(SplitCommandTest, RefusesWhatIsNoCommand) {
  for (const char* text : {"", "  ", "''", "'' a", "'a", "a \"b", "a\\"}) {
    EXPECT_EQ(SplitCommand(text).status().code(), Code::kInvalidArgument) << text;
  }
  EXPECT_EQ(SplitCommand(std::string_view("a\0b", 3)).status().code(), Code::kInvalidArgument);
  EXPECT_THAT(SplitCommand("a \"b").status().message(), HasSubstr("\" stays open"));
}

}  // namespace
}  // namespace layermark
