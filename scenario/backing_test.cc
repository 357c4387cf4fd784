#include "scenario/backing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <functional>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

// Runs `body` with a workspace of 1 GiB; "ok" or what went wrong.
std::string WithWorkspace(const std::function<Status()>& body, int64_t ram_bytes = int64_t{1} << 30) {
  std::string text;
  Status status = RunWorkers({{[&]() -> std::string {
                               Status made = CreateWorkspace({}, ram_bytes);
                               if (!made.ok()) return made.ToString();
                               Status done = body();
                               return done.ok() ? "ok" : done.ToString();
                             }}},
                             1, [&](const WorkerAnswer& answer) {
                               text = answer.status.success() ? answer.text : answer.status.ToString();
                               return true;
                             });
  return status.ok() ? text : status.ToString();
}

Result<long> FilesystemMagic(const std::string& path) {
  struct statfs st = {};
  if (statfs(path.c_str(), &st) != 0) return Status::Errno("statfs", path);
  return static_cast<long>(st.f_type);
}

class BackingKindTest : public testing::TestWithParam<std::tuple<const char*, const char*, long>> {};

TEST_P(BackingKindTest, HoldsFilesAndKeepsThemOverARemount) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  auto [kind, device, magic] = GetParam();
  BackingSpec spec;
  spec.kind = kind;
  spec.device = device;
  spec.size_bytes = int64_t{320} << 20;
  long expected = magic;
  EXPECT_EQ(WithWorkspace([&]() -> Status {
              LM_ASSIGN(Backing backing, Backing::Create(spec));
              LM_ASSIGN(long seen, FilesystemMagic(backing.path()));
              if (seen != expected) return Internal("not the file system asked for");
              if (!backing.shrunk().empty()) return Internal(backing.shrunk());
              LM_ASSIGN(std::string one, backing.NewDirectory("d"));
              LM_ASSIGN(std::string two, backing.NewDirectory("d"));
              if (one == two) return Internal("one directory twice");
              LM_TRY(WriteFile(one + "/file", "kept"));
              LM_TRY(backing.Remount());
              LM_ASSIGN(std::string text, ReadFile(one + "/file"));
              if (text != "kept") return Internal("content lost");
              std::string path = backing.path();
              LM_TRY(backing.Close());
              return Exists(path) ? Internal("the mount point stayed") : Status();
            }),
            "ok");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BackingKindTest,
    testing::Values(std::make_tuple("ext4", "ram", 0xEF53L), std::make_tuple("ext4", "disk", 0xEF53L),
                    std::make_tuple("xfs", "ram", 0x58465342L), std::make_tuple("btrfs", "ram", 0x9123683EL),
                    std::make_tuple("tmpfs", "ram", 0x01021994L)),
    [](const auto& row) { return std::string(std::get<0>(row.param)) + "_" + std::get<1>(row.param); });

TEST(BackingTest, XfsSharesExtents) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  BackingSpec spec;
  spec.kind = "xfs";
  EXPECT_EQ(WithWorkspace([&]() -> Status {
              LM_ASSIGN(Backing backing, Backing::Create(spec));
              LM_TRY(WriteFile(backing.path() + "/a", std::string(8192, 'x')));
              LM_ASSIGN(Fd a, Open(backing.path() + "/a", O_RDONLY));
              LM_ASSIGN(Fd b, Open(backing.path() + "/b", O_RDWR | O_CREAT, 0600));
              // FICLONE, without linux/fs.h, which does not go with sys/mount.h.
              if (ioctl(b.get(), 0x40049409, a.get()) != 0) return Status::Errno("FICLONE", "b");
              return {};
            }),
            "ok");
}

TEST(BackingTest, ExtFourTakesAnInodeCount) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  BackingSpec spec;
  spec.size_bytes = int64_t{64} << 20;
  spec.inodes = 1024;
  EXPECT_EQ(WithWorkspace([&]() -> Status {
              LM_ASSIGN(Backing backing, Backing::Create(spec));
              struct statvfs st = {};
              if (statvfs(backing.path().c_str(), &st) != 0) return Status::Errno("statvfs", backing.path());
              return st.f_files == 1024 ? Status() : Internal(std::to_string(st.f_files) + " inodes");
            }),
            "ok");
}

