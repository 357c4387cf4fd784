#include "core/sys/namespaces.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "core/sys/loop.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Waits for something that another process brings about; false after half a minute.
bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

// How many processes of the machine have `text` in their command line.
int ProcessesWith(const std::string& text) {
  int count = 0;
  const Result<std::vector<std::string>> names = ListDir(AT_FDCWD, "/proc");
  EXPECT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const Result<std::string> command = ReadFile("/proc/" + name + "/cmdline");
    if (command.ok() && command->find(text) != std::string::npos) ++count;
  }
  return count;
}

// A process that runs RunIsolated, so that the test can signal it. `body` gets a descriptor to answer on.
Result<ChildProcess> StartOuter(const std::function<int(int)>& body) {
  return ChildProcess::Fork([body](int answer_fd) {
    const Result<int> code = RunIsolated({}, [&] { return body(answer_fd); });
    if (!code.ok()) {
      (void)WriteAll(answer_fd, code.status().ToString());
      return 99;
    }
    return *code;
  });
}

bool WaitForOutput(ChildProcess& child, const std::string& text) {
  return Eventually([&] {
    child.Drain();
    return child.output().find(text) != std::string::npos;
  });
}

TEST(RunIsolatedTest, GivesBackTheExitStatus) {
  EXPECT_EQ(*RunIsolated({}, [] { return 0; }), 0);
  EXPECT_EQ(*RunIsolated({}, [] { return 42; }), 42);
  EXPECT_EQ(*RunIsolated({}, [] { return raise(SIGKILL); }), 128 + SIGKILL);
  EXPECT_EQ(*RunIsolated({},
                         [] {
                           kill(1, SIGKILL);  // init cannot be killed from within
                           return 3;
                         }),
            3);
}

TEST(RunIsolatedTest, BodyHasItsOwnMountsAndProcesses) {
  Result<TempTree> tree = TempTree::Create(testing::TempDir(), "namespaces_test");
  ASSERT_TRUE(tree.ok());
  const Result<int> code = RunIsolated({}, [&] {
    if (getpid() != 2) return 10;
    if (*ReadLinkAt(AT_FDCWD, "/proc/self") != "2") return 11;
    if (!MountFilesystem("tmpfs", "t", tree->path(), {}).ok()) return 12;
    return WriteFile(tree->path() + "/inside", "").ok() ? 0 : 13;
  });
  ASSERT_TRUE(code.ok()) << code.status().ToString();
  EXPECT_EQ(*code, 0);
  EXPECT_FALSE(Exists(tree->path() + "/inside"));
  EXPECT_FALSE(*IsMountPoint(tree->path()));
}

TEST(RunIsolatedTest, OrphansAreReapedAndEndWithTheBody) {
  const std::string marker = "orphan-of-" + std::to_string(getpid());
  const Result<int> code = RunIsolated({}, [&] {
    // The grandchild is orphaned at once; its end must be seen by init, or its /proc entry stays as a zombie.
    const std::string orphan = *RunCommandOk({"sh", "-c", "sleep 0.05 & echo $!"});
    const std::string proc = "/proc/" + orphan.substr(0, orphan.size() - 1);
    if (!Eventually([&] { return !Exists(proc); })) return 10;
    // This one outlives the body if nobody ends it.
    if (!RunCommandOk({"setsid", "-f", "sh", "-c", "sleep 1000; : " + marker}).ok()) return 11;
    return Eventually([&] { return ProcessesWith(": " + marker) > 0; }) ? 0 : 12;
  });
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(*code, 0);
  EXPECT_EQ(ProcessesWith(": " + marker), 0);
}

TEST(RunIsolatedTest, OuterKeepsItsOwnNamespaces) {
  const std::string before =
      *ReadLinkAt(AT_FDCWD, "/proc/self/ns/mnt") + *ReadLinkAt(AT_FDCWD, "/proc/self/ns/pid");
  EXPECT_EQ(*RunIsolated({}, [] { return 0; }), 0);
  EXPECT_EQ(*ReadLinkAt(AT_FDCWD, "/proc/self/ns/mnt") + *ReadLinkAt(AT_FDCWD, "/proc/self/ns/pid"), before);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_FALSE(sigismember(&mask, SIGINT));
}

volatile sig_atomic_t interrupts = 0;
void CountInterrupt(int) {
  interrupts = interrupts + 1;
}

