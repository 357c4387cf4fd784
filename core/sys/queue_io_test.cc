#include "core/sys/queue_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

class QueueIoTest : public testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(testing::TempDir(), "queue");
    ASSERT_TRUE(tree.ok());
    tree_ = std::move(tree).value();
    auto fd = Open(tree_.path() + "/f", O_CREAT | O_RDWR, 0600);
    ASSERT_TRUE(fd.ok());
    fd_ = std::move(fd).value();
    auto queue = QueueIo::Create(4, 4096);
    if (!queue.ok()) {
      const int error = queue.status().error_number();
      ASSERT_TRUE(error == ENOSYS || error == EPERM) << queue.status().ToString();
      GTEST_SKIP() << queue.status().ToString();
    }
    queue_.emplace(std::move(queue).value());
  }

  TempTree tree_;
  Fd fd_;
  std::optional<QueueIo> queue_;
};

TEST_F(QueueIoTest, MoreRequestsThanTheQueueIsDeepAllArrive) {
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i < 37; ++i) offsets.push_back((i * 11 % 37) * 4096);
  ASSERT_TRUE(queue_->Write(fd_.get(), offsets, '\x03').ok());
  uint64_t sum = 0;
  const Status read = queue_->Read(fd_.get(), offsets, &sum);
  ASSERT_TRUE(read.ok()) << read.ToString();
  EXPECT_EQ(sum, 3ULL * 37 * 4096);
  const auto content = ReadFile(tree_.path() + "/f");
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(*content, std::string(size_t{37} * 4096, '\x03'));
}

TEST_F(QueueIoTest, AShortReadIsDataLossAndTheQueueCanBeUsedAgain) {
  ASSERT_TRUE(queue_->Write(fd_.get(), {0}, 'x').ok());
  EXPECT_EQ(queue_->Read(fd_.get(), {0, 4096, 0, 0, 0, 0}).code(), Code::kDataLoss);
  EXPECT_TRUE(queue_->Read(fd_.get(), {0, 0}).ok());
}

TEST_F(QueueIoTest, AnErrorNamesTheOffset) {
  const auto read_only = Open(tree_.path() + "/f", O_RDONLY);
  ASSERT_TRUE(read_only.ok());
  const Status status = queue_->Write(read_only->get(), {8192}, 'x');
  EXPECT_EQ(status.error_number(), EBADF) << status.ToString();
  EXPECT_NE(status.message().find("offset 8192"), std::string::npos) << status.ToString();
}

}  // namespace
}  // namespace layermark
