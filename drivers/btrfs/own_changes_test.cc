#include "drivers/btrfs/own_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/sys/fd.h"
#include "drivers/btrfs/subvolume.h"
#include "testing/scratch_file_system.h"

namespace layermark::btrfs {
namespace {

using layermark::testing::ScratchFileSystem;
using layermark::testing::WithPrivateMounts;

std::string Bytes(size_t count) {
  return std::string(count, 'x');
}

// Runs `body` with an empty directory on a fresh btrfs.
void OnBtrfs(const std::function<void(const std::string&)>& body) {
  const Status status = WithPrivateMounts([&] {
    auto scratch = ScratchFileSystem::Create("btrfs", ::testing::TempDir());
    ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
    body(scratch->path());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

// A sealed parent of three inodes and 1 MiB, and a writable snapshot of it.
void MakeParentAndChild(const std::string& root) {
  ASSERT_TRUE(CreateSubvolume(root + "/parent").ok());
  ASSERT_TRUE(WriteFile(root + "/parent/big", Bytes(1 << 20)).ok());
  ASSERT_TRUE(WriteFile(root + "/parent/small", "tiny").ok());
  ASSERT_TRUE(SetReadOnly(root + "/parent", true).ok());
  ASSERT_TRUE(CreateSnapshot(root + "/parent", root + "/child", false).ok());
}

TEST(OwnChangesTest, WithoutParentEverythingCounts) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    auto usage = OwnChanges(root + "/parent", false);
    ASSERT_TRUE(usage.ok()) << usage.status().ToString();
    EXPECT_EQ(usage->inodes, 3);
    EXPECT_EQ(usage->size_bytes, (1 << 20) + 4);  // the small file lies inside the tree
  });
}

TEST(OwnChangesTest, AFreshSnapshotHasNone) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    auto usage = OwnChanges(root + "/child", true);
    ASSERT_TRUE(usage.ok()) << usage.status().ToString();
    EXPECT_EQ(usage->inodes, 0);
    EXPECT_EQ(usage->size_bytes, 0);
  });
}

TEST(OwnChangesTest, AnAccessTimeIsNoChange) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    struct stat before = {};
    struct stat after = {};
    // The default relatime moves the access time of a file that was not read since it was written.
    ASSERT_EQ(stat((root + "/child/big").c_str(), &before), 0);
    ASSERT_TRUE(ReadFile(root + "/child/big").ok());
    ASSERT_EQ(stat((root + "/child/big").c_str(), &after), 0);
    ASSERT_TRUE(before.st_atim.tv_sec != after.st_atim.tv_sec ||
                before.st_atim.tv_nsec != after.st_atim.tv_nsec)
        << "the access time did not move, so nothing was tested";
    EXPECT_EQ(OwnChanges(root + "/child", true)->inodes, 0);
  });
}

TEST(OwnChangesTest, ChangesCountOnce) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    ASSERT_EQ(chmod((root + "/child/small").c_str(), 0600), 0);
    EXPECT_EQ(OwnChanges(root + "/child", true)->inodes, 1);
    EXPECT_EQ(OwnChanges(root + "/child", true)->size_bytes, 0);
    // Two blocks in the middle of the big file: its inode, and the bytes of the new extent alone.
    auto fd = Open(root + "/child/big", O_WRONLY);
    ASSERT_TRUE(fd.ok());
    ASSERT_TRUE(PWriteAll(fd->get(), Bytes(8192), 65536).ok());
    EXPECT_EQ(OwnChanges(root + "/child", true)->inodes, 2);
    EXPECT_EQ(OwnChanges(root + "/child", true)->size_bytes, 8192);
    // A new file: itself and its directory.
    ASSERT_TRUE(WriteFile(root + "/child/new", Bytes(100000)).ok());
    EXPECT_EQ(OwnChanges(root + "/child", true)->inodes, 4);
    EXPECT_EQ(OwnChanges(root + "/child", true)->size_bytes, 8192 + 102400);
    // The parent is as it was.
    EXPECT_EQ(OwnChanges(root + "/parent", false)->size_bytes, (1 << 20) + 4);
  });
}

TEST(OwnChangesTest, AGrandchildDoesNotTakeAwayFromItsParent) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    ASSERT_TRUE(WriteFile(root + "/child/new", Bytes(65536)).ok());
    const Usage before = *OwnChanges(root + "/child", true);
    ASSERT_TRUE(SetReadOnly(root + "/child", true).ok());
    ASSERT_TRUE(CreateSnapshot(root + "/child", root + "/grandchild", false).ok());
    EXPECT_EQ(OwnChanges(root + "/child", true)->size_bytes, before.size_bytes);
    EXPECT_EQ(OwnChanges(root + "/child", true)->inodes, before.inodes);
    EXPECT_EQ(OwnChanges(root + "/grandchild", true)->inodes, 0);
  });
}

TEST(OwnChangesTest, ManyFilesNeedManySearches) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    constexpr int kFiles = 4000;  // more items than one answer of the kernel holds
    for (int i = 0; i < kFiles; ++i) {
      ASSERT_TRUE(WriteFile(root + "/child/file" + std::to_string(i), Bytes(100)).ok());
    }
    auto usage = OwnChanges(root + "/child", true);
    ASSERT_TRUE(usage.ok()) << usage.status().ToString();
    EXPECT_EQ(usage->inodes, kFiles + 1);
    EXPECT_EQ(usage->size_bytes, kFiles * 100);
  });
}

TEST(SubvolumeTest, AReadOnlySnapshotRefusesWrites) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    EXPECT_EQ(WriteFile(root + "/parent/x", "x").error_number(), EROFS);
    EXPECT_TRUE(*IsReadOnly(root + "/parent"));
    EXPECT_FALSE(*IsReadOnly(root + "/child"));
  });
}

TEST(SubvolumeTest, NestedSubvolumesGoWithTheirHolder) {
  OnBtrfs([](const std::string& root) {
    MakeParentAndChild(root);
    ASSERT_TRUE(MakeDirs(root + "/child/a/b").ok());
    ASSERT_TRUE(CreateSubvolume(root + "/child/a/b/nested").ok());
    ASSERT_TRUE(CreateSubvolume(root + "/child/a/b/nested/deeper").ok());
    ASSERT_TRUE(WriteFile(root + "/child/a/b/nested/deeper/file", "x").ok());
    ASSERT_TRUE(SetReadOnly(root + "/child/a/b/nested", true).ok());
    ASSERT_TRUE(SetReadOnly(root + "/child", true).ok());
    const Status deleted = DeleteSubvolume(root + "/child");
    EXPECT_TRUE(deleted.ok()) << deleted.ToString();
    EXPECT_FALSE(Exists(root + "/child"));
    EXPECT_TRUE(Exists(root + "/parent/big"));
  });
}

TEST(SubvolumeTest, DeletingNothingOrADirectoryIsFine) {
  OnBtrfs([](const std::string& root) {
    EXPECT_TRUE(DeleteSubvolume(root + "/missing").ok());
    ASSERT_TRUE(MakeDirs(root + "/plain/below").ok());
    EXPECT_TRUE(DeleteSubvolume(root + "/plain").ok());
    EXPECT_FALSE(Exists(root + "/plain"));
  });
}

TEST(SubvolumeTest, ElsewhereTheCallSaysSo) {
  const Status status = CreateSubvolume("/proc/self/x");
  EXPECT_EQ(status.error_number(), ENOTTY) << status.ToString();
}

}  // namespace
}  // namespace layermark::btrfs
