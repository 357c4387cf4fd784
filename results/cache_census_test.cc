#include "results/cache_census.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "testing/mount_test_util.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

TEST(CachedBytesByEvents, AddsUpThePagesOfTheDevicesAskedAbout) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  // {tracepoint, process, {device, inode, order}, count}
  const std::vector<TracepointCount> counts = {
      {0, 1, {7, 12, 0}, 10},   // 10 pages came
      {0, 2, {7, 13, 3}, 2},    // 2 folios of 8 pages
      {1, 1, {7, 12, 0}, 3},    // 3 pages went
      {0, 1, {8, 12, 0}, 100},  // another device
      {0, 1, {7, 1, 0}, 100},   // btrfs's tree
  };
  EXPECT_EQ(CachedBytesByEvents(counts, {7}), (10 + 16 - 3) * page);
  EXPECT_EQ(CachedBytesByEvents(counts, {7, 8}), (10 + 16 - 3 + 100) * page);
  EXPECT_EQ(CachedBytesByEvents(counts, {}), 0);
  EXPECT_EQ(CachedBytesByEvents({{4, 1, {7, 2, 0}, 5}, {5, 1, {7, 2, 0}, 1}, {0, 1, {7, 2, 0}, 9}}, {7}, 4),
            4 * page);
}

TEST(ParseFilePages, LeavesOutTmpfs) {
  EXPECT_EQ(ParseFilePages("nr_free_pages 5\nnr_file_pages 100\nnr_shmem 30\n", 4096).value(), 70 * 4096);
  EXPECT_EQ(ParseFilePages("nr_file_pages 100\nnr_shmem 30\n", 1).value(), 70);
  EXPECT_FALSE(ParseFilePages("nr_file_pages 100\n", 4096).ok());
  EXPECT_FALSE(ParseFilePages("nr_file_pages x\nnr_shmem 30\n", 4096).ok());
}

class CacheCensusTest : public PrivateMountsTest, public ::testing::WithParamInterface<const char*> {};

// The real thing: what is dropped is gone, what is read is there, and both ways of counting say the same.
TEST_P(CacheCensusTest, InodesAndEventsAgree) {
  constexpr int64_t kSize = int64_t{4} << 20;
  auto fs = testing::ScratchFileSystem::Create(GetParam(), Path("m"));
  ASSERT_TRUE(fs.ok()) << fs.status().ToString();
  ASSERT_TRUE(MakeDirs(fs->path() + "/d").ok());
  ASSERT_TRUE(WriteFile(fs->path() + "/d/a", std::string(kSize, 'a')).ok());
  ASSERT_TRUE(WriteFile(fs->path() + "/b", std::string(kSize, 'b')).ok());
  ASSERT_EQ(link((fs->path() + "/b").c_str(), (fs->path() + "/again").c_str()), 0);
  auto counter = TracepointCounter::Open(CacheTracepoints());
  ASSERT_TRUE(counter.ok()) << counter.status().ToString();
  ASSERT_TRUE(DropCacheBelow(fs->path()).ok());
  EXPECT_EQ(CachedBytesBelow(fs->path()).value(), 0);

  ASSERT_TRUE(counter->Start().ok());
  ASSERT_TRUE(ReadFile(fs->path() + "/d/a").ok());
  ASSERT_TRUE(ReadFile(fs->path() + "/b").ok());
  const auto counts = counter->Stop();
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(CachedBytesBelow(fs->path()).value(), 2 * kSize);
  const auto device = DeviceOfMount(fs->path() + "/d");
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(CachedBytesByEvents(*counts, {*device}), 2 * kSize);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, CacheCensusTest, ::testing::Values("ext4", "xfs", "btrfs"));

}  // namespace
}  // namespace layermark
