// The layer rules, each by its id in the reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <string>

#include "core/oci/layer_tar.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

TEST_F(ApplyTest, L6GlobalHeaderIsPassedOver) {
  TarEntry global = TarTyped('g', "pax_global_header");
  global.data = "18 comment=layers\n27 path=everything is this\n";
  ASSERT_OK(Apply({global, TarFile("a")}));
  EXPECT_EQ(Names(), "a ");
}

TEST_F(ApplyTest, L7DeviceNumberOutOfRangeIsAnError) {
  TarEntry device = TarTyped('3', "dev", 0600);
  device.dev_major = 5000;
  const auto result = Apply({device});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("dev: device major 5000 is out of range"));
  device.dev_major = 1;
  device.dev_minor = 1u << 20;
  EXPECT_FALSE(Apply({device}).ok());
  EXPECT_EQ(Names(), "");
}

TEST_F(ApplyTest, L8RootEntryGivesTheRootItsAttributes) {
  TarEntry root = TarDir("./", 0711);
  root.uid = 5;
  root.mtime_ns = 12'000'000'345;
  ASSERT_OK(Apply({root, TarFile("/abs"), TarFile("./dot"), TarDir("trail///")}));
  const Manifest m = Tree();
  EXPECT_EQ(m.entries.at("").permissions, 0711u);
  EXPECT_EQ(m.entries.at("").uid, 5u);
  EXPECT_EQ(m.entries.at("").mtime_ns, 12'000'000'345);
  EXPECT_EQ(Names(), "abs dot trail ");
  EXPECT_FALSE(Apply({TarFile("./")}).ok());
}

TEST_F(ApplyTest, L9DirectoryOverDirectoryReplacesAttributesAndKeepsChildren) {
  ASSERT_OK(Lower(Layer().Dir("d", 0700).SetXattr("d", "user.old", "1").File("d/child", "c")));
  TarEntry dir = TarDir("d", 02755);
  dir.gid = 9;
  dir.xattrs = {{"user.new", "2"}};
  ASSERT_OK(Apply({dir}));
  const Entry d = Tree().entries.at("d");
  EXPECT_EQ(d.permissions, 02755u);
  EXPECT_EQ(d.gid, 9u);
  EXPECT_EQ(d.xattrs, dir.xattrs);
  EXPECT_EQ(Names(), "d d/child ");
}

TEST_F(ApplyTest, L10FileIsReplacedNotRewritten) {
  ASSERT_OK(Lower(Layer().File("a", "old").Link("b", "a")));
  ASSERT_OK(Apply({TarFile("a", "new")}));
  EXPECT_EQ(Tree().entries.at("b").digest, Sha256("old"));
  EXPECT_EQ(Tree().entries.at("a").digest, Sha256("new"));
}

TEST_F(ApplyTest, L11TypesReplaceEachOther) {
  ASSERT_OK(Lower(Layer().Dir("d").File("d/x", "1").Dir("e").File("f", "2").Symlink("s", "d")));
  ASSERT_OK(Apply({TarFile("d"), TarPointing('2', "e", "f"), TarDir("f"), TarFile("f/in")}));
  EXPECT_EQ(Names(), "d e f f/in s ");
  EXPECT_EQ(Tree().entries.at("f").type, FileType::kDirectory);
}

TEST_F(ApplyTest, L12SymlinkToADirectoryGivesWayToADirectory) {
  ASSERT_OK(Lower(Layer().Dir("real").File("real/x", "1").Symlink("s", "real")));
  ASSERT_OK(Apply({TarDir("s"), TarFile("s/y")}));
  EXPECT_EQ(Names(), "real real/x s s/y ");
}

TEST_F(ApplyTest, L13ImpliedParentsAreRootsWithDefaultMode) {
  const mode_t old = umask(077);
  TarEntry file = TarFile("p/q/f");
  file.uid = 3;
  file.mtime_ns = 77;
  const auto result = Apply({file});
  umask(old);
  ASSERT_OK(result);
  for (const char* path : {"p", "p/q"}) {
    const Entry entry = Tree().entries.at(path);
    EXPECT_EQ(entry.permissions, 0755u);
    EXPECT_EQ(entry.uid, 0u);
    EXPECT_EQ(entry.mtime_ns, 77);
  }
  EXPECT_EQ(Tree().entries.at("p/q/f").permissions, 0644u);
}

TEST_F(ApplyTest, L15DirectoryTimesOutliveTheirChildren) {
  ASSERT_OK(Lower(Layer().Dir("listed").File("listed/gone", "1").Dir("silent").Times("silent", 5, 55)));
  TarEntry dir = TarDir("listed");
  dir.mtime_ns = 66;
  ASSERT_OK(Apply({dir, TarFile("listed/new"), TarMarker("listed/.wh.gone"), TarFile("silent/new")}));
  EXPECT_EQ(Tree().entries.at("listed").mtime_ns, 66);
  EXPECT_EQ(Tree().entries.at("silent").mtime_ns, 55);
  EXPECT_EQ(Names(), "listed listed/new silent silent/new ");
}

TEST_F(ApplyTest, L16SetIdBitsAndCapabilitiesOutliveTheOwner) {
  TarEntry file = TarFile("f", "x", 06755);
  file.uid = 12;
  file.gid = 13;
  file.xattrs = {{"security.capability", std::string("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}};
  ASSERT_OK(Apply({file}));
  EXPECT_EQ(Tree().entries.at("f").permissions, 06755u);
  EXPECT_EQ(Tree().entries.at("f").uid, 12u);
  EXPECT_EQ(Tree().entries.at("f").xattrs, file.xattrs);
}

TEST_F(ApplyTest, L18WhiteoutRemovesAnyTypeWithAllBelow) {
  ASSERT_OK(
      Lower(Layer().Dir("d").Dir("d/e").File("d/e/f", "1").Symlink("s", "d").Fifo("p").File("keep", "2")));
  ASSERT_OK(Apply({TarMarker(".wh.d"), TarMarker(".wh.s"), TarMarker(".wh.p")}));
  EXPECT_EQ(Names(), "keep ");
}

TEST_F(ApplyTest, L20WhiteoutBeforeADirectoryLeavesItEmpty) {
  ASSERT_OK(Lower(Layer().Dir("d", 0700).File("d/old", "1")));
  ASSERT_OK(Apply({TarMarker(".wh.d"), TarDir("d"), TarFile("d/new")}));
  EXPECT_EQ(Names(), "d d/new ");
}

TEST_F(ApplyTest, L21L22BareMarkersAreRefused) {
  ASSERT_OK(Lower(Layer().Dir("d").File("d/x", "1")));
  for (const char* name : {"d/.wh.", "d/.wh..", "d/.wh..."}) {
    const auto result = Apply({TarMarker(name)});
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(Names(), "d d/x ");
}

TEST_F(ApplyTest, L23WhiteoutOfNothingDoesNothing) {
  ASSERT_OK(Lower(Layer().File("f", "1").Symlink("dead", "no/where").Symlink("loop", "loop")));
  ASSERT_OK(Apply({TarMarker(".wh.no"), TarMarker("no/.wh.x"), TarMarker("f/.wh.x"), TarMarker("dead/.wh.x"),
                   TarMarker("loop/.wh.x"), TarMarker("f/.wh..wh..opq")}));
  EXPECT_EQ(Names(), "dead f loop ");
}

TEST_F(ApplyTest, L24WhiteoutThroughASymlinkStaysInside) {
  ASSERT_OK(MakeDirs(tree_.path() + "/other"));
  ASSERT_OK(WriteFile(tree_.path() + "/other/x", "safe"));
  ASSERT_OK(Lower(
      Layer().Dir("d").File("d/x", "1").Symlink("in", "/d").Symlink("out", "../other").Symlink("s", "d")));
  ASSERT_OK(Apply({TarMarker("out/.wh.x"), TarMarker("in/.wh.x"), TarMarker(".wh.s")}));
  EXPECT_EQ(Names(), "d in out ");
  EXPECT_TRUE(Exists(tree_.path() + "/other/x"));
}

TEST_F(ApplyTest, L25NothingLiesBelowAMarkersName) {
  EXPECT_FALSE(Apply({TarFile(".wh.x/y")}).ok());
  // What aufs left behind is passed over.
  ASSERT_OK(Apply({TarDir(".wh..wh.plnk"), TarFile(".wh..wh.plnk/12.34"), TarFile(".wh..wh.aufs")}));
  EXPECT_EQ(Names(), "");
}

TEST_F(ApplyTest, L26MarkersCountByName) {
  ASSERT_OK(Lower(Layer().File("a", "1").File("b", "2").Dir("c")));
  ASSERT_OK(Apply({TarPointing('1', ".wh.a", "b"), TarPointing('2', ".wh.b", "x"), TarDir(".wh.c/")}));
  EXPECT_EQ(Names(), "");
}

TEST_F(ApplyTest, L28OpaqueRoot) {
  ASSERT_OK(Lower(Layer().Dir("d").File("d/x", "1").File("f", "2")));
  ASSERT_OK(Apply({TarFile("d/new"), TarMarker(".wh..wh..opq")}));
  EXPECT_EQ(Names(), "d d/new ");
}

TEST_F(ApplyTest, L37LinkTargetIsBoundedAndNotFollowed) {
  ASSERT_OK(WriteFile(tree_.path() + "/secret", "s"));
  ASSERT_OK(Lower(Layer().Dir("d").File("d/f", "1").Symlink("up", "..").Symlink("s", "d/f")));
  EXPECT_FALSE(Apply({TarPointing('1', "l", "up/secret")}).ok());
  ASSERT_OK(Apply({TarPointing('1', "l", "s"), TarPointing('1', "m", "up/d/f")}));
  EXPECT_EQ(Tree().entries.at("l").type, FileType::kSymlink);
  EXPECT_EQ(Tree().entries.at("m").link_group, "d/f");
}

TEST_F(ApplyTest, L38LinkNeedsItsTarget) {
  const auto result = Apply({TarPointing('1', "l", "nothing")});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kNotFound);
  EXPECT_THAT(result.status().message(), HasSubstr("hard link target nothing does not exist"));
  EXPECT_FALSE(Apply({TarFile("self"), TarPointing('1', "self", "./self")}).ok());
  EXPECT_EQ(Names(), "self ");
}

TEST_F(ApplyTest, L39ReplacingOneNameLeavesTheOthers) {
  ASSERT_OK(Lower(Layer().File("a", "1").Link("b", "a").Link("c", "a").File("d", "2")));
  ASSERT_OK(Apply({TarPointing('1', "b", "d")}));
  EXPECT_EQ(Tree().entries.at("c").link_group, "a");
  EXPECT_EQ(Tree().entries.at("b").link_group, "b");
  EXPECT_EQ(Tree().entries.at("d").link_group, "b");
}

TEST_F(ApplyTest, L51SymlinkThatReplacesADirectoryInUseIsSeen) {
  ASSERT_OK(MakeDirs(tree_.path() + "/other"));
  ASSERT_OK(Apply({TarDir("a"), TarDir("a/b"), TarFile("a/b/one"), TarPointing('2', "a/b", "../../other"),
                   TarFile("a/b/two")}));
  EXPECT_FALSE(Exists(tree_.path() + "/other/two"));
  EXPECT_EQ(Names(), "a a/b other other/two ");
}

TEST_F(ApplyTest, DefaultAclOfAParentIsNotInherited) {
  // user::rwx, user:7:rwx, group::r-x, mask::rwx, other::r-x
  const std::string acl(
      "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\7\0\0\0\4\0\5\0\xff\xff\xff\xff"
      "\x10\0\7\0\xff\xff\xff\xff\x20\0\5\0\xff\xff\xff\xff",
      44);
  TarEntry dir = TarDir("d");
  dir.xattrs = {{"system.posix_acl_default", acl}};
  ASSERT_OK(
      Apply({dir, TarFile("d/f", "x", 0640), TarDir("d/sub"), TarTyped('6', "d/p", 0600), TarFile("d/i/f")}));
  const Manifest m = Tree();
  EXPECT_EQ(m.entries.at("d").xattrs, dir.xattrs);
  for (const char* path : {"d/f", "d/sub", "d/p", "d/i"})
    EXPECT_TRUE(m.entries.at(path).xattrs.empty()) << path;
  EXPECT_EQ(m.entries.at("d/f").permissions, 0640u);
  EXPECT_EQ(m.entries.at("d/p").permissions, 0600u);
}

}  // namespace
}  // namespace layermark
