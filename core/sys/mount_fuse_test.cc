#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "testing/mount_test_util.h"

namespace layermark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class MountFuseTest : public PrivateMountsTest {
 protected:
  Result<Mounted> Do(const Mount& mount) { return MountAll({mount}, Path("m")); }
  Mount Fuse(const std::vector<std::string>& lowers, const std::string& upper = "",
             const std::string& work = "") {
    Mount m = Overlay(lowers, upper, work);
    m.type = "fuse3.fuse-overlayfs";
    return m;
  }
  // An executable script in the place of a FUSE program.
  std::string Script(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFile(Path(name), "#!/bin/sh\n" + text, 0755).ok());
    return Path(name);
  }
};

// False for a zombie too: who reaps an orphan, and when, is not ours to say.
bool IsAlive(pid_t pid) {
  const Result<std::string> stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  return stat.ok() && stat->substr(stat->rfind(')') + 2, 1) != "Z";
}

TEST_F(MountFuseTest, MountsAndOwnsTheDaemon) {
  for (const char* dir : {"lower", "upper", "work"}) MakeDir(dir);
  ASSERT_TRUE(WriteFile(Path("lower/f"), "x").ok());
  Result<Mounted> m = Do(Fuse({Path("lower")}, Path("upper"), Path("work")));
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_EQ(*ReadFile(Path("m/f")), "x");
  EXPECT_TRUE(WriteFile(Path("m/g"), "").ok());
  EXPECT_TRUE(Exists(Path("upper/g")));
  EXPECT_THAT(InfoOf(Path("m")).type, testing::StartsWith("fuse"));
  ASSERT_THAT(m->daemon_pids(), SizeIs(1));
  const pid_t daemon = m->daemon_pids()[0];
  EXPECT_TRUE(IsAlive(daemon));
  EXPECT_TRUE(m->Unmount().ok());
  EXPECT_FALSE(IsAlive(daemon));
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

TEST_F(MountFuseTest, OddNames) {
  for (const std::string& odd : OddNames()) {
    for (const char* dir : {"lower1", "lower2", "upper", "work"}) MakeDir(std::string(dir) + "/" + odd);
    ASSERT_TRUE(WriteFile(Path("lower1/" + odd + "/one"), "1").ok());
    ASSERT_TRUE(WriteFile(Path("lower2/" + odd + "/one"), "hidden").ok());
    ASSERT_TRUE(WriteFile(Path("lower2/" + odd + "/two"), "2").ok());
    // fuse-overlayfs resolves its upperdir and then splits it at ':' itself: no spelling gets past that.
    std::string upper = odd;
    std::replace(upper.begin(), upper.end(), ':', ';');
    MakeDir("upper/" + upper);
    const std::vector<std::string> lowers = {Path("lower1/" + odd), Path("lower2/" + odd)};
    Result<Mounted> m = Do(Fuse(lowers, Path("upper/" + upper), Path("work/" + odd)));
    ASSERT_TRUE(m.ok()) << odd << ": " << m.status().ToString();
    EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("one", "two")) << odd;
    EXPECT_EQ(*ReadFile(Path("m/one")), "1");
    EXPECT_TRUE(WriteFile(Path("m/one"), "changed").ok()) << odd;
    const Status s = m->Unmount();
    EXPECT_TRUE(s.ok()) << s.ToString();
    EXPECT_EQ(*ReadFile(Path("upper/" + upper + "/one")), "changed") << odd;
    EXPECT_EQ(*ReadFile(Path("lower1/" + odd + "/one")), "1");
  }
}

TEST_F(MountFuseTest, LayersLongerThanAnArgument) {
  MakeDir(std::string(200, 'x'));
  Result<Mounted> memory = MountAll({{"tmpfs", "t", "", {}}}, Path(std::string(200, 'x')));
  ASSERT_TRUE(memory.ok());
  std::vector<std::string> layers;
  for (int i = 0; i < 500; ++i) {
    const std::string name = std::string(200, 'x') + "/" + std::string(100, 'y') + std::to_string(i);
    MakeDir(name);
    layers.push_back(Path(name));
  }
  ASSERT_TRUE(WriteFile(layers.back() + "/deepest", "x").ok());
  Result<Mounted> m = Do(Fuse(layers));
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  EXPECT_THAT(*ListDir(AT_FDCWD, Path("m")), ElementsAre("deepest"));
  EXPECT_TRUE(m->Unmount().ok());
}

