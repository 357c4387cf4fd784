#include "drivers/reflink/extents.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "core/sys/fd.h"
#include "drivers/registry.h"
#include "testing/scratch_file_system.h"

namespace layermark::reflink {
namespace {

constexpr int64_t kFileBytes = 4 << 20;

TEST(RangesTest, CountsEachByteOnce) {
  Ranges ranges;
  EXPECT_EQ(ranges.Add(100, 50), 50u);
  EXPECT_EQ(ranges.Add(100, 50), 0u);
  EXPECT_EQ(ranges.Add(120, 50), 20u);  // 150 to 170 is new
  EXPECT_EQ(ranges.Add(300, 10), 10u);
  EXPECT_EQ(ranges.Add(90, 300), 220u);  // 300 less the 70 and 10 that are there
  EXPECT_EQ(ranges.Add(390, 10), 10u);   // adjacent
  EXPECT_EQ(ranges.Add(0, 1000), 690u);
  EXPECT_EQ(ranges.Add(0, 1000), 0u);
}

const Driver& Subject() {
  return *FindDriver("reflink");
}

std::vector<Extent> ExtentsAt(const std::string& path) {
  Fd fd = Open(path, O_RDONLY).value();
  EXPECT_EQ(fsync(fd.get()), 0);
  auto extents = ExtentsOf(fd.get());
  EXPECT_TRUE(extents.ok()) << extents.status().ToString();
  return extents.ok() ? *extents : std::vector<Extent>();
}

class ReflinkTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Calls `body` with an opened store on a file system of its own.
  static void WithStore(const std::function<void(Snapshotter&)>& body) {
    const Status status = testing::WithPrivateMounts([&] {
      testing::ScratchFileSystem fs =
          testing::ScratchFileSystem::Create(GetParam(), ::testing::TempDir()).value();
      ASSERT_TRUE(MakeDirs(fs.path() + "/store").ok());
      auto store = Subject().Open({}, fs.path() + "/store");
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      body(**store);
    });
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static std::string Directory(const Result<std::vector<Mount>>& mounts) {
    EXPECT_TRUE(mounts.ok()) << mounts.status().ToString();
    return mounts->front().source;
  }
};

TEST_P(ReflinkTest, AChildsFileLiesWhereItsParentsDoes) {
  WithStore([](Snapshotter& store) {
    const std::string base = Directory(store.Prepare("k", ""));
    ASSERT_TRUE(WriteFile(base + "/file", std::string(kFileBytes, 'x')).ok());
    ASSERT_TRUE(store.Commit("base", "k").ok());
    const std::string child = Directory(store.Prepare("child", "base"));
    const std::vector<Extent> below = ExtentsAt(base + "/file");
    const std::vector<Extent> above = ExtentsAt(child + "/file");
    ASSERT_FALSE(below.empty());
    ASSERT_EQ(below.size(), above.size());
    for (size_t i = 0; i < below.size(); ++i) {
      EXPECT_TRUE(below[i].shared) << i;
      EXPECT_TRUE(above[i].placed) << i;
      EXPECT_EQ(below[i].physical, above[i].physical) << i;
    }
    EXPECT_EQ(ReadFile(child + "/file")->size(), size_t{kFileBytes});
  });
}

TEST_P(ReflinkTest, UsageCountsWhatTheParentDoesNotHave) {
  WithStore([](Snapshotter& store) {
    const std::string base = Directory(store.Prepare("k", ""));
    ASSERT_TRUE(WriteFile(base + "/file", std::string(kFileBytes, 'x')).ok());
    ASSERT_TRUE(store.Commit("base", "k").ok());
    const Usage of_base = *store.GetUsage("base");
    EXPECT_GE(of_base.size_bytes, kFileBytes);
    EXPECT_LT(of_base.size_bytes, kFileBytes + (64 << 10));
    const std::string child = Directory(store.Prepare("child", "base"));
    const Usage fresh = *store.GetUsage("child");
    EXPECT_LT(fresh.size_bytes, 64 << 10);
    EXPECT_EQ(fresh.inodes, of_base.inodes);
    // Part of a shared file, written anew, and a second reflink of it.
    constexpr int64_t kOwn = 1 << 20;
    Fd file = Open(child + "/file", O_RDWR).value();
    ASSERT_TRUE(PWriteAll(file.get(), std::string(kOwn, 'y'), kOwn).ok());
    ASSERT_EQ(fsync(file.get()), 0);
    EXPECT_GE(store.GetUsage("child")->size_bytes, fresh.size_bytes + kOwn);
    EXPECT_LT(store.GetUsage("child")->size_bytes, fresh.size_bytes + kOwn + (64 << 10));
    EXPECT_EQ(ReadFile(base + "/file")->find('y'), std::string::npos);
    ASSERT_TRUE(store.Commit("second", "child").ok());
    const int64_t second = store.GetUsage("second")->size_bytes;
    ASSERT_TRUE(store.Prepare("third", "second").ok());
    EXPECT_EQ(store.GetUsage("second")->size_bytes, second);
    EXPECT_LT(store.GetUsage("third")->size_bytes, 64 << 10);
  });
}

INSTANTIATE_TEST_SUITE_P(Backings, ReflinkTest, ::testing::Values("xfs", "btrfs"),
                         [](const auto& backing) { return std::string(backing.param); });

TEST(ReflinkProbeTest, AFileSystemThatSharesNothingIsRefusedByName) {
  const Status status = testing::WithPrivateMounts([] {
    testing::ScratchFileSystem fs = testing::ScratchFileSystem::Create("ext4", ::testing::TempDir()).value();
    ASSERT_TRUE(MakeDirs(fs.path() + "/empty").ok());
    const Status probe = Subject().Probe({}, fs.path() + "/empty");
    EXPECT_EQ(probe.error_number(), EOPNOTSUPP);
    EXPECT_NE(probe.ToString().find("FICLONE"), std::string::npos) << probe.ToString();
    EXPECT_TRUE(ListDir(AT_FDCWD, fs.path() + "/empty")->empty());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace layermark::reflink
