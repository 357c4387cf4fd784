#include "core/sys/fd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(testing::TempDir(), "fd_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    Result<Fd> dir = Open(tree_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(dir.ok());
    dir_ = std::move(*dir);
  }
  std::string Path(const std::string& name) const { return tree_.path() + "/" + name; }

  TempTree tree_;
  Fd dir_;
};

TEST_F(FdTest, OwnerClosesOnceAndOnly) {
  int raw;
  {
    Result<Fd> fd = OpenAt(dir_.get(), ".", O_RDONLY);
    ASSERT_TRUE(fd.ok());
    Fd moved = std::move(*fd);
    EXPECT_FALSE(fd->valid());
    raw = moved.get();
    EXPECT_GE(fcntl(raw, F_GETFD), 0);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST_F(FdTest, EveryDescriptorIsCloseOnExec) {
  Result<Fd> fd = OpenAt(dir_.get(), "f", O_CREAT | O_RDWR, 0600);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
  Result<Fd> copy = fd->Duplicate();
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  Result<Fd> in_root = OpenInRoot(dir_.get(), "f", O_RDONLY);
  ASSERT_TRUE(in_root.ok());
  EXPECT_EQ(fcntl(in_root->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(FdTest, ErrorNamesOperationPathAndErrno) {
  const Status s = OpenAt(dir_.get(), "absent", O_RDONLY).status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_EQ(s.error_number(), ENOENT);
  EXPECT_THAT(s.ToString(), HasSubstr("open absent: ENOENT"));
}

TEST_F(FdTest, OpenInRootDoesNotLeaveTheRoot) {
  ASSERT_TRUE(MakeDirsAt(dir_.get(), "root/etc").ok());
  ASSERT_TRUE(WriteFileAt(dir_.get(), "secret", "outside").ok());
  ASSERT_TRUE(WriteFileAt(dir_.get(), "root/secret", "inside").ok());
  ASSERT_EQ(symlink("../../../secret", Path("root/etc/up").c_str()), 0);
  ASSERT_EQ(symlink("/secret", Path("root/etc/absolute").c_str()), 0);
  Result<Fd> root = OpenAt(dir_.get(), "root", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(root.ok());
  for (const char* path : {"../secret", "/secret", "etc/up", "etc/absolute", "../../etc/../secret"}) {
    Result<Fd> fd = OpenInRoot(root->get(), path, O_RDONLY);
    ASSERT_TRUE(fd.ok()) << path << fd.status().ToString();
    EXPECT_EQ(*ReadAll(fd->get()), "inside") << path;
  }
  Result<Fd> created = OpenInRoot(root->get(), "../new", O_CREAT | O_WRONLY, 0600);
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  EXPECT_TRUE(ExistsAt(dir_.get(), "root/new"));
  EXPECT_FALSE(ExistsAt(dir_.get(), "new"));
}

TEST_F(FdTest, ReadsAndWritesWholeFilesWithinTheBound) {
  const std::string data(200000, 'x');
  ASSERT_TRUE(WriteFileAt(dir_.get(), "f", data).ok());
  EXPECT_EQ(*ReadFileAt(dir_.get(), "f"), data);
  EXPECT_EQ(*ReadFileAt(dir_.get(), "f", data.size()), data);
  EXPECT_EQ(ReadFileAt(dir_.get(), "f", data.size() - 1).status().code(), Code::kOutOfRange);
  ASSERT_TRUE(WriteFileAt(dir_.get(), "f", "short").ok());
  EXPECT_EQ(*ReadFileAt(dir_.get(), "f"), "short");
  Result<Fd> fd = OpenAt(dir_.get(), "f", O_RDWR);
  ASSERT_TRUE(PWriteAll(fd->get(), "END", 2).ok());
  EXPECT_EQ(*ReadFileAt(dir_.get(), "f"), "shEND");
}

TEST_F(FdTest, MakeDirsKeepsModesOfWhatExists) {
  ASSERT_EQ(mkdir(Path("a").c_str(), 0711), 0);
  ASSERT_TRUE(MakeDirsAt(dir_.get(), "a//b/../c/", 0700).ok());
  struct stat st;
  ASSERT_EQ(stat(Path("a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0711U);
  ASSERT_EQ(stat(Path("a/c").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700U);
  EXPECT_TRUE(MakeDirs(Path("a/c")).ok());
  ASSERT_TRUE(WriteFileAt(dir_.get(), "file", "").ok());
  EXPECT_EQ(MakeDirsAt(dir_.get(), "file/x").error_number(), ENOTDIR);
}

TEST_F(FdTest, ListDirSortsAndLeavesTheCallersOffset) {
  for (const char* name : {"b", "a", ".hidden", "\xff"}) ASSERT_TRUE(WriteFileAt(dir_.get(), name, "").ok());
  EXPECT_THAT(*ListDir(dir_.get()), ElementsAre(".hidden", "a", "b", "\xff"));
  EXPECT_THAT(*ListDir(dir_.get()), ElementsAre(".hidden", "a", "b", "\xff"));
  EXPECT_EQ(ListDir(dir_.get(), "a").status().error_number(), ENOTDIR);
}

TEST_F(FdTest, XattrsAreThoseOfTheObjectItself) {
  ASSERT_TRUE(WriteFileAt(dir_.get(), "f", "").ok());
  ASSERT_EQ(symlink("f", Path("link").c_str()), 0);
  const std::string value("a\0b", 3);
  ASSERT_TRUE(SetXattrAt(dir_.get(), "f", "user.b", value).ok());
  ASSERT_TRUE(SetXattrAt(dir_.get(), "f", "user.a", "").ok());
  EXPECT_THAT(*ListXattrsAt(dir_.get(), "f"), ElementsAre(Xattr{"user.a", ""}, Xattr{"user.b", value}));
  EXPECT_THAT(*ListXattrsAt(AT_FDCWD, Path("f")), ElementsAre(Xattr{"user.a", ""}, Xattr{"user.b", value}));
  EXPECT_THAT(*ListXattrsAt(dir_.get(), "link"), ElementsAre());
  EXPECT_THAT(*ListXattrsAt(dir_.get(), "."), ElementsAre());
  EXPECT_EQ(*GetXattrAt(dir_.get(), "f", "user.b"), value);
  EXPECT_EQ(GetXattrAt(dir_.get(), "link", "user.b").status().error_number(), ENODATA);
  Result<Fd> opened = OpenAt(dir_.get(), "f", O_PATH);
  EXPECT_EQ(*GetXattrAt(opened->get(), "", "user.b"), value);
  EXPECT_EQ(SetXattrAt(dir_.get(), "f", "user.b", "x", 1 /* XATTR_CREATE */).code(), Code::kAlreadyExists);
  ASSERT_TRUE(RemoveXattrAt(dir_.get(), "f", "user.b").ok());
  EXPECT_THAT(*ListXattrsAt(dir_.get(), "f"), ElementsAre(Xattr{"user.a", ""}));
  const std::string large(3000, 'v');
  ASSERT_TRUE(SetXattrAt(dir_.get(), "f", "user.c", large).ok());
  EXPECT_EQ(*GetXattrAt(dir_.get(), "f", "user.c"), large);
}

TEST(WriteAll, NamesThePathBehindTheDescriptor) {
  const Result<Fd> full = Open("/dev/full", O_WRONLY);
  ASSERT_TRUE(full.ok());
  const Status written = WriteAll(full->get(), "x");
  EXPECT_EQ(written.error_number(), ENOSPC);
  EXPECT_EQ(written.path(), "/dev/full");
}

}  // namespace
}  // namespace layermark
