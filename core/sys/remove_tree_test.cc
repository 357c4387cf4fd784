#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

class RemoveTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(testing::TempDir(), "remove_tree_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
  }
  std::string Path(const std::string& name) const { return tree_.path() + "/" + name; }
  TempTree tree_;
};

TEST_F(RemoveTreeTest, RemovesAllKindsAndFollowsNoSymlink) {
  ASSERT_TRUE(MakeDirs(Path("t/a/b")).ok());
  ASSERT_TRUE(MakeDirs(Path("kept")).ok());
  ASSERT_TRUE(WriteFile(Path("kept/file"), "x").ok());
  ASSERT_TRUE(WriteFile(Path("t/a/file"), "x").ok());
  ASSERT_EQ(symlink(Path("kept").c_str(), Path("t/a/link").c_str()), 0);
  ASSERT_EQ(mkfifo(Path("t/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(RemoveTree(Path("t")).ok());
  EXPECT_FALSE(Exists(Path("t")));
  EXPECT_TRUE(Exists(Path("kept/file")));
}

TEST_F(RemoveTreeTest, RemovesASingleFileAndASymlinkItself) {
  ASSERT_TRUE(MakeDirs(Path("kept")).ok());
  ASSERT_TRUE(WriteFile(Path("file"), "x").ok());
  ASSERT_EQ(symlink("kept", Path("link").c_str()), 0);
  EXPECT_TRUE(RemoveTree(Path("file")).ok());
  EXPECT_TRUE(RemoveTree(Path("link/")).ok());
  EXPECT_FALSE(Exists(Path("file")));
  EXPECT_FALSE(Exists(Path("link")));
  EXPECT_TRUE(Exists(Path("kept")));
}

TEST_F(RemoveTreeTest, WhatDoesNotExistIsFine) {
  EXPECT_TRUE(RemoveTree(Path("absent")).ok());
  EXPECT_TRUE(RemoveTree(Path("absent/below")).ok());
}

TEST_F(RemoveTreeTest, RefusesNamesThatAreNoEntry) {
  for (const char* path : {"", ".", "..", "/", "a/.."}) {
    EXPECT_EQ(RemoveTreeAt(AT_FDCWD, path).code(), Code::kInvalidArgument) << path;
  }
}

// 2000 levels: far beyond PATH_MAX and the usual limit of open descriptors.
TEST_F(RemoveTreeTest, AnyDepth) {
  Result<Fd> at = Open(tree_.path(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(at.ok());
  ASSERT_EQ(mkdirat(at->get(), "deep", 0700), 0);
  at = OpenAt(at->get(), "deep", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(mkdirat(at->get(), "ddd", 0700), 0) << i;
    at = OpenAt(at->get(), "ddd", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(at.ok());
    if (i % 1000 == 0) {
      ASSERT_TRUE(WriteFileAt(at->get(), "f", "x").ok());
    }
  }
  at = Fd();  // an open directory keeps the whole chain above it in the kernel's memory, and each step walks
              // it
  const Status s = RemoveTree(Path("deep"));
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_FALSE(Exists(Path("deep")));
}

TEST_F(RemoveTreeTest, ManySubdirectories) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(MakeDirs(Path("wide/" + std::to_string(i) + "/x")).ok());
  EXPECT_TRUE(RemoveTree(Path("wide")).ok());
  EXPECT_FALSE(Exists(Path("wide")));
}

// Mounts need a namespace of their own, hence a child.
TEST_F(RemoveTreeTest, NeverCrossesAMount) {
  Result<ChildProcess> child = ChildProcess::Fork([&](int) {
    if (unshare(CLONE_NEWNS) != 0) return 10;
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 11;
    if (!MakeDirs(Path("t/mounted")).ok() || !MakeDirs(Path("t/bound")).ok() ||
        !MakeDirs(Path("t/plain")).ok()) {
      return 12;
    }
    if (!MakeDirs(Path("source")).ok() || !WriteFile(Path("source/kept"), "x").ok()) return 13;
    if (mount("t", Path("t/mounted").c_str(), "tmpfs", 0, nullptr) != 0) return 14;
    if (!WriteFile(Path("t/mounted/kept"), "x").ok()) return 15;
    // The same device as its surroundings: only the mount id tells.
    if (mount(Path("source").c_str(), Path("t/bound").c_str(), nullptr, MS_BIND, nullptr) != 0) return 16;
    const Status all = RemoveTree(Path("t"));
    if (all.code() != Code::kFailedPrecondition) return 17;
    if (RemoveTree(Path("t/bound")).code() != Code::kFailedPrecondition) return 18;
    if (!Exists(Path("t/mounted/kept")) || !Exists(Path("source/kept"))) return 19;
    if (Exists(Path("t/plain"))) return 20;
    return 0;
  });
  ASSERT_TRUE(child.ok());
  Result<ExitStatus> status = child->Wait(std::chrono::seconds(60));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->ToString(), "exit 0");
}

TEST_F(RemoveTreeTest, TempTreeGoesWithItsObject) {
  std::string path;
  {
    Result<TempTree> inner = TempTree::Create(tree_.path(), "inner");
    ASSERT_TRUE(inner.ok());
    path = inner->path();
    struct stat st;
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0700U);
    ASSERT_TRUE(WriteFile(path + "/f", "x").ok());
    TempTree moved = std::move(*inner);
    EXPECT_TRUE(Exists(path));
  }
  EXPECT_FALSE(Exists(path));
  EXPECT_EQ(TempTree::Create(Path("absent"), "x").status().error_number(), ENOENT);
}

}  // namespace
}  // namespace layermark
