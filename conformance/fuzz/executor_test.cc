#include "conformance/fuzz/executor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "conformance/fuzz/program_text.h"
#include "core/sys/temp_tree.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

class FuzzExecutorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "fuzz_executor");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    auto root = Open(tree_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(root.ok());
    root_ = std::move(*root);
    executor_.Attach(root_.get());
  }
  void TearDown() override { executor_.Detach(); }

  std::string Run(const std::string& line) {
    const auto program = ParseFuzzProgram("layermark-fuzz 1\nsteps\n" + line + "\n");
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    return program.ok() ? ToString(executor_.Run(program->steps[0])) : "";
  }

  TempTree tree_;
  Fd root_;
  Executor executor_;
};

TEST_F(FuzzExecutorTest, SaysWhatHappened) {
  EXPECT_EQ(Run("mkdir path=\"d\" mode=0755"), "ok");
  EXPECT_EQ(Run("mkdir path=\"d\" mode=0755"), "EEXIST");
  EXPECT_EQ(Run("create path=\"d/f\" data=\"hello\" mode=0640"), "ok 5");
  EXPECT_EQ(Run("append path=\"d/f\" data=\"!\""), "ok 1");
  EXPECT_EQ(Run("write path=\"d/f\" offset=1 data=\"u\""), "ok 1");
  EXPECT_EQ(Run("read path=\"d/f\""), "ok 6 hullo!");
  EXPECT_EQ(Run("stat path=\"d/f\" flags=0"), "ok type=regular mode=640 uid=0 gid=0 size=6 nlink=1");
  EXPECT_EQ(Run("truncate path=\"d/f\" size=2"), "ok");
  EXPECT_EQ(Run("link path=\"d/f\" target=\"g\""), "ok");
  EXPECT_EQ(Run("rename path=\"g\" target=\"d/f\" flags=NOREPLACE"), "EEXIST");
  EXPECT_EQ(Run("symlink path=\"s\" target=\"d/f\""), "ok");
  EXPECT_EQ(Run("readlink path=\"s\""), "ok 3 d/f");
  EXPECT_EQ(Run("read path=\"s\""), "ok 2 hu");
  EXPECT_EQ(Run("mknod path=\"p\" mode=010644"), "ok");
  EXPECT_EQ(Run("read path=\"p\""), "ok") << "a fifo without writers is at its end, and does not block";
  EXPECT_EQ(Run("list path=\"\""), "ok 4 names=d/4 g/8 p/1 s/10 ");
  EXPECT_EQ(Run("list_pieces path=\"\""), "ok 4 again=same names=d/4 g/8 p/1 s/10 ");
  EXPECT_EQ(Run("rmdir path=\"d\""), "ENOTEMPTY");
  EXPECT_EQ(Run("unlink path=\"d\""), "EISDIR");
}

TEST_F(FuzzExecutorTest, DescriptorsOutliveTheirNames) {
  EXPECT_EQ(Run("open slot=0 path=\"f\" flags=RDWR|CREAT|EXCL mode=0600"), "ok");
  EXPECT_EQ(Run("fd_write slot=0 offset=-1 data=\"abc\""), "ok 3");
  EXPECT_EQ(Run("unlink path=\"f\""), "ok");
  EXPECT_EQ(Run("fd_read slot=0 offset=0 size=10"), "ok 3 abc");
  EXPECT_EQ(Run("mmap_write slot=0 offset=1 data=\"XYZ\""), "ok 2") << "never beyond the end";
  EXPECT_EQ(Run("fd_read slot=0 offset=0 size=10"), "ok 3 aXY");
  EXPECT_EQ(Run("fd_stat slot=0"), "ok type=regular mode=600 uid=0 gid=0 size=3 nlink=0");
  EXPECT_EQ(Run("open slot=1 path=\"g\" flags=RDWR|CREAT mode=0600"), "ok");
  EXPECT_EQ(Run("copy_range slot=1 from=0 offset=0 size=2"), "ok 2");
  EXPECT_EQ(Run("read path=\"g\""), "ok 2 aX");
  EXPECT_EQ(Run("lock slot=1 flags=EXCLUSIVE"), "ok");
  EXPECT_EQ(Run("open slot=2 path=\"g\" flags=RDWR mode=0"), "ok");
  EXPECT_EQ(Run("lock slot=2 flags=SHARED"), "EAGAIN");
  EXPECT_EQ(Run("close slot=1"), "ok");
  EXPECT_EQ(Run("lock slot=2 flags=SHARED"), "ok");
  EXPECT_EQ(Run("fd_stat slot=1"), "EBADF");
  EXPECT_EQ(Run("tmpfile slot=3 path=\"\" mode=0600"), "ok");
  EXPECT_EQ(Run("fd_link slot=3 path=\"t\""), "ok");
  EXPECT_EQ(Run("stat path=\"t\" flags=0"), "ok type=regular mode=600 uid=0 gid=0 size=0 nlink=1");
}

TEST_F(FuzzExecutorTest, ActsAsAnotherUserForOneStep) {
  ASSERT_EQ(chmod(tree_.path().c_str(), 0755), 0);
  EXPECT_EQ(Run("create path=\"f\" data=\"x\" mode=0600"), "ok 1");
  EXPECT_EQ(Run("read path=\"f\" as=1000"), "EACCES");
  EXPECT_EQ(Run("access path=\"f\" mode=04 as=1000"), "EACCES");
  EXPECT_EQ(Run("mkdir path=\"d\" mode=0755 as=1000"), "EACCES");
  EXPECT_EQ(Run("read path=\"f\""), "ok 1 x");
  EXPECT_EQ(Run("chown path=\"f\" uid=1000 gid=1000 flags=0"), "ok");
  EXPECT_EQ(Run("append path=\"f\" data=\"y\" as=1000"), "ok 1");
}

TEST_F(FuzzExecutorTest, SetsTimesAndAttributes) {
  EXPECT_EQ(Run("create path=\"f\" data=\"x\" mode=0600"), "ok 1");
  EXPECT_EQ(Run("times path=\"f\" atime=omit mtime=-1500000000 flags=NOFOLLOW"), "ok");
  const auto manifest = ReadManifest(root_.get());
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->entries.at("f").mtime_ns, -1'500'000'000);
  EXPECT_EQ(Run("setxattr path=\"f\" name=\"trusted.a\" data=\"v\" flags=CREATE"), "ok");
  EXPECT_EQ(Run("setxattr path=\"f\" name=\"trusted.a\" data=\"w\" flags=CREATE"), "EEXIST");
  EXPECT_EQ(Run("getxattr path=\"f\" name=\"trusted.a\""), "ok 1 v");
  EXPECT_EQ(Run("listxattr path=\"f\""), "ok 1 xattrs=trusted.a,");
  EXPECT_EQ(Run("removexattr path=\"f\" name=\"trusted.a\""), "ok");
  EXPECT_EQ(Run("getxattr path=\"f\" name=\"trusted.a\""), "ENODATA");
}

}  // namespace
}  // namespace layermark
