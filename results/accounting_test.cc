#include "results/accounting.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"
#include "results/extents.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

SpaceCount Count(const std::string& directory) {
  Result<SpaceCount> count = CountSpace(directory);
  EXPECT_TRUE(count.ok()) << count.status().ToString();
  return count.ok() ? *count : SpaceCount{};
}

PoolState Pool(const std::string& directory) {
  Result<PoolState> pool = ReadPool(directory);
  EXPECT_TRUE(pool.ok()) << pool.status().ToString();
  return pool.ok() ? *pool : PoolState{};
}

void Write(const std::string& path, int64_t bytes) {
  Status status = WriteFile(path, std::string(static_cast<size_t>(bytes), 'x'));
  ASSERT_TRUE(status.ok()) << status.ToString();
}

void RunProgram(const std::vector<std::string>& command) {
  Result<std::string> ran = RunCommandOk(command);
  ASSERT_TRUE(ran.ok()) << ran.status().ToString();
}

// Runs `body` with the path of a fresh file system of that type.
void On(const std::string& type, const std::function<void(const std::string&)>& body) {
  Status status = testing::WithPrivateMounts([&] {
    Result<testing::ScratchFileSystem> fs = testing::ScratchFileSystem::Create(type, ::testing::TempDir());
    ASSERT_TRUE(fs.ok()) << fs.status().ToString();
    body(fs->path());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

TEST(RangeSetTest, UnitesWhatOverlapsOrTouches) {
  RangeSet set;
  EXPECT_EQ(set.UnitedBytes(), 0);
  set.Add(100, 50);
  set.Add(300, 10);
  set.Add(100, 50);
  set.Add(120, 100);
  set.Add(220, 5);
  set.Add(400, 0);
  EXPECT_EQ(set.UnitedBytes(), 125 + 10);
}

TEST(RangeSetTest, ManyRepeatedRangesStaySmallAndRight) {
  RangeSet set;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 30'000; ++i) set.Add(i * 8192, 4096);
  }
  EXPECT_EQ(set.UnitedBytes(), 30'000 * int64_t{4096});
}

class AccountingTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AccountingTest, CountsEachInodeOnceAndItsExtents) {
  On(GetParam(), [](const std::string& root) {
    const std::string store = root + "/store";
    ASSERT_TRUE(MakeDirs(store + "/a/b").ok());
    Write(store + "/a/file", kMiB);
    ASSERT_EQ(link((store + "/a/file").c_str(), (store + "/a/b/again").c_str()), 0);
    ASSERT_EQ(symlink("file", (store + "/a/link").c_str()), 0);
    ASSERT_EQ(mkfifo((store + "/a/fifo").c_str(), 0600), 0);
    Write(store + "/empty", 0);
    // 4 KiB of data in the middle of 1 GiB.
    Fd sparse = Open(store + "/sparse", O_CREAT | O_WRONLY, 0600).value();
    ASSERT_TRUE(PWriteAll(sparse.get(), std::string(4096, 's'), 512 * kMiB).ok());
    ASSERT_EQ(ftruncate(sparse.get(), 1024 * kMiB), 0);

    SpaceCount count = Count(store);
    EXPECT_EQ(count.directories, 3);
    EXPECT_EQ(count.files, 3);
    EXPECT_EQ(count.symlinks, 1);
    EXPECT_EQ(count.inodes, 8);
    EXPECT_EQ(count.logical_bytes, 1025 * kMiB);
    EXPECT_TRUE(count.extents_known);
    EXPECT_EQ(count.own_bytes, kMiB + 4096);
    EXPECT_EQ(count.shared_bytes, 0);
    EXPECT_GE(count.allocated_bytes, kMiB + 4096);
    EXPECT_LT(count.allocated_bytes, 2 * kMiB);
    EXPECT_EQ(count.whiteouts, 0);
    EXPECT_EQ(count.opaques, 0);
  });
}

TEST_P(AccountingTest, WhiteoutsAndOpaqueDirectories) {
  On(GetParam(), [](const std::string& root) {
    auto make = [&](const std::string& name, mode_t type, dev_t rdev) {
      ASSERT_EQ(mknod((root + name).c_str(), type | 0600, rdev), 0);
    };
    auto mark = [&](const std::string& name, const char* key, const char* value) {
      Status status = SetXattrAt(AT_FDCWD, root + name, key, value);
      ASSERT_TRUE(status.ok()) << status.ToString();
    };
    for (const char* name : {"/opaque", "/user", "/fuse", "/marked", "/plain"}) {
      ASSERT_TRUE(MakeDirs(root + name).ok());
    }
    make("/plain/device", S_IFCHR, makedev(1, 3));
    make("/plain/block", S_IFBLK, makedev(0, 0));
    make("/plain/gone", S_IFCHR, makedev(0, 0));
    ASSERT_EQ(link((root + "/plain/gone").c_str(), (root + "/user/gone").c_str()), 0);
    make("/user/gone2", S_IFCHR, makedev(0, 0));
    mark("/opaque", "trusted.overlay.opaque", "y");
    mark("/user", "user.overlay.opaque", "y");
    mark("/fuse", "user.fuseoverlayfs.opaque", "y");
    // The attribute form of a whiteout, where its directory announces it and where it does not.
    mark("/marked", "trusted.overlay.opaque", "x");
    for (const char* name : {"/marked/gone", "/plain/not_gone", "/marked/full"}) {
      Write(root + name, std::string(name) == "/marked/full" ? 1 : 0);
      mark(name, "trusted.overlay.whiteout", "");
    }

    SpaceCount count = Count(root);
    EXPECT_EQ(count.whiteouts, 4);
    EXPECT_EQ(count.whiteout_inodes, 3);
    EXPECT_EQ(count.opaques, 3);
  });
}

TEST_P(AccountingTest, TellsWhatWasCopiedUp) {
  On(GetParam(), [](const std::string& root) {
    auto mark = [&](const std::string& name, const char* key) {
      Status status = SetXattrAt(AT_FDCWD, root + name, key, std::string(29, 'h'));
      ASSERT_TRUE(status.ok()) << status.ToString();
    };
    Write(root + "/new", 1 << 20);
    Write(root + "/kernel", 3 << 20);
    mark("/kernel", "trusted.overlay.origin");
    Write(root + "/user", 4096);
    mark("/user", "user.overlay.origin");
    Write(root + "/fuse", 8192);
    mark("/fuse", "user.fuseoverlayfs.origin");
    // Its attributes alone were copied up: as long as the lower file, and empty.
    Write(root + "/meta", 0);
    ASSERT_EQ(truncate((root + "/meta").c_str(), 1 << 20), 0);
    mark("/meta", "trusted.overlay.origin");
    mark("/meta", "trusted.overlay.metacopy");

    Result<SpaceCount> count = CountSpace(root, {.extents = false, .copied_up = true});
    ASSERT_TRUE(count.ok()) << count.status().ToString();
    EXPECT_EQ(count->copied_up_bytes, (3 << 20) + 4096 + 8192);
    EXPECT_GE(count->stored_bytes, (4 << 20) + 4096 + 8192);
    EXPECT_LE(count->stored_bytes, (4 << 20) + 4096 + 8192 + 4096) << "4096: a block of attributes";
    EXPECT_FALSE(count->extents_known);
    EXPECT_EQ(Count(root).copied_up_bytes, 0) << "nobody asked";
  });
}

TEST_P(AccountingTest, ThePoolShowsWhatIsWrittenAndGetsItBack) {
  const std::string type = GetParam();
  On(type, [&](const std::string& root) {
    PoolState before = Pool(root);
    ASSERT_TRUE(MakeDirs(root + "/d").ok());
    for (int i = 0; i < 99; ++i) Write(root + "/d/" + std::to_string(i), 256 << 10);
    PoolState full = Pool(root);
    const int64_t data = 99 * (256 << 10);
    EXPECT_GE(full.used_bytes - before.used_bytes, data);
    EXPECT_LT(full.used_bytes - before.used_bytes, data + 2 * kMiB);
    if (type == "btrfs") {
      EXPECT_EQ(full.used_inodes, -1);
    } else {
      EXPECT_EQ(full.used_inodes - before.used_inodes, 100);
    }
    ASSERT_TRUE(RemoveTree(root + "/d").ok());
    PoolState after = Pool(root);
    EXPECT_LT(after.used_bytes - before.used_bytes, kMiB);
    EXPECT_EQ(after.used_inodes, before.used_inodes);
  });
}

INSTANTIATE_TEST_SUITE_P(FileSystems, AccountingTest, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& p) { return std::string(p.param); });

class ReflinkAccountingTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ReflinkAccountingTest, SharedExtentsCountOnceByPlaceAndTwiceByBlocks) {
  const std::string type = GetParam();
  On(type, [&](const std::string& root) {
    Write(root + "/one", 16 * kMiB);
    Write(root + "/own", kMiB);
    Fd two = Open(root + "/two", O_CREAT | O_RDWR, 0600).value();
    {
      Fd one = Open(root + "/one", O_RDONLY).value();
      ASSERT_EQ(ioctl(two.get(), FICLONE, one.get()), 0);
    }
    SpaceCount shared = Count(root);
    EXPECT_EQ(shared.shared_bytes, 16 * kMiB);
    EXPECT_EQ(shared.own_bytes, kMiB);
    EXPECT_GE(shared.allocated_bytes, 33 * kMiB);
    EXPECT_EQ(shared.logical_bytes, 33 * kMiB);

    // A quarter of it written anew: XFS shares the rest, btrfs the whole old extent as long as any part of it
    // is.
    ASSERT_TRUE(PWriteAll(two.get(), std::string(4 * kMiB, 'n'), 0).ok());
    SpaceCount split = Count(root);
    EXPECT_EQ(split.shared_bytes, (type == "xfs" ? 12 : 16) * kMiB);
    EXPECT_EQ(split.own_bytes + split.shared_bytes, (1 + 16 + 4) * kMiB);
  });
}