TEST_F(MountFuseTest, SourceMayNameTheProgram) {
  MakeDir("lower");
  const std::string program = *FindProgram("fuse-overlayfs");
  Mount m = Fuse({Path("lower")});
  m.type = "fuse.something";
  m.source = program + "#";
  Result<Mounted> mounted = Do(m);
  EXPECT_TRUE(mounted.ok()) << mounted.status().ToString();
}

TEST_F(MountFuseTest, CommandLineAndEnvironmentOfTheProgram) {
  setenv("LAYERMARK_TEST_WORD", "passed on", 1);
  const std::string program =
      Script("program", "printf '[%s]' \"$@\" \"$LAYERMARK_TEST_WORD\" >&2; exit 3\n");
  const Mount m{"fuse.x", program + "#so urce", "", {"lowerdir=/a,b", "allow_other", "lowerdir=/c", "x=1"}};
  const Status s = Do(m).status();
  unsetenv("LAYERMARK_TEST_WORD");
  EXPECT_THAT(s.ToString(), HasSubstr("exit 3"));
  EXPECT_THAT(s.ToString(), HasSubstr("[-f][-o][lowerdir=/a\\,b:/c][-o][allow_other][-o][x=1][so urce][" +
                                      Path("m") + "][passed on]"));
}

TEST_F(MountFuseTest, FailureOfTheProgramIsQuoted) {
  const Status s = Do(Fuse({Path("absent")})).status();
  EXPECT_THAT(s.ToString(), HasSubstr("fuse-overlayfs"));
  EXPECT_THAT(s.ToString(), HasSubstr("absent"));
  EXPECT_EQ(Do({"fuse.no-such-program", "", "", {}}).status().code(), Code::kNotFound);
  EXPECT_EQ(Do({"fuse.", "", "", {}}).status().code(), Code::kInvalidArgument);
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

// The kernel answers ENOTCONN behind a mount whose daemon was killed.
TEST_F(MountFuseTest, AKilledDaemonStillUnmounts) {
  MakeDir("lower");
  Result<Mounted> m = Do(Fuse({Path("lower")}));
  ASSERT_TRUE(m.ok()) << m.status().ToString();
  const Fd held = Open(Path("m"), O_PATH).value();
  const pid_t daemon = m->daemon_pids()[0];
  ASSERT_EQ(kill(daemon, SIGKILL), 0);
  struct stat st;
  while (stat(Path("m/f").c_str(), &st) == 0 || errno != ENOTCONN) usleep(1000);
  EXPECT_TRUE(m->UnmountLazily().ok());
  EXPECT_FALSE(*IsMountPoint(Path("m")));
  EXPECT_FALSE(IsAlive(daemon));

  Result<Mounted> again = Do(Fuse({Path("lower")}));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  ASSERT_EQ(kill(again->daemon_pids()[0], SIGKILL), 0);
  const Status s = again->Unmount();
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_FALSE(*IsMountPoint(Path("m")));
}

TEST_F(MountFuseTest, TheDaemonDiesWithTheMounter) {
  MakeDir("lower");
  Result<ChildProcess> mounter = ChildProcess::Fork([&](int fd) {
    Result<Mounted> m = Do(Fuse({Path("lower")}));
    if (!m.ok()) return 1;
    if (!WriteAll(fd, std::to_string(m->daemon_pids()[0]) + "\n").ok()) return 2;
    return pause();
  });
  ASSERT_TRUE(mounter.ok());
  while (mounter->output().find('\n') == std::string::npos && mounter->output_fd() >= 0) mounter->Drain();
  const pid_t daemon = std::stoi(mounter->output());
  EXPECT_TRUE(IsAlive(daemon));
  ASSERT_TRUE(mounter->Kill(SIGKILL).ok());
  EXPECT_EQ(mounter->Wait(std::chrono::seconds(60))->signal, SIGKILL);
  while (IsAlive(daemon)) usleep(1000);
  EXPECT_TRUE(UnmountPath(Path("m")).ok());
}

}  // namespace
}  // namespace layermark
