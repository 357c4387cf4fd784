#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "scenario/launcher.h"

namespace layermark {
namespace {

TEST(ProbeListingTest, ReadsEveryKindOfLine) {
  auto lines = ParseProbeListing(
      "d 1755 1 2 0 5 - - \\000\n"
      "f 4644 0 0 3 1795458820044813802 39:4 sha256:ab z\\040z\n"
      "f 4644 0 0 3 1795458820044813802 39:4 sha256:ab b\n"
      "l 777 0 0 0 -1 - \\134\\377 link\n"
      "c 600 0 0 0 0 - 1:3 null\n");
  ASSERT_TRUE(lines.ok()) << lines.status().ToString();
  ASSERT_EQ(lines->size(), 5u);
  EXPECT_EQ((*lines)[0].path, "");
  EXPECT_EQ((*lines)[0].entry.permissions, 01755u);
  EXPECT_EQ((*lines)[0].entry.gid, 2u);
  EXPECT_EQ((*lines)[1].path, "b");
  EXPECT_EQ((*lines)[1].entry.link_group, "b");
  EXPECT_EQ((*lines)[2].path, "link");
  EXPECT_EQ((*lines)[2].entry.link_target, "\\\xff");
  EXPECT_EQ((*lines)[2].entry.mtime_ns, -1);
  EXPECT_EQ((*lines)[3].entry.rdev, makedev(1, 3));
  EXPECT_EQ((*lines)[4].path, "z z");
  EXPECT_EQ((*lines)[4].entry.link_group, "b");
  EXPECT_EQ((*lines)[4].entry.mtime_ns, 1795458820044813802);
}

TEST(ProbeListingTest, AFileWhoseOtherNamesAreElsewhereIsNoGroup) {
  auto lines = ParseProbeListing("f 644 0 0 3 0 39:4 sha256:ab b\n");
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ((*lines)[0].entry.link_group, "");
}

TEST(ProbeListingTest, NamesTheMalformedLine) {
  for (const char* bad :
       {"d 755 0 0 0 0 - -", "q 755 0 0 0 0 - - x", "d 9 0 0 0 0 - - x", "d 7 0 0 0 0 - - \\9",
        "f 644 0 0 3 0 - - x", "c 644 0 0 3 0 - 1 x", "l 777 0 0 0 0 - \\777 x", ""}) {
    auto lines = ParseProbeListing("d 755 0 0 0 0 - - \\000\n" + std::string(bad) + "\n");
    ASSERT_EQ(lines.status().code(), Code::kDataLoss) << bad;
    EXPECT_NE(lines.status().message().find("line 2"), std::string::npos);
  }
}

}  // namespace
}  // namespace layermark
