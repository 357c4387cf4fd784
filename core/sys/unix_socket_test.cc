#include "core/sys/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "core/sys/process.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

Fd ListenAt(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(fd.get(), 1), 0);
  return fd;
}

TEST(UnixSocketTest, TellsAListenerFromWhatOneLeft) {
  auto tree = TempTree::Create(::testing::TempDir(), "socket");
  ASSERT_TRUE(tree.ok()) << tree.status().ToString();
  const std::string path = tree->path() + "/s";
  EXPECT_FALSE(*SomebodyListens(path));
  {
    const Fd listener = ListenAt(path);
    EXPECT_TRUE(*SomebodyListens(path));
  }
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_FALSE(*SomebodyListens(path));
  ASSERT_TRUE(WriteFile(tree->path() + "/file", "x").ok());
  EXPECT_EQ(SomebodyListens(tree->path() + "/file").status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(SomebodyListens("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(SomebodyListens("/" + std::string(200, 'x')).status().code(), Code::kInvalidArgument);
}

TEST(UnixSocketTest, ANameIsHeldUntilItsProcessIsKilled) {
  const std::string name = "layermark-test-" + std::to_string(getpid());
  auto child = ChildProcess::Fork([&](int answer_fd) {
    auto held = HoldName(name);
    if (!held.ok() || !*held) return 1;
    if (write(answer_fd, "x", 1) != 1) return 2;
    pause();
    return 0;
  });
  ASSERT_TRUE(child.ok()) << child.status().ToString();
  while (child->output().empty() && child->output_fd() >= 0) {
    usleep(1000);
    child->Drain();
  }
  ASSERT_EQ(child->output(), "x");
  auto taken = HoldName(name);
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  EXPECT_FALSE(taken->has_value());
  ASSERT_TRUE(child->Kill(SIGKILL).ok());
  ASSERT_TRUE(child->Wait(std::chrono::seconds(10)).ok());
  auto free = HoldName(name);
  ASSERT_TRUE(free.ok()) << free.status().ToString();
  EXPECT_TRUE(free->has_value());
}

}  // namespace
}  // namespace layermark
