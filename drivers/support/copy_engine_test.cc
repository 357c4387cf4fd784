#include "drivers/support/copy_engine.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

// The binary form of an ACL: version, then (tag, permissions, id) each, little endian.
std::string Acl(const std::vector<std::array<uint32_t, 3>>& entries) {
  std::string acl("\x02\0\0\0", 4);
  for (const auto& [tag, permissions, id] : entries) {
    for (uint32_t value : {tag, permissions}) {
      acl.push_back(static_cast<char>(value & 0xff));
      acl.push_back(static_cast<char>(value >> 8));
    }
    for (int shift = 0; shift < 32; shift += 8) acl.push_back(static_cast<char>(id >> shift & 0xff));
  }
  return acl;
}

std::string UserAcl(uint32_t group_permissions) {
  constexpr uint32_t kNobody = 65534, kNone = 0xffffffff;
  return Acl({{0x01, 7, kNone},
              {0x02, 5, kNobody},
              {0x04, group_permissions, kNone},
              {0x10, 7, kNone},
              {0x20, 0, kNone}});
}

// cap_net_raw+ep, as file capabilities of version 2.
const std::string kCapability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

class CopyEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "copy_engine_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    Remake();
  }
  void Remake() {
    for (const char* name : {"from", "to"}) {
      ASSERT_TRUE(RemoveTree(Path(name)).ok());
      ASSERT_EQ(mkdir(Path(name).c_str(), 0755), 0);
    }
    from_ = Open(Path("from"), O_RDONLY | O_DIRECTORY).value();
    to_ = Open(Path("to"), O_RDONLY | O_DIRECTORY).value();
  }
  void Fill(const Layer& layer) {
    Status status = ApplyLayer(layer, from_.get());
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  std::string Path(const std::string& name) const { return tree_.path() + "/" + name; }

  CopyCounts Copy(const CopyOptions& options = {}) {
    Result<CopyCounts> counts = CopyTree(from_.get(), to_.get(), options);
    EXPECT_TRUE(counts.ok()) << counts.status().ToString();
    return counts.ok() ? *counts : CopyCounts{};
  }
  std::string Differences() {
    ManifestOptions all;
    all.ignored_xattr_prefixes.clear();
    Manifest expected = ReadManifest(from_.get(), all).value();
    Manifest actual = ReadManifest(to_.get(), all).value();
    return Describe(Compare(expected, actual));
  }

  TempTree tree_;
  Fd from_, to_;
};

