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
    executor_.Attach(root_.get(), 1'500'000'000'000'000'000);  // later than any time that is set here
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
  EXPECT_EQ(Run("stat path=\"d/f\" flags=0"),
            "ok type=regular mode=640 uid=0 gid=0 size=6 nlink=1 mtime=recent");
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
  EXPECT_EQ(Run("fd_stat slot=0"), "ok type=regular mode=600 uid=0 gid=0 size=3 nlink=0 mtime=recent");
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
  EXPECT_EQ(Run("stat path=\"t\" flags=0"),
            "ok type=regular mode=600 uid=0 gid=0 size=0 nlink=1 mtime=recent");
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
  EXPECT_EQ(Run("times path=\"f\" atime=omit mtime=-1500000000 flags=NOFOLLOW"), "ok mtime=-2.500000000");
  EXPECT_EQ(Run("times path=\"f\" atime=1000000000 mtime=now flags=0"), "ok atime=1.000000000 mtime=recent");
  EXPECT_EQ(Run("times path=\"f\" atime=omit mtime=-1500000000 flags=0"), "ok mtime=-2.500000000");
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

TEST_F(FuzzExecutorTest, TellsObjectsApart) {
  EXPECT_EQ(Run("create path=\"f\" data=\"x\" mode=0600"), "ok 1");
  EXPECT_EQ(Run("stat path=\"f\" flags=0"),
            "ok type=regular mode=600 uid=0 gid=0 size=1 nlink=1 mtime=recent");
  EXPECT_EQ(Run("stat path=\"f\" flags=0"),
            "ok type=regular mode=600 uid=0 gid=0 size=1 nlink=1 mtime=recent ino=same");
  EXPECT_EQ(Run("rename path=\"f\" target=\"g\" flags=0"), "ok");
  EXPECT_EQ(Run("stat path=\"g\" flags=0"),
            "ok type=regular mode=600 uid=0 gid=0 size=1 nlink=1 mtime=recent ino=same");
  EXPECT_EQ(Run("link path=\"g\" target=\"h\" flags=0"), "ok");
  EXPECT_EQ(Run("create path=\"i\" data=\"x\" mode=0600"), "ok 1");
  EXPECT_EQ(Run("same_file path=\"g\" target=\"h\""), "ok object=same");
  EXPECT_EQ(Run("same_file path=\"g\" target=\"i\""), "ok object=other");
  EXPECT_EQ(Run("open slot=0 path=\"g\" flags=PATH mode=0"), "ok");
  EXPECT_EQ(Run("fd_same slot=0 path=\"h\""), "ok object=same");
  EXPECT_EQ(Run("fd_same slot=0 path=\"i\""), "ok object=other");
  EXPECT_EQ(Run("fd_read slot=0 offset=0 size=1"), "EBADF");
}

TEST_F(FuzzExecutorTest, ListsWhileNamesComeAndGo) {
  EXPECT_EQ(Run("mkdir path=\"d\" mode=0755"), "ok");
  EXPECT_EQ(Run("mkdir path=\"d/sub\" mode=0755"), "ok");
  EXPECT_EQ(Run("list_create path=\"d\""), "ok first=0 twice= missing=");
  EXPECT_EQ(Run("list_inodes path=\"d\""), "ok 5 others=");
  EXPECT_EQ(Run("list_remove path=\"d\""), "ok 4 first=0 names=sub/4 ");
}

TEST_F(FuzzExecutorTest, SetsInodeFlagsAndTakesThemOff) {
  EXPECT_EQ(Run("create path=\"f\" data=\"x\" mode=0600"), "ok 1");
  if (Run("setflags path=\"f\" flags=IMMUTABLE") != "ok") GTEST_SKIP() << "/tmp has no inode flags";
  EXPECT_EQ(Run("append path=\"f\" data=\"y\""), "EPERM");
  EXPECT_EQ(Run("getflags path=\"f\""), "ok flags=0x10");
  executor_.Attach(root_.get());
  EXPECT_EQ(Run("append path=\"f\" data=\"y\""), "ok 1");
}

TEST_F(FuzzExecutorTest, MapsAreReadAsFarAsTheFileGoes) {
  EXPECT_EQ(Run("create path=\"f\" data=\"abc\" mode=0600"), "ok 3");
  EXPECT_EQ(Run("open slot=0 path=\"f\" flags=RDWR mode=0"), "ok");
  EXPECT_EQ(Run("mmap_read slot=0 offset=1 size=100"), "ok 2 bc");
  EXPECT_EQ(Run("mmap_read slot=0 offset=3 size=1"), "ok nothing");
  EXPECT_EQ(Run("open slot=1 path=\"g\" flags=RDWR|CREAT mode=0600"), "ok");
  EXPECT_EQ(Run("sendfile slot=1 from=0 offset=1 size=9"), "ok 2");
  EXPECT_EQ(Run("read path=\"g\""), "ok 2 bc");
}

TEST(FuzzOutcome, DropsWhatMayDiffer) {
  Outcome expected{0, 0, "type=directory dirlinks=3 mtime=1.000000000"};
  Outcome seen{0, 0, "type=directory dirlinks=1 mtime=1.000000000"};
  DropWhatMayDiffer(&expected, &seen);
  EXPECT_EQ(expected, seen) << "1 means that a directory's links are not counted";
  expected.seen = "type=directory dirlinks=3 mtime=1.000000000";
  seen.seen = "type=directory dirlinks=2 mtime=1.000000000";
  DropWhatMayDiffer(&expected, &seen);
  EXPECT_NE(expected, seen);
  expected.seen = "type=regular ino=other";
  seen.seen = "type=regular ino=same";
  DropWhatMayDiffer(&expected, &seen);
  EXPECT_EQ(expected, seen) << "nothing can be said where the ordinary directory's number changed";
  expected.seen = "type=regular ino=same";
  seen.seen = "type=regular ino=other";
  DropWhatMayDiffer(&expected, &seen);
  EXPECT_NE(expected, seen);
}

}  // namespace
}  // namespace layermark
