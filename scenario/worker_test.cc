#include "scenario/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

using std::chrono::milliseconds;

bool Privileged() {
  return geteuid() == 0;
}

std::map<size_t, WorkerAnswer> RunJobs(std::vector<WorkerJob> jobs, int parallel) {
  std::map<size_t, WorkerAnswer> answers;
  Status status = RunWorkers(std::move(jobs), parallel, [&](const WorkerAnswer& answer) {
    answers[answer.index] = answer;
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return answers;
}

// A page that the test and all its descendants see.
struct SharedPage {
  SharedPage() {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    value = static_cast<volatile int*>(page);
  }
  ~SharedPage() { munmap(const_cast<int*>(value), 4096); }
  volatile int* value;
};

TEST(WorkerTest, AnswersEveryJobWithItsOwnText) {
  std::vector<WorkerJob> jobs;
  for (int i = 0; i < 7; ++i) jobs.push_back({[i] { return "job " + std::to_string(i); }});
  auto answers = RunJobs(std::move(jobs), 3);
  ASSERT_EQ(answers.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(answers[i].text, "job " + std::to_string(i));
    EXPECT_TRUE(answers[i].status.success());
  }
}

TEST(WorkerTest, CarriesAnAnswerLargerThanAnyPipe) {
  std::string big(size_t{9} << 20, 'x');
  big += "end";
  auto answers = RunJobs({{[&] { return big; }}}, 1);
  EXPECT_EQ(answers[0].text, big);
}

TEST(WorkerTest, ReportsHowAWorkerDied) {
  auto answers = RunJobs({{[]() -> std::string { abort(); }},
                          {[]() -> std::string { _exit(3); }},
                          {[]() -> std::string {
                            raise(SIGSEGV);
                            return "still here";
                          }},
                          {[] { return std::string("fine"); }}},
                         2);
  EXPECT_EQ(answers[0].status.signal, SIGABRT);
  EXPECT_EQ(answers[1].status.code, 3);
  EXPECT_EQ(answers[2].status.signal, SIGSEGV);
  EXPECT_EQ(answers[2].text, "");
  EXPECT_EQ(answers[3].text, "fine");
}

TEST(WorkerTest, KillsAWorkerPastItsDeadlineAndGoesOn) {
  auto answers = RunJobs({{[]() -> std::string {
                             for (;;) pause();
                           },
                           milliseconds(100)},
                          {[] { return std::string("next"); }}},
                         1);
  EXPECT_TRUE(answers[0].status.timed_out);
  EXPECT_FALSE(answers[0].status.success());
  EXPECT_EQ(answers[1].text, "next");
}

// A grandchild in a session of its own, as a FUSE daemon is, counts on until it is killed.
void StartDaemon(volatile int* counter) {
  if (fork() != 0) return;
  setsid();
  if (fork() != 0) _exit(0);
  for (;;) {
    *counter = *counter + 1;
    usleep(1000);
  }
}

void ExpectStopped(volatile int* counter) {
  int seen = *counter;
  EXPECT_GT(seen, 0);
  usleep(30000);
  EXPECT_EQ(*counter, seen) << "a process of a finished worker still runs";
}

TEST(WorkerTest, KillsWhatAHangingWorkerStarted) {
  SharedPage page;
  auto answers = RunJobs({{[&]() -> std::string {
                             StartDaemon(page.value);
                             for (;;) pause();
                           },
                           milliseconds(200)}},
                         1);
  EXPECT_TRUE(answers[0].status.timed_out);
  ExpectStopped(page.value);
}

TEST(WorkerTest, KillsWhatAFinishedWorkerLeft) {
  SharedPage page;
  auto answers = RunJobs({{[&] {
                           StartDaemon(page.value);
                           while (*page.value == 0) usleep(1000);
                           return std::string("done");
                         }}},
                         1);
  EXPECT_EQ(answers[0].text, "done");
  ExpectStopped(page.value);
}

TEST(WorkerTest, WithoutPrivilegeStillKillsWhatAWorkerStarted) {
  if (!Privileged()) GTEST_SKIP() << "runs unprivileged already: the other tests cover it";
  SharedPage page;
  // The outer worker gives up its privileges, so that the inner one cannot make namespaces.
  auto answers = RunJobs({{[&]() -> std::string {
                           if (setgid(65534) != 0 || setuid(65534) != 0) return "setuid failed";
                           std::string seen;
                           Status status =
                               RunWorkers({{[&]() -> std::string {
                                              StartDaemon(page.value);
                                              for (;;) pause();
                                            },
                                            milliseconds(200)},
                                           {[] { return std::string("b"); }}},
                                          1, [&](const WorkerAnswer& answer) {
                                            seen += answer.status.timed_out ? "timeout " : answer.text;
                                            return true;
                                          });
                           int before = *page.value;
                           usleep(30000);
                           return seen + (*page.value == before && before > 0 ? " stopped" : " RUNS") +
                                  (status.ok() ? "" : status.ToString());
                         }}},
                         1);
  EXPECT_EQ(answers[0].text, "timeout b stopped");
}

TEST(WorkerTest, MountsOfAWorkerVanishWithIt) {
  if (!Privileged()) GTEST_SKIP() << "mounting needs root";
  TempTree tree = TempTree::Create(::testing::TempDir(), "worker_test").value();
  const std::string path = tree.path();
  auto answers = RunJobs({{[path]() -> std::string {
                           Status status = MountFilesystem("tmpfs", "t", path, {});
                           if (!status.ok()) return status.ToString();
                           status = WriteFile(path + "/inside", "x");
                           return status.ok() ? "mounted" : status.ToString();
                         }}},
                         1);
  EXPECT_EQ(answers[0].text, "mounted");
  EXPECT_FALSE(Exists(path + "/inside"));
  Result<bool> mounted = IsMountPoint(path);
  ASSERT_TRUE(mounted.ok());
  EXPECT_FALSE(*mounted);
  EXPECT_TRUE(tree.Remove().ok());
}

TEST(WorkerTest, ProcShowsTheWorkerItself) {
  auto answers = RunJobs({{[] {
                           Result<std::string> self = ReadLinkAt(AT_FDCWD, "/proc/self");
                           return self.ok() && *self == std::to_string(getpid()) ? "same" : "other";
                         }}},
                         1);
  EXPECT_EQ(answers[0].text, "same");
}

TEST(WorkerTest, StopsWhenToldTo) {
  SharedPage page;
  int calls = 0;
  std::vector<WorkerJob> jobs;
  for (int i = 0; i < 5; ++i) {
    jobs.push_back({[&] {
      *page.value = *page.value + 1;
      return std::string();
    }});
  }
  Status status = RunWorkers(std::move(jobs), 1, [&](const WorkerAnswer&) { return ++calls < 2; });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(*page.value, 2);
}

TEST(WorkerTest, AnInterruptEndsTheRunningWorkers) {
  // In a worker of its own, because the flag stays set for the rest of the process.
  auto answers = RunJobs({{[]() -> std::string {
                           InstallInterruptHandler();
                           if (Interrupted()) return "early";
                           pid_t self = getpid();
                           if (fork() == 0) {
                             usleep(50000);
                             kill(self, SIGINT);
                             _exit(0);
                           }
                           int calls = 0;
                           Status status = RunWorkers({{[]() -> std::string {
                                                         for (;;) pause();
                                                       }},
                                                       {[] { return std::string("never"); }}},
                                                      1, [&](const WorkerAnswer&) {
                                                        ++calls;
                                                        return true;
                                                      });
                           return std::string(CodeName(status.code())) + " " + std::to_string(calls);
                         }}},
                         1);
  EXPECT_EQ(answers[0].text, "CANCELLED 0");
}

}  // namespace
}  // namespace layermark
