#include "results/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layermark {
namespace {

TEST(Visible, ShowsWhatNoTextFormatCanHold) {
  EXPECT_EQ(Visible("a\x1b[0m\x01"), "a\\x1b[0m\\x01");
  EXPECT_EQ(Visible(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Visible("tab\tand\nline"), "tab\tand\nline");
  EXPECT_EQ(Visible("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98");
  EXPECT_EQ(Visible("\xff"), "\\xff");
  EXPECT_EQ(Visible("\xc3"), "\\xc3") << "cut off";
  EXPECT_EQ(Visible("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(Visible("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(Visible("\xef\xbf\xbf"), "\\xef\\xbf\\xbf") << "U+FFFF is not XML";
  EXPECT_EQ(Visible("\xc2\x85"), "\\xc2\\x85") << "C1 control";
}

TEST(OneLine, HasNoLineEnd) {
  EXPECT_EQ(OneLine("a\nb\tc\n\n"), "a b c");
}

TEST(Lines, SplitsWithoutAnEmptyLastLine) {
  EXPECT_THAT(Lines("a\n\nb\n"), ::testing::ElementsAre("a", "", "b"));
  EXPECT_TRUE(Lines("").empty());
}

TEST(Xml, EscapesTextAndAttributes) {
  EXPECT_EQ(XmlText("<a & \"b\"> ]]>"), "&lt;a &amp; \"b\"&gt; ]]&gt;");
  EXPECT_EQ(XmlAttribute("\"x\"\ny"), "&quot;x&quot;&#10;y");
}

TEST(Humanly, ScalesWithThreeDigits) {
  EXPECT_EQ(Humanly(812345, "ns"), "812 us");
  EXPECT_EQ(Humanly(8123, "ns"), "8.12 us");
  EXPECT_EQ(Humanly(12.34e9, "ns"), "12.3 s");
  EXPECT_EQ(Humanly(999999, "ns"), "1.00 ms");
  EXPECT_EQ(Humanly(64.0 * 1024 * 1024, "bytes"), "64.0 MiB");
  EXPECT_EQ(Humanly(0, "bytes"), "0 B");
  EXPECT_EQ(Humanly(44039, "count"), "44,039");
  EXPECT_EQ(Humanly(-1234567, "count"), "-1,234,567");
  EXPECT_EQ(Humanly(2.034, "ratio"), "2.03");
}

}  // namespace
}  // namespace layermark
