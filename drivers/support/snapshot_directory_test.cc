#include "drivers/support/snapshot_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

using layermark::testing::ScratchFileSystem;
using layermark::testing::WithPrivateMounts;

// posix_acl_xattr of version 2: owner rwx, user 4711 r-x, group r-x, mask r-x, others nothing.
std::string AccessList() {
  std::string text("\x02\x00\x00\x00", 4);
  struct {
    uint16_t tag, permissions;
    uint32_t id;
  } const entries[] = {{1, 7, ~0U}, {2, 5, 4711}, {4, 5, ~0U}, {16, 5, ~0U}, {32, 0, ~0U}};
  for (const auto& entry : entries) {
    for (int shift : {0, 8}) text += static_cast<char>(entry.tag >> shift);
    for (int shift : {0, 8}) text += static_cast<char>(entry.permissions >> shift);
    for (int shift : {0, 8, 16, 24}) text += static_cast<char>(entry.id >> shift);
  }
  return text;
}

TEST(SnapshotDirectoryTest, ModeIsExactBelowASetGroupIdDirectoryAndUnderAnyUmask) {
  auto tree = TempTree::Create(::testing::TempDir(), "mode");
  ASSERT_TRUE(tree.ok());
  ASSERT_EQ(chmod(tree->path().c_str(), 02755), 0);
  const mode_t old = umask(077);
  const Status made = MakeDirectory(tree->path() + "/new", 0755);
  umask(old);
  ASSERT_TRUE(made.ok()) << made.ToString();
  struct stat stat = {};
  ASSERT_EQ(lstat((tree->path() + "/new").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0755u);
  EXPECT_EQ(MakeDirectory(tree->path() + "/new", 0755).code(), Code::kAlreadyExists);
}

TEST(SnapshotDirectoryTest, ARootKeepsEverythingOnEveryFileSystem) {
  const Status status = WithPrivateMounts([] {
    for (const std::string type : {"ext4", "xfs", "btrfs"}) {
      auto scratch = ScratchFileSystem::Create(type, ::testing::TempDir());
      ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
      const std::string from = scratch->path() + "/from";
      const std::string to = scratch->path() + "/to";
      ASSERT_TRUE(MakeDirectory(from, 0755).ok());
      ASSERT_TRUE(MakeDirectory(to, 0755).ok());
      ASSERT_EQ(chown(from.c_str(), 12, 34), 0);
      ASSERT_EQ(chmod(from.c_str(), 02750), 0);
      for (const char* name : {"system.posix_acl_access", "system.posix_acl_default"}) {
        ASSERT_TRUE(SetXattrAt(AT_FDCWD, from, name, AccessList()).ok()) << type;
      }
      ASSERT_TRUE(SetXattrAt(AT_FDCWD, from, "user.mine", "kept").ok());
      ASSERT_TRUE(SetXattrAt(AT_FDCWD, from, "trusted.union.x", "private").ok());
      const struct timespec times[2] = {{1, 2}, {3, 4}};
      ASSERT_EQ(utimensat(AT_FDCWD, from.c_str(), times, 0), 0);

      const Status copied = CopyRootAttributes(from, to, {"trusted.union."});
      ASSERT_TRUE(copied.ok()) << type << ": " << copied.ToString();
      struct stat expected = {};
      struct stat actual = {};
      ASSERT_EQ(lstat(from.c_str(), &expected), 0);
      ASSERT_EQ(lstat(to.c_str(), &actual), 0);
      EXPECT_EQ(actual.st_mode, expected.st_mode) << type;
      EXPECT_EQ(actual.st_uid, 12u);
      EXPECT_EQ(actual.st_gid, 34u);
      EXPECT_EQ(actual.st_mtim.tv_sec, 3);
      EXPECT_EQ(actual.st_mtim.tv_nsec, 4);
      auto wanted = ListXattrsAt(AT_FDCWD, from);
      auto got = ListXattrsAt(AT_FDCWD, to);
      ASSERT_TRUE(wanted.ok() && got.ok());
      std::erase_if(*wanted, [](const Xattr& xattr) { return xattr.name.starts_with("trusted.union."); });
      EXPECT_TRUE(*wanted == *got) << type << ": " << got->size() << " attributes, not " << wanted->size();
    }
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace layermark