Layer Everything(size_t long_target = 4000) {
  Layer layer;
  layer.Dir("bin", 0711).File("bin/suid", "#!", 04755).File("bin/capable", "x", 0755);
  layer.SetXattr("bin/capable", "security.capability", kCapability);
  layer.Dir("acl", 0770)
      .SetXattr("acl", "system.posix_acl_default", UserAcl(5))
      .File("acl/inherits", "y", 0640);
  layer.File("acl/file", "z", 0640).SetXattr("acl/file", "system.posix_acl_access", UserAcl(4));
  layer.Dir("group", 02775).Chown("group", 0, 50).Chmod("group", 02775).Dir("group/below", 0750);
  layer.File("group/file", "g", 0664).Dir("sticky", 01777);
  layer.Dir("owned", 0500)
      .Chown("owned", 1000, 1001)
      .File("owned/file", "text", 0400)
      .Chown("owned/file", 1000, 7);
  layer.File("empty", "", 0).File("block", std::string(4096, 'b')).File("large", std::string(700'001, 'l'));
  layer.Symlink("link", "../nowhere").Chown("link", 12, 13).Symlink("long", std::string(long_target, 's'));
  layer.SetXattr("link", "trusted.note", "of a symlink");
  layer.Link("owned/other", "large").Link("large2", "large").Link("link2", "link");
  layer.Fifo("fifo", 0666).Chown("fifo", 3, 4).Mknod("socket", S_IFSOCK | 0600);
  layer.Mknod("null", S_IFCHR | 0666, makedev(1, 3)).Mknod("whiteout", S_IFCHR, makedev(0, 0));
  layer.Mknod("disk", S_IFBLK | 06660, makedev(7, 200)).Chown("disk", 0, 6).Chmod("disk", 06660);
  layer.Link("null2", "null");
  layer.File(std::string("\xff\n \\:,"), "odd name").File(std::string(255, 'n'), "long name");
  layer.SetXattr("empty", "trusted.big", std::string(2000, 'v')).SetXattr("empty", "trusted.none", "");
  layer.SetXattr("fifo", "trusted.fifo", "f").SetXattr("bin", "trusted.overlay.opaque", "y");
  layer.Times("large", 1'111'111'111, 2'222'222'222).Times("link", 3, 4'000'000'005).Times("bin", -7, -8);
  layer.Times("group/below", 9, 10).Times("fifo", 11, 12);
  return layer;
}

TEST_F(CopyEngineTest, CopiesEverythingExactly) {
  for (CopyMethod method : {CopyMethod::kBytes, CopyMethod::kCopyFileRange}) {
    for (int threads : {1, 4}) {
      Remake();
      Fill(Everything());
      ASSERT_EQ(fchown(from_.get(), 5, 6), 0);
      ASSERT_EQ(fchmod(from_.get(), 03751), 0);
      ASSERT_TRUE(SetXattrAt(from_.get(), ".", "trusted.root", "r").ok());
      ASSERT_TRUE(SetXattrAt(to_.get(), ".", "trusted.stale", "s").ok());
      CopyCounts counts = Copy({.method = method, .threads = threads});
      EXPECT_EQ(Differences(), "");
      EXPECT_EQ(counts.directories, 7);
      EXPECT_EQ(counts.files, 11);
      EXPECT_EQ(counts.symlinks, 2);
      EXPECT_EQ(counts.specials, 5);
      EXPECT_EQ(counts.links, 4);
      EXPECT_EQ(counts.data_bytes, 2 + 1 + 1 + 1 + 1 + 4 + 4096 + 700'001 + 8 + 9);
    }
  }
}

TEST_F(CopyEngineTest, KeepsAccessTimesAndDoesNotTouchTheSource) {
  Fill(Layer()
           .Dir("d")
           .File("d/f", "data")
           .Symlink("d/s", "f")
           .Times("d/f", 1'500'000'001, 7)
           .Times("d", 8, 9));
  auto times = [](const Fd& root, const char* name) {
    struct stat st = {};
    EXPECT_EQ(fstatat(root.get(), name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return std::pair(st.st_atim.tv_sec * 1'000'000'000 + st.st_atim.tv_nsec,
                     st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec);
  };
  Copy();
  EXPECT_EQ(times(from_, "d/f"), std::pair(1'500'000'001L, 7L));
  EXPECT_EQ(times(to_, "d/f"), std::pair(1'500'000'001L, 7L));
  EXPECT_EQ(times(from_, "d"), std::pair(8L, 9L));
  EXPECT_EQ(times(to_, "d"), std::pair(8L, 9L));
}

TEST_F(CopyEngineTest, TheCallersUmaskIsNeitherAppliedNorChanged) {
  Fill(Layer().Dir("d", 0777).File("f", "x", 0666).Fifo("p", 0666).Mknod("c", S_IFCHR | 0666, makedev(1, 3)));
  mode_t before = umask(077);
  Copy();
  EXPECT_EQ(umask(before), 077u);
  EXPECT_EQ(Differences(), "");
}

TEST_F(CopyEngineTest, WhatTheTargetWouldHandDownIsNotInherited) {
  Fill(Layer().Dir("d", 0755).File("d/f", "x", 0644));
  ASSERT_EQ(fchown(to_.get(), 0, 1234), 0);
  ASSERT_EQ(fchmod(to_.get(), 02755), 0);
  ASSERT_TRUE(SetXattrAt(to_.get(), ".", "system.posix_acl_default", UserAcl(7)).ok());
  Copy();
  EXPECT_EQ(Differences(), "");
}

TEST_F(CopyEngineTest, HardLinksAcrossManyDirectories) {
  Layer layer;
  for (int d = 0; d < 40; ++d) layer.Dir("d" + std::to_string(d));
  for (int f = 0; f < 50; ++f) {
    std::string first = "d" + std::to_string(f % 40) + "/f" + std::to_string(f);
    layer.File(first, "content " + std::to_string(f));
    for (int d = 1; d < 20; ++d) {
      layer.Link("d" + std::to_string((f + d) % 40) + "/f" + std::to_string(f), first);
    }
  }
  Fill(layer);
  CopyCounts counts = Copy({.threads = 4});
  EXPECT_EQ(counts.files, 50);
  EXPECT_EQ(counts.links, 50 * 19);
  EXPECT_EQ(Differences(), "");
}

TEST_F(CopyEngineTest, HolesStayHoles) {
  constexpr int64_t kGiB = int64_t{1} << 30;
  Fill(Layer()
           .Sparse("middle", kGiB, kGiB / 2, "in the middle")
           .Sparse("end", kGiB, kGiB - 3, "end")
           .Sparse("start", kGiB, 0, std::string(200'000, 's'))
           .Sparse("only", kGiB, 0, ""));
  for (CopyMethod method : {CopyMethod::kBytes, CopyMethod::kCopyFileRange}) {
    ASSERT_TRUE(RemoveTree(Path("to")).ok());
    ASSERT_EQ(mkdir(Path("to").c_str(), 0755), 0);
    to_ = Open(Path("to"), O_RDONLY | O_DIRECTORY).value();
    CopyCounts counts = Copy({.method = method});
    EXPECT_LT(counts.data_bytes, 1 << 20);
    for (const char* name : {"middle", "end", "start", "only"}) {
      struct stat a, b;
      ASSERT_EQ(fstatat(from_.get(), name, &a, 0), 0);
      ASSERT_EQ(fstatat(to_.get(), name, &b, 0), 0);
      EXPECT_EQ(a.st_size, b.st_size) << name;
      EXPECT_EQ(a.st_blocks, b.st_blocks) << name;
    }
    for (auto [name, offset, text] :
         {std::tuple("middle", kGiB / 2, "in the middle"), std::tuple("end", kGiB - 3, "end")}) {
      char buffer[16] = {};
      Fd file = OpenAt(to_.get(), name, O_RDONLY).value();
      ASSERT_GE(pread(file.get(), buffer, strlen(text), offset), 0);
      EXPECT_STREQ(buffer, text);
    }
  }
}

TEST_F(CopyEngineTest, DeeperThanAnyPathAndWithLinksDownThere) {
  constexpr int kDepth = 1200;
  Fd at = from_.Duplicate().value();
  Fd above;
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(mkdirat(at.get(), "deep", 0750), 0);
    above = std::move(at);
    at = OpenAt(above.get(), "deep", O_RDONLY | O_DIRECTORY).value();
  }
  ASSERT_TRUE(WriteFileAt(at.get(), "bottom", "reached").ok());
  ASSERT_EQ(linkat(at.get(), "bottom", above.get(), "again", 0), 0);
  CopyCounts counts = Copy();
  EXPECT_EQ(counts.directories, kDepth + 1);
  EXPECT_EQ(counts.links, 1);
  EXPECT_EQ(Differences(), "");
}

TEST_F(CopyEngineTest, AFailureNamesThePathAndTheCall) {
  Fill(Layer().Dir("a").Dir("a/b").File("a/b/c", "x"));
  ASSERT_TRUE(MakeDirs(Path("to/a")).ok());
  Result<CopyCounts> counts = CopyTree(from_.get(), to_.get());
  ASSERT_FALSE(counts.ok());
  EXPECT_EQ(counts.status().code(), Code::kAlreadyExists);
  EXPECT_THAT(counts.status().ToString(), HasSubstr("mkdirat"));
  EXPECT_THAT(counts.status().ToString(), HasSubstr("a"));
}

TEST_F(CopyEngineTest, AFailureInOneThreadEndsTheOthers) {
  Layer layer;
  for (int d = 0; d < 30; ++d) {
    std::string name = "d" + std::to_string(d);
    layer.Dir(name).File(name + "/first", "1").Link(name + "/second", name + "/first");
  }
  Fill(layer);
  // One file fills the file system up in the middle, while others wait for links or work. Which of the
  // threads finds it full first is not said.
  Layer large;
  large.File("d29/large", std::string(1 << 20, 'x'));
  Fill(large);
  std::thread([this] {
    ASSERT_EQ(unshare(CLONE_NEWNS | CLONE_FS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", Path("to").c_str(), "tmpfs", 0, "size=256k"), 0);
    Fd small = Open(Path("to"), O_RDONLY | O_DIRECTORY).value();
    Result<CopyCounts> counts = CopyTree(from_.get(), small.get(), {.threads = 4});
    ASSERT_FALSE(counts.ok());
    EXPECT_EQ(counts.status().error_number(), ENOSPC) << counts.status().ToString();
    EXPECT_EQ(counts.status().code(), Code::kResourceExhausted);
    EXPECT_THAT(counts.status().ToString(), HasSubstr("copy d"));
  }).join();
}

TEST_F(CopyEngineTest, AMountBelowTheSourceIsAnError) {
  Fill(Layer().Dir("a").Dir("a/mounted"));
  std::thread([this] {
    ASSERT_EQ(unshare(CLONE_NEWNS | CLONE_FS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", Path("from/a/mounted").c_str(), "tmpfs", 0, nullptr), 0);
    Fd from = Open(Path("from"), O_RDONLY | O_DIRECTORY).value();
    Result<CopyCounts> counts = CopyTree(from.get(), to_.get());
    ASSERT_FALSE(counts.ok());
    EXPECT_EQ(counts.status().error_number(), EXDEV) << counts.status().ToString();
  }).join();
}

TEST_F(CopyEngineTest, AccessListsOnXfsWhichShowsThemTwice) {
  Status status = testing::WithPrivateMounts([this] {
    auto fs = testing::ScratchFileSystem::Create("xfs", ::testing::TempDir());
    ASSERT_TRUE(fs.ok()) << fs.status().ToString();
    ASSERT_TRUE(MakeDirs(fs->path() + "/from").ok());
    ASSERT_TRUE(MakeDirs(fs->path() + "/to").ok());
    from_ = Open(fs->path() + "/from", O_RDONLY | O_DIRECTORY).value();
    to_ = Open(fs->path() + "/to", O_RDONLY | O_DIRECTORY).value();
    Fill(Everything(1000));  // XFS takes no longer symlink than 1024
    Copy({.method = CopyMethod::kCopyFileRange});
    EXPECT_EQ(Differences(), "");
    Manifest copied = ReadManifest(to_.get()).value();
    EXPECT_EQ(copied.entries.at("acl/file").xattrs.size(), 1u);
    EXPECT_EQ(GetXattrAt(to_.get(), "acl", "system.posix_acl_default").value(), UserAcl(5));
    from_ = Fd();
    to_ = Fd();
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace layermark
