// What is the btrfs driver's own, on a real btrfs.
#include <gtest/gtest.h>

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
