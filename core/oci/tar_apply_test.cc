#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <string>

#include "core/oci/layer_tar.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

TEST_F(ApplyTest, MakesEveryTypeWithItsAttributes) {
  TarEntry file = TarFile("d/file", "hello", 04755);
  file.uid = 7;
  file.gid = 8;
  file.mtime_ns = 1'234'567'890'123'456'789;
  file.xattrs = {{"user.k", std::string("a\0b", 3)}};
  TarEntry dev = TarTyped('3', "d/null", 0666);
  dev.dev_major = 1;
  dev.dev_minor = 3;
  TarEntry symlink = TarPointing('2', "d/sym", "../no/where");
  symlink.mtime_ns = 5'000'000'001;
  symlink.uid = 9;
  ASSERT_OK(Apply({TarDir("./d/", 01777), file, TarPointing('1', "d/link", "/d/file"), symlink, dev,
                   TarTyped('6', "d/fifo", 0622)}));
  const Manifest m = Tree();
  const Entry& f = m.entries.at("d/file");
  EXPECT_EQ(f.permissions, 04755u);
  EXPECT_EQ(f.uid, 7u);
  EXPECT_EQ(f.gid, 8u);
  EXPECT_EQ(f.mtime_ns, file.mtime_ns);
  EXPECT_EQ(f.digest, Sha256("hello"));
  EXPECT_EQ(f.xattrs, file.xattrs);
  EXPECT_EQ(f.link_group, "d/file");
  EXPECT_EQ(m.entries.at("d/link").link_group, "d/file");
  EXPECT_EQ(m.entries.at("d/sym").link_target, "../no/where");
  EXPECT_EQ(m.entries.at("d/sym").mtime_ns, 5'000'000'001);
  EXPECT_EQ(m.entries.at("d/sym").uid, 9u);
  EXPECT_EQ(m.entries.at("d/null").rdev, makedev(1, 3));
  EXPECT_EQ(m.entries.at("d/null").permissions, 0666u);
  EXPECT_EQ(m.entries.at("d/fifo").type, FileType::kFifo);
  EXPECT_EQ(m.entries.at("d").permissions, 01777u);
  EXPECT_EQ(m.entries.at("d").mtime_ns, kDefaultMtimeNs);
}

TEST_F(ApplyTest, WhiteoutSparesItsOwnLayerInEitherOrder) {
  const TarEntry marker = TarFile(".wh.a", "", 0);
  for (const bool first : {true, false}) {
    ASSERT_OK(RemoveTreeAt(root_.get(), "a"));
    ASSERT_OK(Lower(Layer().Dir("a").File("a/old", "1").Dir("a/sub").File("a/sub/old", "2")));
    std::vector<TarEntry> entries = {TarDir("a"), TarFile("a/new"), TarFile("a/sub/new")};
    entries.insert(first ? entries.begin() : entries.end(), marker);
    ASSERT_OK(Apply(entries));
    EXPECT_EQ(Names(), "a a/new a/sub a/sub/new ") << first;
    EXPECT_EQ(Tree().entries.at("a/sub").permissions, 0755u);
  }
}

TEST_F(ApplyTest, OpaqueHidesLowerContentWhereverItStands) {
  for (const size_t position : {0, 1, 2}) {
    ASSERT_OK(RemoveTreeAt(root_.get(), "d"));
    ASSERT_OK(Lower(Layer().Dir("d").File("d/.hidden", "1").Dir("d/sub").File("d/sub/old", "2")));
    std::vector<TarEntry> entries = {TarDir("d", 0700), TarFile("d/new")};
    entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(position), TarFile("d/.wh..wh..opq", "", 0));
    auto result = Apply(entries);
    ASSERT_OK(result);
    EXPECT_EQ(result->opaques, 1);
    EXPECT_EQ(Names(), "d d/new ") << position;
    EXPECT_EQ(Tree().entries.at("d").permissions, 0700u);
  }
}

TEST_F(ApplyTest, NamesThatEscapeAreRefused) {
  ASSERT_OK(WriteFile(tree_.path() + "/outside", "safe"));
  for (const char* name : {"../outside", "a/../../outside", "/../outside"}) {
    auto result = Apply({TarFile(name, "bad")});
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(result.status().message(), HasSubstr(name));
    EXPECT_THAT(result.status().message(), HasSubstr("escapes the root"));
  }
  EXPECT_FALSE(Apply({TarPointing('1', "l", "../outside")}).ok());
  // Through symlinks of the image itself one arrives inside.
  ASSERT_OK(Apply({TarPointing('2', "up", "../../.."), TarFile("up/inside"), TarPointing('2', "abs", "/"),
                   TarFile("abs/two")}));
  EXPECT_EQ(Names(), "abs inside two up ");
  EXPECT_EQ(*ReadFile(tree_.path() + "/outside"), "safe");
}

TEST_F(ApplyTest, NamesSurviveByteForByte) {
  const std::string latin = "n\xe9\xff", utf8 = "gr\xc3\xbc\xc3\x9f", newline = "a\nb";
  const std::string longer = std::string(120, 'x') + "\xe9";
  std::vector<TarEntry> entries = {TarFile(latin),
                                   TarFile(utf8),
                                   TarFile(newline),
                                   TarFile(longer),
                                   TarFile(std::string(120, 'y') + utf8),
                                   TarPointing('2', "s", longer)};
  for (TarEntry& entry : entries) entry.mtime_ns += 1;  // so that each has a PAX header
  ASSERT_OK(Apply(entries));
  const Manifest m = Tree();
  for (const TarEntry& entry : entries) EXPECT_TRUE(m.entries.contains(entry.path)) << entry.path;
  EXPECT_EQ(m.entries.at("s").link_target, longer);
}

}  // namespace
}  // namespace layermark
