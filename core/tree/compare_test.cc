#include "core/tree/compare.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "core/tree/printable.h"

namespace layermark {
namespace {

Manifest SmallTree() {
  Manifest m;
  for (const char* path : {"", "etc", "usr"}) m.entries[path].type = FileType::kDirectory;
  Entry file;
  file.digest = "sha256:aa";
  file.size_bytes = file.data_bytes = 10;
  for (const char* path : {"etc-old", "etc/a", "etc/b", "usr/x"}) m.entries[path] = file;
  return m;
}

std::vector<std::string> Lines(const Manifest& expected, const Manifest& actual,
                               const CompareOptions& options = {}) {
  std::vector<std::string> lines;
  for (const Difference& d : Compare(expected, actual, options)) lines.push_back(ToString(d));
  return lines;
}
using L = std::vector<std::string>;

TEST(Compare, EqualTreesHaveNoDifference) {
  EXPECT_EQ(Lines(SmallTree(), SmallTree()), L{});
}

TEST(Compare, NamesEveryDifferenceInOrder) {
  Manifest expected = SmallTree();
  Manifest actual = SmallTree();
  expected.entries["etc/b"].mtime_ns = 12'500'000'000;
  actual.entries["etc/b"].mtime_ns = 12'000'000'000;
  actual.entries["etc/b"].permissions = 0644;
  actual.entries["etc/a"].digest = "sha256:bb";
  actual.entries["usr"].uid = 5;
  EXPECT_EQ(Lines(expected, actual),
            (L{"etc/a: digest: expected sha256:aa, got sha256:bb", "etc/b: mtime: expected 12.5, got 12",
               "etc/b: permissions: expected 0000, got 0644", "usr: uid: expected 0, got 5"}));
}

TEST(Compare, AMissingSubtreeIsNamedOnce) {
  Manifest actual = SmallTree();
  for (const char* path : {"etc", "etc/a", "etc/b", "etc-old"}) actual.entries.erase(path);
  const L expected = {"etc: missing: directory with 2 entries below", "etc-old: missing: regular"};
  EXPECT_EQ(Lines(SmallTree(), actual), expected);
  EXPECT_EQ(Lines(actual, SmallTree()),
            (L{"etc: unexpected: directory with 2 entries below", "etc-old: unexpected: regular"}));
}

TEST(Compare, AnotherTypeHidesWhatIsBelow) {
  Manifest actual = SmallTree();
  actual.entries["usr"].type = FileType::kSymlink;
  actual.entries.erase("usr/x");
  EXPECT_EQ(Lines(SmallTree(), actual), (L{"usr: type: expected directory with 1 entry below, got symlink"}));
}

TEST(Compare, ASymlinkHasTheSizeOfItsTarget) {
  Manifest expected;
  Entry& link = expected.entries["l"];
  link.type = FileType::kSymlink;
  link.link_target = "target";
  link.size_bytes = 6;
  Manifest actual = expected;
  EXPECT_TRUE(Lines(expected, actual).empty());
  actual.entries["l"].size_bytes = 0;
  EXPECT_EQ(Lines(expected, actual), (L{"l: size: expected 6, got 0"}));
}

TEST(Compare, RecentTimesAreEqualToEachOtherOnly) {
  Manifest expected = SmallTree();
  Manifest actual = SmallTree();
  expected.entries["etc"].mtime_ns = 1000;
  actual.entries["etc"].mtime_ns = 2000;
  expected.entries["usr"].mtime_ns = 999;
  actual.entries["usr"].mtime_ns = 2000;
  CompareOptions options;
  options.recent_after_ns = 1000;
  EXPECT_EQ(Lines(expected, actual, options).size(), 1u);
  EXPECT_EQ(Compare(expected, actual, options)[0].path, "usr");
  // A time that lies years ahead is one that was set.
  expected.entries["etc"].mtime_ns = 4'102'444'800'000'000'000;
  EXPECT_EQ(Lines(expected, actual, options).size(), 2u);
  expected.entries["etc"].mtime_ns = 1000;
  options.recent_after_ns = 0;
  EXPECT_EQ(Lines(expected, actual, options).size(), 2u);
  options.mtimes = false;
  EXPECT_EQ(Lines(expected, actual, options).size(), 0u);
}

TEST(Compare, OptionsLeaveFieldsOut) {
  Manifest actual = SmallTree();
  actual.entries[""].permissions = 0700;
  actual.entries["etc/a"].link_group = "etc/a";
  actual.entries["etc/b"].xattrs = {{"user.x", "v"}};
  actual.entries["usr/y"] = {};
  CompareOptions options;
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 4u);
  options.root_attributes = false;
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 3u);
  options.hard_links = false;
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 2u);
  options.xattrs = false;
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 1u);
  options.ignored_paths = {"usr"};
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 0u);
  options.ignored_paths = {"us"};
  EXPECT_EQ(Lines(SmallTree(), actual, options).size(), 1u) << "a path is a whole name, not a prefix";
}