INSTANTIATE_TEST_SUITE_P(FileSystems, ReflinkAccountingTest, ::testing::Values("xfs", "btrfs"),
                         [](const auto& p) { return std::string(p.param); });

TEST(BtrfsAccountingTest, WalksSubvolumesAndWaitsForTheCleaner) {
  On("btrfs", [](const std::string& root) {
    RunProgram({"btrfs", "subvolume", "create", root + "/base"});
    for (int i = 0; i < 200; ++i) Write(root + "/base/" + std::to_string(i), 64 << 10);
    PoolState before = Pool(root);
    RunProgram({"btrfs", "subvolume", "snapshot", root + "/base", root + "/child"});
    SpaceCount count = Count(root);
    EXPECT_EQ(count.files, 400);
    EXPECT_EQ(count.directories, 3);
    EXPECT_EQ(count.shared_bytes, 200 * (64 << 10));
    EXPECT_EQ(count.own_bytes, 0);
    EXPECT_LT(Pool(root).used_bytes - before.used_bytes, kMiB);

    for (int i = 0; i < 200; ++i) Write(root + "/child/" + std::to_string(i), 128 << 10);
    EXPECT_GE(Pool(root).used_bytes - before.used_bytes, 200 * (128 << 10));
    RunProgram({"btrfs", "subvolume", "delete", root + "/child"});
    EXPECT_LT(Pool(root).used_bytes - before.used_bytes, kMiB);
  });
}

TEST(AccountingOnTmpfsTest, SaysThatExtentsAreUnknown) {
  Status status = testing::WithPrivateMounts([] {
    TempTree tree = TempTree::Create(::testing::TempDir(), "accounting").value();
    ASSERT_EQ(mount("tmpfs", tree.path().c_str(), "tmpfs", 0, "size=16m"), 0);
    Write(tree.path() + "/file", kMiB);
    SpaceCount count = Count(tree.path());
    EXPECT_FALSE(count.extents_known);
    EXPECT_EQ(count.own_bytes, 0);
    EXPECT_EQ(count.allocated_bytes, kMiB);
    EXPECT_EQ(count.inodes, 2);
    EXPECT_EQ(Pool(tree.path()).used_inodes, 2);
    ASSERT_EQ(umount(tree.path().c_str()), 0);
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

TEST(AccountingErrorTest, NamesTheDirectory) {
  EXPECT_EQ(CountSpace("/nonexistent/store").status().code(), Code::kNotFound);
  EXPECT_EQ(ReadPool("/nonexistent/store").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace layermark