TEST(BackingTest, AFullStoreSaysSo) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  BackingSpec spec;
  spec.size_bytes = int64_t{16} << 20;
  std::string text = WithWorkspace([&]() -> Status {
    LM_ASSIGN(Backing backing, Backing::Create(spec));
    return WriteFile(backing.path() + "/big", std::string(size_t{32} << 20, 'x'));
  });
  EXPECT_NE(text.find("ENOSPC"), std::string::npos) << text;
}

TEST(BackingTest, ShrinksToTheBudgetAndTellsTheTrueSize) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WithWorkspace(
                [&]() -> Status {
                  LM_ASSIGN(Backing backing, Backing::Create(BackingSpec()));
                  int64_t size = backing.spec().size_bytes;
                  if (size <= 0 || size > int64_t{64} << 20) return Internal(std::to_string(size));
                  if (!backing.shrunk().starts_with("ext4 of 6") ||
                      backing.shrunk().find("1024 MiB") == std::string::npos)
                    return Internal("told: " + backing.shrunk());
                  return {};
                },
                int64_t{64} << 20),
            "ok");
}

TEST(BackingTest, ABudgetTooSmallIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  BackingSpec spec;
  spec.kind = "xfs";
  std::string text = WithWorkspace([&]() { return Backing::Create(spec).status(); }, int64_t{64} << 20);
  EXPECT_TRUE(text.starts_with("RESOURCE_EXHAUSTED: xfs needs 300 MiB of ram")) << text;
}

TEST(BackingTest, AMissingProgramNamesItsPackage) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  std::string text = WithWorkspace([&]() -> Status {
    // Nothing is where mkfs is looked for.
    LM_TRY(MountFilesystem("tmpfs", "none", "/usr/sbin", {}));
    if (!IsMountPoint("/sbin").ok()) return Internal("no /sbin");
    setenv("PATH", "/nowhere", 1);
    return Backing::Create(BackingSpec()).status();
  });
  EXPECT_EQ(text, "NOT_FOUND: mkfs.ext4 is missing: install the package e2fsprogs");
}

TEST(BackingTest, KindDirWritesOnlyBelowItsOwnDirectory) {
  Result<TempTree> home = TempTree::Create("/tmp", "backing_test");
  ASSERT_TRUE(home.ok());
  ASSERT_TRUE(WriteFile(home->path() + "/mine", "x").ok());
  Result<BackingSpec> spec = ParseBacking("dir=" + home->path(), "ram");
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->name(), "dir");
  EXPECT_EQ(spec->device, "disk");
  {
    Result<Backing> backing = Backing::Create(*spec);
    ASSERT_TRUE(backing.ok()) << backing.status().ToString();
    Result<std::string> directory = backing->NewDirectory("d");
    ASSERT_TRUE(directory.ok());
    ASSERT_TRUE(WriteFile(*directory + "/f", "x").ok());
    EXPECT_TRUE(backing->Remount().ok());
  }
  Result<std::vector<std::string>> left = ListDir(AT_FDCWD, home->path());
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(*left, std::vector<std::string>{"mine"});
}

TEST(BackingTest, BadNamesAreRefusedWithTheirReason) {
  EXPECT_EQ(ParseBacking("zfs", "ram").status().code(), Code::kInvalidArgument);
  EXPECT_NE(ParseBacking("zfs", "ram").status().message().find("zfs"), std::string::npos);
  EXPECT_EQ(ParseBacking("ext4", "tape").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseBacking("dir=", "ram").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseBacking("dir=/nowhere/at/all", "ram").status().code(), Code::kNotFound);
  EXPECT_EQ(ParseBacking("dir=/dev/null", "ram").status().code(), Code::kInvalidArgument);
}

TEST(BackingTest, ADirectoryIsJudgedByTheFileSystemItIsOn) {
  EXPECT_EQ(WithWorkspace([]() -> Status {
              LM_ASSIGN(BackingSpec spec, ParseBacking("dir=" + WorkspacePath(), "ram"));
              LM_ASSIGN(Backing backing, Backing::Create(spec));
              if (backing.file_system() != "tmpfs") return Internal("in memory: " + backing.file_system());
              LM_ASSIGN(Backing ext4, Backing::Create(BackingSpec{}));
              if (ext4.file_system() != "ext4") return Internal("made as ext4: " + ext4.file_system());
              LM_ASSIGN(spec, ParseBacking("dir=" + ext4.path(), "ram"));
              LM_ASSIGN(Backing inside, Backing::Create(spec));
              return inside.file_system() == "ext4" ? Status::Ok()
                                                    : Internal("in ext4: " + inside.file_system());
            }),
            "ok");
}

}  // namespace
}  // namespace layermark
