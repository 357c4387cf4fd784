#include "core/sys/clone_on_stack.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/sys/fd.h"

// The child's stack lies in the parent's memory; what a sanitizer notes down about it would outlive the
// child.
#define LAYERMARK_CHILD \
  __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

namespace layermark {
namespace {

constexpr size_t kStackBytes = 64 * 1024;

class CloneOnStackTest : public testing::Test {
 protected:
  void SetUp() override {
    stack_ =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    ASSERT_NE(stack_, MAP_FAILED);
  }
  void TearDown() override { munmap(stack_, kStackBytes); }

  int StatusOf(pid_t pid) {
    int raw = 0;
    EXPECT_EQ(waitpid(pid, &raw, 0), pid);
    EXPECT_TRUE(WIFEXITED(raw));
    return WEXITSTATUS(raw);
  }

  void* stack_ = nullptr;
};

LAYERMARK_CHILD int Answer(void* argument) {
  auto* value = static_cast<int*>(argument);
  *value += 1;
  return 7;
}

TEST_F(CloneOnStackTest, SharesMemoryAndHandsOnTheStatus) {
  int value = 41;
  int raw_pidfd = -1;
  const Result<pid_t> pid = CloneOnStack(Answer, &value, stack_, kStackBytes, 0, &raw_pidfd);
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  const Fd pidfd(raw_pidfd);
  EXPECT_TRUE(pidfd.valid());
  EXPECT_EQ(value, 42);  // the call came back only after the child had ended
  EXPECT_EQ(StatusOf(*pid), 7);
}

LAYERMARK_CHILD int FirstOfItsKind(void*) {
  return static_cast<int>(getpid());
}

TEST_F(CloneOnStackTest, MakesNamespaces) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for a PID namespace";
  int raw_pidfd = -1;
  const Result<pid_t> pid =
      CloneOnStack(FirstOfItsKind, nullptr, stack_, kStackBytes, CLONE_NEWPID, &raw_pidfd);
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  const Fd pidfd(raw_pidfd);
  EXPECT_EQ(StatusOf(*pid), 1);
}

TEST_F(CloneOnStackTest, NamesTheErrno) {
  int raw_pidfd = -1;
  // A file system shared with the parent cannot stand in a mount namespace of its own.
  const Result<pid_t> pid =
      CloneOnStack(FirstOfItsKind, nullptr, stack_, kStackBytes, CLONE_NEWNS | CLONE_FS, &raw_pidfd);
  ASSERT_FALSE(pid.ok());
  EXPECT_EQ(pid.status().error_number(), EINVAL);
  EXPECT_EQ(raw_pidfd, -1);
}

}  // namespace
}  // namespace layermark