// Says "ready", waits for an interrupt, waits on in case another comes, and answers how many came.
int CountInterrupts(int answer_fd) {
  interrupts = 0;
  signal(SIGINT, CountInterrupt);
  signal(SIGTERM, CountInterrupt);
  if (!WriteAll(answer_fd, "ready\n").ok()) return 98;
  if (!Eventually([] { return interrupts > 0; })) return 97;
  const auto end = std::chrono::steady_clock::now() + milliseconds(300);
  while (std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(10));
  return interrupts;
}

TEST(RunIsolatedTest, AnInterruptOfTheOuterArrivesOnce) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    for (const bool whole_group : {false, true}) {
      Result<ChildProcess> outer = StartOuter(CountInterrupts);
      ASSERT_TRUE(outer.ok());
      ASSERT_TRUE(WaitForOutput(*outer, "ready")) << outer->output();
      // `timeout` does both: first the child, then the child's group.
      ASSERT_EQ(kill(outer->pid(), signal_number), 0);
      if (whole_group) {
        ASSERT_EQ(kill(-outer->pid(), signal_number), 0);
      }
      Result<ExitStatus> status = outer->Wait(seconds(60));
      ASSERT_TRUE(status.ok());
      EXPECT_EQ(status->ToString(), "exit 1") << outer->output();
    }
  }
}

// A terminal's Ctrl-C goes to every process of the foreground group.
TEST(RunIsolatedTest, ControlCArrivesOnce) {
  const Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master.valid());
  ASSERT_EQ(grantpt(master.get()), 0);
  ASSERT_EQ(unlockpt(master.get()), 0);
  const std::string name = ptsname(master.get());
  Result<ChildProcess> session = ChildProcess::Fork([&](int answer_fd) {
    // A second fork: a group leader cannot start a session.
    const pid_t pid = fork();
    if (pid == 0) {
      setsid();
      const int terminal = open(name.c_str(), O_RDWR);  // becomes the controlling terminal
      if (terminal < 0) _exit(96);
      const Result<int> code = RunIsolated({}, [&] { return CountInterrupts(answer_fd); });
      _exit(code.ok() ? *code : 99);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 95;
  });
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(WaitForOutput(*session, "ready")) << session->output();
  ASSERT_TRUE(WriteAll(master.get(), "\x03").ok());
  Result<ExitStatus> status = session->Wait(seconds(60));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->ToString(), "exit 1");
}

// Where a loop device is bound /sys/block/loopN/loop exists.
bool LoopIsBound(const std::string& number) {
  return Exists("/sys/block/loop" + number + "/loop");
}

TEST(RunIsolatedTest, KillOfTheOuterLeavesNothing) {
  Result<TempTree> tree = TempTree::Create(testing::TempDir(), "namespaces_test");
  ASSERT_TRUE(tree.ok());
  const std::string marker = "left-by-" + std::to_string(getpid());
  Result<ChildProcess> outer = StartOuter([&](int answer_fd) {
    const auto step = [&](const Status& s) {
      if (!s.ok()) (void)WriteAll(answer_fd, s.ToString() + "\n");
      return s.ok();
    };
    if (!step(MakeDirs(tree->path() + "/ext4")) || !step(MakeDirs(tree->path() + "/tmpfs"))) return 10;
    if (!step(MountFilesystem("tmpfs", "t", tree->path() + "/tmpfs", {}))) return 11;
    Result<Fd> image = Open(tree->path() + "/tmpfs", O_TMPFILE | O_RDWR, 0600);
    if (!step(image.status()) || ftruncate(image->get(), 32 << 20) != 0) return 12;
    Result<LoopDevice> loop = LoopDevice::Attach(image->get(), false);
    if (!step(loop.status())) return 13;
    if (!step(RunCommandOk({"mkfs.ext4", "-q", loop->path()}).status())) return 14;
    if (!step(MountFilesystem("ext4", loop->path(), tree->path() + "/ext4", {}))) return 15;
    if (!step(WriteFile(tree->path() + "/ext4/file", "x"))) return 16;
    // A grandchild that no parent death signal reaches, in a session of its own.
    if (!step(RunCommandOk({"setsid", "-f", "sh", "-c", "sleep 1000; : " + marker}).status())) return 17;
    if (!step(WriteAll(answer_fd, "loop=" + std::to_string(loop->number()) + " ready\n"))) return 18;
    return pause();
  });
  ASSERT_TRUE(outer.ok());
  ASSERT_TRUE(WaitForOutput(*outer, "ready")) << outer->output();
  const std::string output = outer->output();
  const std::string number = output.substr(5, output.find(' ') - 5);
  EXPECT_TRUE(LoopIsBound(number));
  EXPECT_TRUE(Eventually([&] { return ProcessesWith(": " + marker) == 1; }));

  ASSERT_EQ(kill(outer->pid(), SIGKILL), 0);
  EXPECT_EQ(outer->Wait(seconds(60))->signal, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !LoopIsBound(number); })) << "loop" << number;
  EXPECT_TRUE(Eventually([&] { return ProcessesWith(": " + marker) == 0; }));
  const Result<std::vector<MountInfo>> mounts = ReadMountInfo();
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  for (const MountInfo& info : *mounts) EXPECT_FALSE(info.mount_point.starts_with(tree->path()));
  EXPECT_TRUE(tree->Remove().ok());
}

