#include "core/sys/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace layermark {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// True once `pid` is gone or a zombie; waits, because a kill takes effect a little later.
bool Ends(pid_t pid) {
  for (int i = 0; i < 1000; ++i) {
    Result<std::string> stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
    if (!stat.ok() || stat->substr(stat->rfind(')') + 2, 1) == "Z") return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

TEST(RunCommandTest, GivesBothOutputsAndTheStatus) {
  Result<CommandOutput> out = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->status.ToString(), "exit 3");
  EXPECT_EQ(out->standard_output, "out\n");
  EXPECT_EQ(out->standard_error, "err\n");
}

TEST(RunCommandTest, PassesInputDirectoryAndEnvironment) {
  CommandOptions options;
  options.standard_input = std::string(300000, 'i');
  EXPECT_EQ(*RunCommandOk({"cat"}, options), options.standard_input);
  // A child that does not read its input does no harm.
  EXPECT_EQ(*RunCommandOk({"true"}, options), "");
  options.working_directory = "/proc";
  options.environment = {"A=1 2"};
  EXPECT_EQ(*RunCommandOk({"sh", "-c", "pwd; echo \"$A\""}, options), "/proc\n1 2\n");
}

TEST(RunCommandTest, OutputBeyondThePipeBufferArrives) {
  Result<CommandOutput> out =
      RunCommand({"sh", "-c", "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2"});
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->standard_output.size(), 3000000U);
  EXPECT_EQ(out->standard_error.size(), 2000000U);
}

TEST(RunCommandTest, TooMuchOutputIsAnError) {
  CommandOptions options;
  options.max_output_bytes = 1000;
  EXPECT_EQ(RunCommand({"cat", "/dev/zero"}, options).status().code(), Code::kOutOfRange);
}

TEST(RunCommandTest, DeadlineKillsTheWholeGroup) {
  CommandOptions options;
  options.deadline = milliseconds(300);
  Result<CommandOutput> out = RunCommand({"sh", "-c", "sleep 1000 & echo $!; wait"}, options);
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(out->status.timed_out);
  EXPECT_EQ(out->status.ToString(), "timed out");
  EXPECT_TRUE(Ends(std::stoi(out->standard_output)));
}

TEST(RunCommandTest, DoesNotWaitForWhatTheChildLeavesBehind) {
  Result<CommandOutput> out = RunCommand({"sh", "-c", "sleep 1000 & echo $!"});
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(out->status.success());
  const pid_t left = std::stoi(out->standard_output);
  EXPECT_EQ(kill(left, SIGKILL), 0);
  EXPECT_TRUE(Ends(left));
}