TEST(Compare, XattrsAreNamedAndShortened) {
  Manifest expected = SmallTree();
  Manifest actual = SmallTree();
  expected.entries["etc/a"].xattrs = {{"user.gone", "1"}, {"user.long", std::string(100, 'v')}};
  actual.entries["etc/a"].xattrs = {{"user.long", std::string("\0\n", 2)}, {"user.new", ""}};
  EXPECT_EQ(Lines(expected, actual), (L{"etc/a: xattr:user.gone: expected \"1\" (1 bytes), got absent",
                                        "etc/a: xattr:user.long: expected \"" + std::string(48, 'v') +
                                            "...(+52 bytes)\" (100 bytes), got \"\\x00\\n\" (2 bytes)",
                                        "etc/a: xattr:user.new: expected absent, got \"\" (0 bytes)"}));
}

TEST(Compare, WhatWasNotReadIsNotCompared) {
  Manifest actual = SmallTree();
  actual.entries["etc/a"].digest = "";
  actual.entries["etc/a"].data_bytes = -1;
  EXPECT_EQ(Lines(SmallTree(), actual), L{});
}

TEST(Compare, HolesHaveATolerance) {
  Manifest expected = SmallTree();
  Manifest actual = SmallTree();
  for (Manifest* m : {&expected, &actual}) m->entries["usr/x"].size_bytes = 1 << 20;
  expected.entries["usr/x"].data_bytes = 4096;
  actual.entries["usr/x"].data_bytes = 4096 + 65536;
  EXPECT_EQ(Lines(expected, actual), L{});
  actual.entries["usr/x"].data_bytes += 1;
  EXPECT_EQ(Lines(expected, actual), (L{"usr/x: holes: expected 4096 bytes of data in 1048576, got 69633"}));
  CompareOptions off;
  off.hole_tolerance_bytes = -1;
  EXPECT_EQ(Lines(expected, actual, off), L{});
}

TEST(Compare, DevicesAndGroupsAreReadable) {
  Manifest expected = SmallTree();
  expected.entries["usr/x"].type = FileType::kCharDevice;
  Manifest actual = expected;
  expected.entries["usr/x"].rdev = makedev(1, 3);
  actual.entries["usr/x"].rdev = makedev(0, 0);
  actual.entries["usr/x"].link_group = "etc/a";
  EXPECT_EQ(Lines(expected, actual),
            (L{"usr/x: link_group: expected none, got etc/a", "usr/x: rdev: expected 1:3, got 0:0"}));
}

TEST(Describe, CutsAtTheLimit) {
  Manifest actual = SmallTree();
  for (auto& [path, entry] : actual.entries) entry.uid = 1;
  const std::string text = Describe(Compare(SmallTree(), actual), 2);
  EXPECT_EQ(text, "/: uid: expected 0, got 1\netc: uid: expected 0, got 1\nand 5 more");
  EXPECT_EQ(Describe({}), "");
}

TEST(Printable, EscapesAndShortens) {
  EXPECT_EQ(Printable(std::string("a\\\t\n\x7f\xff\0z", 8)), "a\\\\\\t\\n\\x7f\\xff\\x00z");
  EXPECT_EQ(Printable("abcdef", 3), "abc...(+3 bytes)");
}

TEST(SecondsText, KeepsNanoseconds) {
  EXPECT_EQ(SecondsText(0), "0");
  EXPECT_EQ(SecondsText(12'500'000'000), "12.5");
  EXPECT_EQ(SecondsText(1), "0.000000001");
  EXPECT_EQ(SecondsText(-1'500'000'000), "-1.5");
  EXPECT_EQ(SecondsText(INT64_MIN), "-9223372036.854775808");
}

}  // namespace
}  // namespace layermark
