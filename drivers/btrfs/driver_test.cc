// What is the btrfs driver's own, on a real btrfs.
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>

#include "drivers/btrfs/deleted_subvolumes.h"
#include "drivers/btrfs/subvolume.h"
#include "drivers/registry.h"
#include "testing/driver_world.h"

namespace layermark {
namespace {

using layermark::testing::DriverWorld;
using layermark::testing::ScratchFileSystem;

class BtrfsDriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Driver* driver = FindDriver("btrfs");
    ASSERT_NE(driver, nullptr);
    auto world = DriverWorld::Create(*driver, {}, ::testing::TempDir());
    ASSERT_TRUE(world.ok()) << world.status().ToString();
    world_.emplace(std::move(*world));
    ASSERT_TRUE(world_->Open().ok());
  }
  std::string Subvolume(int id) const { return world_->Path("store/snapshots/" + std::to_string(id)); }

  std::optional<DriverWorld> world_;
};

TEST_F(BtrfsDriverTest, ACommittedSubvolumeIsReadOnlyEvenBehindOurBack) {
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "1")).ok());
  EXPECT_EQ(WriteFile(Subvolume(1) + "/f", "2").error_number(), EROFS);
}

TEST_F(BtrfsDriverTest, ACommitThatEndedBeforeItsRecordIsMended) {
  ASSERT_TRUE(world_->store().Prepare("a", "").ok());
  ASSERT_TRUE(btrfs::SetReadOnly(Subvolume(1), true).ok());
  ASSERT_TRUE(world_->Open().ok());
  const Status written = world_->WithMounts(
      world_->store().Mounts("a"), [](const std::string& root) { return WriteFile(root + "/f", "x"); });
  EXPECT_TRUE(written.ok()) << written.ToString();
  EXPECT_TRUE(world_->store().Commit("one", "a").ok());
}

TEST_F(BtrfsDriverTest, ASubvolumeMadeInAContainerGoesWithIt) {
  ASSERT_TRUE(world_->store().Prepare("a", "").ok());
  ASSERT_TRUE(btrfs::CreateSubvolume(Subvolume(1) + "/nested").ok());
  ASSERT_TRUE(world_->store().Remove("a").ok());
  EXPECT_TRUE(ListDir(AT_FDCWD, world_->Path("store/snapshots"))->empty());
}

TEST_F(BtrfsDriverTest, CleanupWaitsUntilTheRoomIsBack) {
  const auto free_bytes = [&] {
    struct statvfs st = {};
    EXPECT_EQ(statvfs(world_->Path("store").c_str(), &st), 0);
    return static_cast<int64_t>(st.f_bfree) * static_cast<int64_t>(st.f_frsize);
  };
  constexpr int64_t kBytes = int64_t{64} << 20;
  ASSERT_TRUE(world_->store().Prepare("a", "").ok());
  ASSERT_TRUE(WriteFile(Subvolume(1) + "/f", std::string(kBytes, 'x')).ok());
  ASSERT_TRUE(btrfs::WaitForDeletedSubvolumes(world_->Path("store"), std::chrono::seconds(1)).ok());
  const Result<Fd> store = Open(world_->Path("store"), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(store.ok());
  ASSERT_EQ(syncfs(store->get()), 0);
  const int64_t full = free_bytes();
  ASSERT_TRUE(world_->store().Remove("a").ok());
  const Status cleaned = world_->store().Cleanup();
  EXPECT_TRUE(cleaned.ok()) << cleaned.ToString();
  EXPECT_GE(free_bytes() - full, kBytes * 9 / 10);
}

TEST_F(BtrfsDriverTest, ASubvolumeThatIsInUseIsNamedWhenItsTimeIsUp) {
  ASSERT_TRUE(btrfs::CreateSubvolume(Subvolume(7)).ok());
  {
    const Result<Fd> held = Open(Subvolume(7), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(held.ok());
    ASSERT_TRUE(btrfs::DeleteSubvolume(Subvolume(7)).ok());
    EXPECT_EQ(btrfs::WaitForDeletedSubvolumes(world_->Path("store"), std::chrono::milliseconds(50)).code(),
              Code::kDeadlineExceeded);
  }
  const Status gone = btrfs::WaitForDeletedSubvolumes(world_->Path("store"), std::chrono::minutes(1));
  EXPECT_TRUE(gone.ok()) << gone.ToString();
}

TEST_F(BtrfsDriverTest, LeftoversAreDeletedWhenTheStoreIsOpened) {
  ASSERT_TRUE(btrfs::CreateSubvolume(Subvolume(7)).ok());
  ASSERT_TRUE(WriteFile(Subvolume(7) + "/f", "x").ok());
  ASSERT_TRUE(world_->Open().ok());
  EXPECT_FALSE(Exists(Subvolume(7)));
}

TEST_F(BtrfsDriverTest, OnAnotherFileSystemTheProbeNamesTheCall) {
  auto other = ScratchFileSystem::Create("ext4", ::testing::TempDir());
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  const Status probe = world_->driver().Probe({}, other->path());
  EXPECT_EQ(probe.error_number(), ENOTTY);
  EXPECT_NE(probe.ToString().find("SUBVOL_CREATE"), std::string::npos) << probe.ToString();
}

}  // namespace
}  // namespace layermark