TEST(RunCommandTest, NamesWhatCannotBeStarted) {
  EXPECT_EQ(RunCommand({"no-such-program-here"}).status().code(), Code::kNotFound);
  EXPECT_THAT(RunCommand({"no-such-program-here"}).status().ToString(), HasSubstr("no-such-program-here"));
  CommandOptions options;
  options.working_directory = "/absent";
  EXPECT_THAT(RunCommand({"true"}, options).status().ToString(), HasSubstr("chdir /absent: ENOENT"));
  EXPECT_EQ(RunCommand({}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(RunCommand({"echo", std::string(200000, 'a')}).status().error_number(), E2BIG);
}

TEST(RunCommandTest, OkQuotesTheFirstLinesOfStandardError) {
  const Status s =
      RunCommandOk({"sh", "-c", "for i in 1 2 3 4 5 6 7; do echo line$i >&2; done; exit 4"}).status();
  EXPECT_THAT(s.ToString(), HasSubstr("exit 4"));
  EXPECT_THAT(s.ToString(), HasSubstr("line1\nline2\nline3\nline4\nline5"));
  EXPECT_THAT(s.ToString(), ::testing::Not(HasSubstr("line6")));
  EXPECT_THAT(RunCommandOk({"sh", "-c", "kill -SEGV $$"}).status().ToString(),
              HasSubstr("killed by SIGSEGV"));
}

TEST(RunCommandTest, NoDescriptorLeaksAndSignalsAreFresh) {
  const int leaky = open("/dev/null", O_RDONLY);  // no O_CLOEXEC, on purpose
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const std::string fds = *RunCommandOk({"sh", "-c", "cd /proc/self/fd && echo *"});
  const std::string mask = *RunCommandOk({"grep", "SigBlk", "/proc/self/status"});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(leaky);
  EXPECT_THAT(fds, ::testing::StartsWith("0 1 2"));
  EXPECT_LE(fds.size(), std::string("0 1 2 3 10\n").size())
      << fds;  // the shell's own descriptor for the directory
  EXPECT_THAT(mask, HasSubstr("0000000000000000"));
}

TEST(FindProgramTest, LooksAlongPath) {
  ASSERT_TRUE(FindProgram("sh").has_value());
  EXPECT_EQ(FindProgram("/bin/sh"), "/bin/sh");
  EXPECT_FALSE(FindProgram("/etc/passwd").has_value());
  EXPECT_FALSE(FindProgram("").has_value());
}

TEST(ChildProcessTest, ForkGivesTheAnswerAndTheStatus) {
  Result<ChildProcess> child = ChildProcess::Fork([](int fd) {
    const std::string answer(500000, 'a');
    return WriteAll(fd, answer).ok() ? 7 : 1;
  });
  ASSERT_TRUE(child.ok());
  Result<ExitStatus> status = child->Wait(seconds(60));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->code, 7);
  EXPECT_EQ(child->output().size(), 500000U);
  EXPECT_FALSE(child->running());
  EXPECT_EQ(child->Wait(seconds(1)).status().code(), Code::kFailedPrecondition);
}

TEST(ChildProcessTest, BufferedStdioIsWrittenOnce) {
  // A process with its standard output in a file: what it buffered before the fork must not come twice.
  FILE* file = tmpfile();
  fputs("before ", file);
  Result<ChildProcess> child = ChildProcess::Fork([&](int) { return fputs("child ", file) < 0; });
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE(child->Wait(seconds(60))->success());
  fputs("after", file);
  fflush(file);
  rewind(file);
  EXPECT_EQ(*ReadAll(fileno(file)), "before child after");
  fclose(file);
}

TEST(ChildProcessTest, DeadlineAndDestructionKillTheGroup) {
  pid_t grandchild;
  {
    Result<ChildProcess> child = ChildProcess::Spawn({"sh", "-c", "sleep 1000 & echo $!; wait"});
    ASSERT_TRUE(child.ok());
    while (child->output().find('\n') == std::string::npos) child->Drain();
    grandchild = std::stoi(child->output());
    EXPECT_FALSE(child->Poll()->has_value());
  }
  EXPECT_TRUE(Ends(grandchild));
  Result<ChildProcess> hangs = ChildProcess::Fork([](int) { return pause(); });
  Result<ExitStatus> status = hangs->Wait(milliseconds(100));
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->timed_out);
  EXPECT_EQ(status->signal, SIGKILL);
}

TEST(ChildProcessTest, PollSeesTheEnd) {
  Result<ChildProcess> child = ChildProcess::Fork([](int) { return 5; });
  ASSERT_TRUE(child.ok());
  for (;;) {
    Result<std::optional<ExitStatus>> status = child->Poll();
    ASSERT_TRUE(status.ok());
    if (!status->has_value()) {
      std::this_thread::sleep_for(milliseconds(1));
      continue;
    }
    EXPECT_EQ((*status)->code, 5);
    break;
  }
}

TEST(ChildProcessTest, ADaemonThatTalksTooMuchIsNotBlocked) {
  CommandOptions options;
  options.never_block_output = true;
  Result<ChildProcess> child =
      ChildProcess::Spawn({"sh", "-c", "dd if=/dev/zero bs=1M count=4 2>/dev/null; exit 9"}, options);
  ASSERT_TRUE(child.ok());
  // Not drained until the end: nothing but the child's own exit lets this loop finish.
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child->pid()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(child->Wait(seconds(60))->code, 9);
  EXPECT_GT(child->output().size(), 0U);
}

TEST(ChildProcessTest, DiesWithItsParent) {
  Result<ChildProcess> parent = ChildProcess::Fork([](int fd) {
    Result<ChildProcess> child = ChildProcess::Spawn({"sleep", "1000"});
    if (!child.ok() || !WriteAll(fd, std::to_string(child->pid()) + "\n").ok()) return 1;
    return pause();
  });
  ASSERT_TRUE(parent.ok());
  while (parent->output().find('\n') == std::string::npos) parent->Drain();
  const pid_t sleeper = std::stoi(parent->output());
  EXPECT_EQ(kill(sleeper, 0), 0);
  ASSERT_EQ(kill(parent->pid(), SIGKILL), 0);
  EXPECT_EQ(parent->Wait(seconds(60))->signal, SIGKILL);
  EXPECT_TRUE(Ends(sleeper));
}

TEST(RunCommandOk, ProgramThatFindsNoRoomIsResourceExhausted) {
  const auto full = RunCommandOk({"sh", "-c", "LC_ALL=C cp /etc/passwd /dev/full"});
  EXPECT_EQ(full.status().code(), Code::kResourceExhausted) << full.status().ToString();
  EXPECT_NE(full.status().message().find("ENOSPC"), std::string::npos);
  EXPECT_EQ(RunCommandOk({"sh", "-c", "exit 1"}).status().code(), Code::kUnknown);
}

}  // namespace
}  // namespace layermark
