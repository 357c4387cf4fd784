#include "scenario/kernel_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sys/loop.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

// A log that gives one record per read, as /dev/kmsg does, and a taint file beside it.
class KernelLogTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create("/tmp", "kernel_log_test");
    ASSERT_TRUE(tree.ok());
    tree_ = std::move(*tree);
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    writer_ = Fd(ends[1]);
    Taint("0\n");
    Result<KernelLog> log = KernelLog::OpenOver(Fd(ends[0]), tree_.path() + "/tainted");
    ASSERT_TRUE(log.ok());
    log_.emplace(std::move(*log));
  }
  void Taint(const std::string& text) { ASSERT_TRUE(WriteFile(tree_.path() + "/tainted", text).ok()); }
  void Say(const std::string& record) {
    ASSERT_EQ(send(writer_.get(), record.data(), record.size(), 0), static_cast<ssize_t>(record.size()));
  }
  std::vector<std::string> Problems(const std::vector<std::string>& allowed = {}) {
    auto problems = log_->NewProblems(allowed);
    EXPECT_TRUE(problems.ok());
    return problems.ok() ? *problems : std::vector<std::string>{"failed"};
  }

  TempTree tree_;
  Fd writer_;
  std::optional<KernelLog> log_;
};

using Texts = std::vector<std::string>;

TEST_F(KernelLogTest, ReportsEachProblemOnceInOrder) {
  Say("6,1,100,-;EXT4-fs (vda): mounted filesystem with ordered data mode");
  Say("4,2,101,-;WARNING: CPU: 0 PID: 1 at fs/overlayfs/dir.c:1 ovl_x+0x1/0x2\n SUBSYSTEM=x");
  Say("2,3,102,-;EXT4-fs error (device vda): ext4_lookup:1: deleted inode referenced");
  EXPECT_EQ(Problems(), (Texts{"WARNING: CPU: 0 PID: 1 at fs/overlayfs/dir.c:1 ovl_x+0x1/0x2",
                               "EXT4-fs error (device vda): ext4_lookup:1: deleted inode referenced"}));
  EXPECT_EQ(Problems(), Texts{});
}

TEST_F(KernelLogTest, LeavesOutWhatTheCaseProvokes) {
  Say("2,3,102,-;EXT4-fs error (device vda): ext4_lookup:1: deleted inode referenced");
  Say("2,4,103,-;BTRFS error (device vdb): bad tree block");
  EXPECT_EQ(Problems({"device vda"}), (Texts{"BTRFS error (device vdb): bad tree block"}));
}

TEST_F(KernelLogTest, LeavesOutTheLoopDevicesOfOthers) {
  const std::string theirs =
      "2,3,102,-;EXT4-fs error (device loop901): ext4_lookup:1: deleted inode referenced";
  const std::string ours =
      "3,4,103,-;Buffer I/O error on dev loop902, logical block 1, lost async page write";
  const std::string both = "3,5,104,-;I/O error, dev loop901, behind loop902";
  Say(ours);
  EXPECT_EQ(Problems(), Texts{});  // not bound yet
  LoopHistory::Record(902, writer_.get());
  Say(theirs);
  Say(ours);
  Say(both);
  EXPECT_EQ(Problems().size(), 2u);
  Say(theirs);
  EXPECT_EQ(log_->NewProblems({}, true)->size(), 1u);  // somebody who acts for us may have bound it
  // It is bound to that file no more.
  Say(ours);
  EXPECT_EQ(Problems(), Texts{});
}

