#include "core/sys/page_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

constexpr int64_t kSize = int64_t{3} << 20;

class PageCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    tree_ = TempTree::Create("/var/tmp", "page_cache_test").value();
    const std::string path = tree_.path() + "/f";
    ASSERT_TRUE(WriteFile(path, std::string(kSize + 1, 'x')).ok());
    fd_ = Open(path, O_RDWR).value();
    ASSERT_EQ(fsync(fd_.get()), 0);
  }
  // Whole pages, the last one for a single byte.
  static int64_t Whole() { return kSize + sysconf(_SC_PAGESIZE); }

  TempTree tree_;
  Fd fd_;
};

TEST_F(PageCacheTest, BothWaysSeeWhatWasWrittenDroppedAndRead) {
  if (const auto probe = CachedBytesByCachestat(fd_.get()); !probe.ok()) {
    ASSERT_EQ(probe.status().code(), Code::kUnimplemented) << probe.status().ToString();
    GTEST_SKIP() << "the kernel has no cachestat";
  }
  EXPECT_EQ(CachedBytesByCachestat(fd_.get()).value(), Whole());
  EXPECT_EQ(CachedBytesByMincore(fd_.get(), kSize + 1).value(), Whole());
  ASSERT_TRUE(DropCache(fd_.get()).ok());
  EXPECT_EQ(CachedBytesByCachestat(fd_.get()).value(), 0);
  EXPECT_EQ(CachedBytesByMincore(fd_.get(), kSize + 1).value(), 0);
  char byte = 0;
  ASSERT_EQ(pread(fd_.get(), &byte, 1, kSize / 2), 1);
  const int64_t some = CachedBytesByCachestat(fd_.get()).value();
  EXPECT_GT(some, 0);
  EXPECT_LT(some, Whole()) << "readahead alone does not take in all of it";
  EXPECT_EQ(CachedBytesByMincore(fd_.get(), kSize + 1).value(), some);
}

TEST_F(PageCacheTest, AnEmptyFileHasNoPages) {
  ASSERT_EQ(ftruncate(fd_.get(), 0), 0);
  EXPECT_EQ(CachedBytesByMincore(fd_.get(), 0).value(), 0);
}

TEST_F(PageCacheTest, SaysWhatFails) {
  EXPECT_EQ(CachedBytesByMincore(-1, 1).status().error_number(), EBADF);
  EXPECT_EQ(DropCache(-1).error_number(), EBADF);
}

}  // namespace
}  // namespace layermark