TEST(RunIsolatedTest, MountsOutsideAreSeenOnlyByASlave) {
  // In a namespace of our own whose mounts are shared, as on a host with systemd.
  Result<TempTree> tree = TempTree::Create(testing::TempDir(), "namespaces_test");
  ASSERT_TRUE(tree.ok());
  Result<ChildProcess> host = ChildProcess::Fork([&](int) {
    if (unshare(CLONE_NEWNS) != 0 || !MakeMountsPrivate("/").ok()) return 10;
    if (!MountFilesystem("tmpfs", "t", tree->path(), {"shared"}).ok()) return 11;
    if (!MakeDirs(tree->path() + "/private").ok() || !MakeDirs(tree->path() + "/slave").ok()) return 12;
    for (const std::string kind : {"private", "slave"}) {
      const pid_t outside = fork();
      if (outside == 0) {
        // Mounts once the body has started, then tells it.
        const bool started = Eventually([&] { return Exists(tree->path() + "/started." + kind); });
        const bool mounted = MountFilesystem("tmpfs", "late", tree->path() + "/" + kind, {}).ok();
        _exit(started && mounted && WriteFile(tree->path() + "/mounted." + kind, "").ok() ? 0 : 1);
      }
      const Result<int> seen = RunIsolated({.slave_mounts = kind == "slave"}, [&] {
        if (!WriteFile(tree->path() + "/started." + kind, "").ok()) return 20;
        if (!Eventually([&] { return Exists(tree->path() + "/mounted." + kind); })) return 21;
        return *IsMountPoint(tree->path() + "/" + kind) ? 1 : 0;
      });
      waitpid(outside, nullptr, 0);
      if (!seen.ok() || *seen != (kind == "slave" ? 1 : 0)) return kind == "slave" ? 13 : 14;
    }
    return 0;
  });
  ASSERT_TRUE(host.ok());
  EXPECT_EQ(host->Wait(seconds(120))->ToString(), "exit 0");
}

TEST(ContainerPiecesTest, Clone3PivotRootAndLoopback) {
  Result<TempTree> tree = TempTree::Create(testing::TempDir(), "namespaces_test");
  ASSERT_TRUE(tree.ok());
  ASSERT_TRUE(WriteFile(tree->path() + "/only-file", "x").ok());
  int raw_pidfd = -1;
  Result<pid_t> pid = Clone3(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET, &raw_pidfd);
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  if (*pid == 0) {
    if (getpid() != 1) _exit(10);
    if (!MakeMountsPrivate("/").ok()) _exit(11);
    if (!BringLoopbackUp().ok()) _exit(12);
    Result<std::string> state = ReadFile("/sys/class/net/lo/operstate");
    if (!BindMount(tree->path(), tree->path(), false, false).ok()) _exit(13);
    if (!PivotRoot(tree->path()).ok()) _exit(14);
    Result<std::vector<std::string>> names = ListDir(AT_FDCWD, "/");
    if (!names.ok() || *names != std::vector<std::string>{"only-file"}) _exit(15);
    if (Exists("/proc") || Exists("../../etc")) _exit(16);
    _exit(0);
  }
  const Fd pidfd(raw_pidfd);
  EXPECT_TRUE(pidfd.valid());
  int status = 0;
  ASSERT_EQ(waitpid(*pid, &status, 0), *pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(PivotRoot("/absent").error_number(), ENOENT);
}

}  // namespace
}  // namespace layermark