TEST_F(KernelLogTest, KnowsALoopDeviceAsLongAsItIsHeld) {
  Result<Fd> image = Open(tree_.path(), O_TMPFILE | O_RDWR, 0600);
  ASSERT_TRUE(image.ok() && ftruncate(image->get(), 1 << 20) == 0);
  int number = 0;
  const auto complain = [&] { Say("3,4,103,-;I/O error, dev loop" + std::to_string(number) + ", sector 8"); };
  {
    Result<LoopDevice> loop = LoopDevice::Attach(image->get(), false);
    ASSERT_TRUE(loop.ok()) << loop.status().ToString();
    number = loop->number();
    for (int i = 0; i < 3; ++i) {
      complain();
      EXPECT_EQ(Problems().size(), 1u) << i;
    }
  }
  complain();
  EXPECT_EQ(Problems().size(), 1u) << "it was held since the last look";
}

TEST(KernelProblemTest, FindsTheLoopDevicesThatAMessageNames) {
  EXPECT_EQ(LoopDevicesIn("JBD2: I/O error when updating journal superblock for loop12-8."),
            std::vector<int>{12});
  EXPECT_EQ(LoopDevicesIn("BTRFS error (device loop0 state EA): x loop3"), (std::vector<int>{0, 3}));
  EXPECT_TRUE(LoopDevicesIn("loopback lo: loop 3, xloop4, loop5x, loop_6").empty());
}

TEST_F(KernelLogTest, KeepsWhatWasCollectedForTheOneWhoAsks) {
  Say("4,1,1,-;WARNING: CPU: 0 first\n");
  log_->Collect();
  log_->Collect();
  Say("4,2,2,-;WARNING: CPU: 0 second\n");
  EXPECT_EQ(Problems({"second"}).size(), 1u);
  EXPECT_TRUE(Problems().empty());
}

TEST_F(KernelLogTest, ReportsATaintThatAppears) {
  Taint("512\n");
  EXPECT_EQ(Problems(), (Texts{"taint changed from 0 to 512"}));
  EXPECT_EQ(Problems(), Texts{});
}

TEST(KernelProblemTest, KnowsTheKernelsComplaints) {
  for (const char* text :
       {"BUG: kernel NULL pointer dereference, address: 0000000000000008", "Oops: 0002 [#1] SMP",
        "general protection fault, probably for non-canonical address 0x1", "kernel BUG at fs/inode.c:1!",
        "WARNING: possible circular locking dependency detected", "BUG: KASAN: use-after-free in ovl_x",
        "INFO: task umount:12 blocked for more than 120 seconds.",
        "BTRFS critical (device loop0): corrupt leaf", "XFS (loop0): Corruption of in-memory data detected.",
        "XFS (loop0): Metadata corruption detected", "XFS (loop0): Internal error xfs_x at line 1",
        "I/O error, dev loop0, sector 8 op 0x1:(WRITE)", "Buffer I/O error on dev loop0, logical block 1",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"}) {
    EXPECT_EQ(KernelProblem("4,1,2,-;" + std::string(text)).value_or("not seen"), text);
  }
}

TEST(KernelProblemTest, PassesWhatIsNone) {
  for (const char* record :
       {"6,1,2,-;XFS (loop0): Mounting V5 Filesystem", "6,1,2,-;BTRFS info (device loop0): using crc32c",
        "6,1,2,-;overlayfs: upper fs does not support tmpfile.", "12,1,2,-;WARNING: said by a user process",
        "no record at all", "4,1,2,-"}) {
    EXPECT_EQ(KernelProblem(record), std::nullopt) << record;
  }
}

TEST(RealKernelLogTest, StartsAtTheEndAndCountsOnlyTheKernelsOwnWords) {
  if (geteuid() != 0) GTEST_SKIP() << "the kernel log needs root";
  Result<KernelLog> log = KernelLog::OpenAtEnd();
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  // The kernel marks what a process writes as the process's: facility "user".
  ASSERT_TRUE(WriteFile("/dev/kmsg", "layermark test: WARNING: this is none").ok());
  auto problems = log->NewProblems();
  ASSERT_TRUE(problems.ok()) << problems.status().ToString();
  for (const std::string& problem : *problems) EXPECT_EQ(problem.find("layermark test"), std::string::npos);
}

}  // namespace
}  // namespace layermark
