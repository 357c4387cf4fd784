#include "core/sys/tracepoints.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

using Counts = std::map<uint64_t, int64_t>;  // by system call number

Result<TracepointCounter> SystemCalls() {
  return TracepointCounter::Open({{"raw_syscalls", "sys_enter", {"id"}}});
}

Counts ByNumber(const std::vector<TracepointCount>& rows) {
  Counts out;
  for (const TracepointCount& row : rows) out[row.fields[0]] += row.count;
  return out;
}

TEST(ParseTracepointFormat, ReadsIdAndFields) {
  const auto format = ParseTracepointFormat(
      "name: sys_enter\nID: 443\nformat:\n"
      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
      "\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n"
      "\tfield:const char * dev_name;\toffset:16;\tsize:8;\tsigned:0;\n"
      "\tfield:unsigned long args[6];\toffset:24;\tsize:48;\tsigned:0;\n\n"
      "print fmt: \"NR %ld field:x;\", REC->id\n");
  ASSERT_TRUE(format.ok()) << format.status().ToString();
  EXPECT_EQ(format->id, 443);
  ASSERT_EQ(format->fields.size(), 4u);
  EXPECT_EQ(format->fields[1].name, "id");
  EXPECT_EQ(format->fields[1].offset, 8u);
  EXPECT_TRUE(format->fields[1].is_signed);
  EXPECT_EQ(format->fields[2].name, "dev_name");
  EXPECT_EQ(format->fields[3].name, "args");
}

TEST(ParseTracepointFormat, RefusesWhatIsNone) {
  EXPECT_FALSE(ParseTracepointFormat("").ok());
  EXPECT_FALSE(ParseTracepointFormat("ID: x\n").ok());
  EXPECT_FALSE(ParseTracepointFormat("ID: 99999999\n").ok());
  EXPECT_FALSE(ParseTracepointFormat("ID: 1\n\tfield:int a;\n").ok());
}

TEST(TracepointCounter, CountsNothingOfNothing) {
  auto counter = SystemCalls();
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(counter->Start().ok());
    const auto rows = counter->Stop();
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    EXPECT_EQ(ByNumber(*rows), Counts{});
  }
}

TEST(TracepointCounter, CountsEachSystemCallOnce) {
  auto counter = SystemCalls();
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(counter->Start().ok());
  for (int i = 0; i < 1000; ++i) syscall(SYS_getppid);
  for (int i = 0; i < 7; ++i) syscall(SYS_getuid);
  const auto rows = counter->Stop();
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(ByNumber(*rows), (Counts{{SYS_getppid, 1000}, {SYS_getuid, 7}}));
}

// More than all rings hold at once.
TEST(TracepointCounter, LosesNothingOfMany) {
  auto counter = SystemCalls();
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(counter->Start().ok());
  constexpr int kMany = 400'000;
  for (int i = 0; i < kMany; ++i) syscall(SYS_getppid);
  const auto rows = counter->Stop();
  // On a machine that never lets the reader run it must say so and not answer less.
  if (!rows.ok()) {
    EXPECT_EQ(rows.status().code(), Code::kDataLoss);
    EXPECT_NE(rows.status().message().find("lost"), std::string::npos);
    return;
  }
  EXPECT_EQ(ByNumber(*rows), (Counts{{SYS_getppid, kMany}}));
}

TEST(TracepointCounter, FollowsThreadsAndProcessesStartedAfterIt) {
  auto counter = SystemCalls();
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(counter->Start().ok());
  std::thread thread([] {
    for (int i = 0; i < 11; ++i) syscall(SYS_getppid);
  });
  thread.join();
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 5; ++i) syscall(SYS_getppid);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  const auto rows = counter->Stop();
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  std::map<pid_t, int64_t> by_process;
  for (const TracepointCount& row : *rows) {
    if (row.fields[0] == SYS_getppid) by_process[row.process] += row.count;
  }
  EXPECT_EQ(by_process, (std::map<pid_t, int64_t>{{getpid(), 11}, {child, 5}}));
}

TEST(TracepointCounter, LeavesOutWhoIsNotOfTheTree) {
  std::atomic<bool> stop = false;
  std::thread older([&] {
    while (!stop) syscall(SYS_getppid);
  });
  auto counter = SystemCalls();
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(counter->Start().ok());
  usleep(2000);
  const auto rows = counter->Stop();
  stop = true;
  older.join();
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_FALSE(ByNumber(*rows).contains(SYS_getppid));
}

TEST(TracepointCounter, TellsFurtherFieldsWhereAsked) {
  auto counter =
      TracepointCounter::Open({{"raw_syscalls", "sys_enter", {"id", "args[0]", "args[2]"}, {SYS_lseek}}});
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(counter->Start().ok());
  for (int i = 0; i < 3; ++i) syscall(SYS_lseek, -1L, 0L, SEEK_CUR);
  for (int i = 0; i < 2; ++i) syscall(SYS_lseek, 12345, 0, SEEK_END);
  for (int i = 0; i < 4; ++i) syscall(SYS_dup, 12345 + i);
  const auto rows = counter->Stop();
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  std::map<std::array<uint64_t, 3>, int64_t> seen;
  for (const TracepointCount& row : *rows) seen[row.fields] = row.count;
  const std::map<std::array<uint64_t, 3>, int64_t> expected = {
      {{SYS_lseek, static_cast<uint64_t>(-1L), SEEK_CUR}, 3},
      {{SYS_lseek, 12345, SEEK_END}, 2},
      {{SYS_dup, 0, 0}, 4}};
  EXPECT_EQ(seen, expected);
  const auto beyond = TracepointCounter::Open({{"raw_syscalls", "sys_enter", {"id", "args[6]"}}});
  EXPECT_EQ(beyond.status().code(), Code::kNotFound) << "there are six";
}

TEST(TracepointCounter, LeavesNoDescriptor) {
  const auto open_descriptors = [] {
    const auto names = ListDir(AT_FDCWD, "/proc/self/fd");
    return names.ok() ? names->size() : 0;
  };
  const size_t before = open_descriptors();
  {
    auto counter = SystemCalls();
    ASSERT_TRUE(counter.ok());
    EXPECT_GT(open_descriptors(), before);
    counter->BeginClose();
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(TracepointCounter, NamesATracepointThatTheKernelLacks) {
  const auto counter = TracepointCounter::Open({{"raw_syscalls", "no_such_event", {}}});
  ASSERT_FALSE(counter.ok());
  EXPECT_EQ(counter.status().code(), Code::kNotFound);
  EXPECT_NE(counter.status().ToString().find("no_such_event"), std::string::npos);
  const auto field = TracepointCounter::Open({{"raw_syscalls", "sys_enter", {"no_such_field"}}});
  ASSERT_FALSE(field.ok());
  EXPECT_NE(field.status().ToString().find("no_such_field"), std::string::npos);
}

}  // namespace
}  // namespace layermark
