#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "core/sys/fd.h"
#include "drivers/registry.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

const Driver& Native() {
  return *FindDriver("native");
}

int64_t UsedBytes(const std::string& directory) {
  Fd fd = Open(directory, O_RDONLY | O_DIRECTORY).value();
  struct statvfs fs = {};
  EXPECT_EQ(syncfs(fd.get()), 0);
  EXPECT_EQ(fstatvfs(fd.get(), &fs), 0);
  return static_cast<int64_t>((fs.f_blocks - fs.f_bfree) * fs.f_frsize);
}

class NativeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NativeTest, ProbesAndLeavesNothing) {
  Status status = testing::WithPrivateMounts([] {
    testing::ScratchFileSystem fs =
        testing::ScratchFileSystem::Create(GetParam(), ::testing::TempDir()).value();
    ASSERT_TRUE(MakeDirs(fs.path() + "/empty").ok());
    Status probed = Native().Probe({}, fs.path() + "/empty");
    EXPECT_TRUE(probed.ok()) << probed.ToString();
    EXPECT_TRUE(ListDir(AT_FDCWD, fs.path() + "/empty")->empty());
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

TEST_P(NativeTest, SharesBytesWhereItClaimsTo) {
  Status status = testing::WithPrivateMounts([] {
    constexpr int64_t kFileBytes = 32 << 20;
    testing::ScratchFileSystem fs =
        testing::ScratchFileSystem::Create(GetParam(), ::testing::TempDir()).value();
    ASSERT_TRUE(MakeDirs(fs.path() + "/store").ok());
    auto store = Native().Open({}, fs.path() + "/store");
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    auto base = (*store)->Prepare("making base", "");
    ASSERT_TRUE(base.ok()) << base.status().ToString();
    ASSERT_TRUE(WriteFile(base->front().source + "/file", std::string(kFileBytes, 'x')).ok());
    ASSERT_TRUE((*store)->Commit("base", "making base").ok());
    int64_t before = UsedBytes(fs.path());
    auto child = (*store)->Prepare("child", "base");
    ASSERT_TRUE(child.ok()) << child.status().ToString();
    int64_t grown = UsedBytes(fs.path()) - before;
    if (Native().capabilities({}, GetParam()).Has(Capability::shares_bytes)) {
      EXPECT_LT(grown, kFileBytes / 8);
    } else {
      EXPECT_GE(grown, kFileBytes);
    }
    auto view = (*store)->View("view", "base");
    ASSERT_TRUE(view.ok()) << view.status().ToString();
    EXPECT_EQ(view->front().source, base->front().source);
    EXPECT_LT(UsedBytes(fs.path()) - before, grown + (1 << 20));
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

INSTANTIATE_TEST_SUITE_P(Backings, NativeTest, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& backing) { return std::string(backing.param); });

}  // namespace
}  // namespace layermark
