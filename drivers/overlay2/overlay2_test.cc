// What is overlay2's own: its options, its shapes of mounts, and what a mount leaves in the work directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "drivers/registry.h"
#include "testing/driver_world.h"

namespace layermark {
namespace {

using layermark::testing::DriverWorld;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

class Overlay2Test : public ::testing::Test {
 protected:
  void Start(const DriverOptions& options) {
    const Driver* driver = FindDriver("overlay2");
    ASSERT_NE(driver, nullptr);
    auto world = DriverWorld::Create(*driver, options, ::testing::TempDir());
    ASSERT_TRUE(world.ok()) << world.status().ToString();
    world_.emplace(std::move(*world));
  }
  void StartAndOpen(const DriverOptions& options) {
    Start(options);
    const Status probe = world_->Probe();
    ASSERT_TRUE(probe.ok()) << probe.ToString();
    ASSERT_TRUE(world_->Open().ok());
  }
  Snapshotter& store() { return world_->store(); }
  std::string Fs(int id) const { return world_->Path("store/snapshots/" + std::to_string(id)); }

  std::optional<DriverWorld> world_;
};

TEST_F(Overlay2Test, MountsHaveTheShapeThatTheirLayersNeed) {
  StartAndOpen({{"index", "on"}, {"volatile", "on"}});
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "1")).ok());
  ASSERT_TRUE(world_->AddLayer("two", "one", Layer().File("g", "2")).ok());
  EXPECT_THAT(*store().Prepare("p0", ""), ElementsAre(Mount{"bind", Fs(3), "", {"rw", "rbind"}}));
  EXPECT_THAT(*store().View("v0", ""), ElementsAre(Mount{"bind", Fs(4), "", {"ro", "rbind"}}));
  EXPECT_THAT(*store().View("v1", "one"), ElementsAre(Mount{"bind", Fs(1), "", {"ro", "rbind"}}));
  EXPECT_THAT(*store().View("v2", "two"),
              ElementsAre(Mount{
                  "overlay", "overlay", "", {"lowerdir=" + Fs(2), "lowerdir=" + Fs(1), "ro", "index=on"}}));
  const std::string work = Fs(7) + ".work";
  EXPECT_THAT(*store().Prepare("p2", "two"),
              ElementsAre(Mount{"overlay",
                                "overlay",
                                "",
                                {"lowerdir=" + Fs(2), "lowerdir=" + Fs(1), "upperdir=" + Fs(7),
                                 "workdir=" + work, "index=on", "volatile"}}));
}

// Every option by itself: layers are made, changed, and shown again by an active snapshot and by a view.
TEST_F(Overlay2Test, EveryOptionMountsAndKeepsContent) {
  const std::vector<DriverOptions> sets = {
      {{"metacopy", "on"}},
      {{"metacopy", "off"}},
      {{"redirect_dir", "on"}},
      {{"redirect_dir", "off"}},
      {{"redirect_dir", "follow"}},
      {{"redirect_dir", "nofollow"}},
      {{"index", "on"}},
      {{"index", "off"}},
      {{"xino", "on"}},
      {{"xino", "off"}},
      {{"xino", "auto"}},
      {{"volatile", "on"}},
      {{"volatile", "off"}},
      {{"userxattr", "on"}},
      {{"userxattr", "off"}},
      {{"nfs_export", "on"}, {"index", "on"}},
      {{"nfs_export", "off"}},
      {{"metacopy", "on"}, {"redirect_dir", "on"}, {"index", "on"}, {"xino", "on"}},
  };
  for (const DriverOptions& options : sets) {
    SCOPED_TRACE(options.begin()->first + "=" + options.begin()->second);
    StartAndOpen(options);
    ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "old").Dir("d").File("d/x", "x")).ok());
    ASSERT_TRUE(
        world_->AddLayer("two", "one", Layer().Write("f", 0, "new").Remove("d/x").Chmod("d", 0700)).ok());
    for (bool view : {true, false}) {
      auto shown = world_->Show(view ? store().View("v", "two") : store().Prepare("a", "two"));
      ASSERT_TRUE(shown.ok()) << shown.status().ToString();
      EXPECT_EQ(shown->entries.at("f").digest, Sha256("new"));
      EXPECT_EQ(shown->entries.at("d").permissions, 0700u);
      EXPECT_FALSE(shown->entries.contains("d/x"));
    }
    world_.reset();
  }
}

TEST_F(Overlay2Test, OptionsThatContradictEachOtherFailTheProbe) {
  Start({{"metacopy", "on"}, {"redirect_dir", "off"}});
  const Status probe = world_->Probe();
  EXPECT_EQ(probe.error_number(), EINVAL) << probe.ToString();
  EXPECT_TRUE(ListDir(AT_FDCWD, world_->Path("probe"))->empty());
}

TEST_F(Overlay2Test, AVolatileSnapshotMountsAgainAfterMounts) {
  StartAndOpen({{"volatile", "on"}});
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "1")).ok());
  const auto write = [](const std::string& root) { return WriteFile(root + "/g", "2"); };
  auto mounts = store().Prepare("a", "one");
  ASSERT_TRUE(world_->WithMounts(mounts, write).ok());
  EXPECT_EQ(world_->WithMounts(mounts, write).error_number(), EINVAL)
      << "the kernel forgot about volatile mounts";
  const Status again = world_->WithMounts(store().Mounts("a"), write);
  EXPECT_TRUE(again.ok()) << again.ToString();
}

TEST_F(Overlay2Test, MetacopyCopiesNoDataAndItsLayersAreWhole) {
  StartAndOpen({{"metacopy", "on"}});
  const std::string content(1 << 20, 'x');
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", content)).ok());
  ASSERT_TRUE(world_->AddLayer("two", "one", Layer().Chmod("f", 0600)).ok());
  struct stat upper = {};
  ASSERT_EQ(stat((Fs(2) + "/f").c_str(), &upper), 0);
  EXPECT_LT(upper.st_blocks * 512, 1 << 16);
  for (bool view : {true, false}) {
    auto shown = world_->Show(view ? store().View("v", "two") : store().Prepare("a", "two"));
    ASSERT_TRUE(shown.ok()) << shown.status().ToString();
    EXPECT_EQ(shown->entries.at("f").digest, Sha256(content));
    EXPECT_EQ(shown->entries.at("f").permissions, 0600u);
  }
}

TEST_F(Overlay2Test, ARedirectedDirectoryIsFoundByTheNextLayer) {
  StartAndOpen({{"redirect_dir", "on"}});
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().Dir("d").File("d/x", "x")).ok());
  ASSERT_TRUE(world_->AddLayer("two", "one", Layer().Rename("d", "moved")).ok());
  for (bool view : {true, false}) {
    auto shown = world_->Show(view ? store().View("v", "two") : store().Prepare("a", "two"));
    ASSERT_TRUE(shown.ok()) << shown.status().ToString();
    EXPECT_TRUE(shown->entries.contains("moved/x"));
    EXPECT_FALSE(shown->entries.contains("d"));
  }
}

TEST_F(Overlay2Test, CommitTakesTheWorkDirectoryAwayAndACrashInBetweenIsMended) {
  StartAndOpen({});
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "1")).ok());
  ASSERT_TRUE(world_->AddLayer("two", "one", Layer().File("g", "2")).ok());
  EXPECT_THAT(*ListDir(AT_FDCWD, world_->Path("store/snapshots")), ElementsAre("1", "2"));
  ASSERT_TRUE(store().Prepare("a", "two").ok());
  // As Commit leaves it when the process dies before the record changes.
  ASSERT_TRUE(RemoveTree(Fs(3) + ".work").ok());
  const Status mounted = world_->WithMounts(
      store().Mounts("a"), [](const std::string& root) { return WriteFile(root + "/h", "3"); });
  EXPECT_TRUE(mounted.ok()) << mounted.ToString();
}

TEST_F(Overlay2Test, TheUnionsOwnAttributesAreNotInherited) {
  StartAndOpen({});
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().SetXattr("", "user.mine", "yes")).ok());
  ASSERT_TRUE(SetXattrAt(AT_FDCWD, Fs(1), "trusted.overlay.opaque", "y").ok());
  ASSERT_TRUE(store().Prepare("a", "one").ok());
  auto xattrs = ListXattrsAt(AT_FDCWD, Fs(2));
  ASSERT_TRUE(xattrs.ok());
  EXPECT_THAT(*xattrs, Contains(Xattr{"user.mine", "yes"}));
  EXPECT_THAT(*xattrs, Not(Contains(Xattr{"trusted.overlay.opaque", "y"})));
}

TEST_F(Overlay2Test, ARebasedLayerLiesOnItsNewParent) {
  StartAndOpen({});
  ASSERT_TRUE(world_->AddLayer("base", "", Layer().File("f", "1")).ok());
  ASSERT_TRUE(world_
                  ->WithMounts(store().Prepare("a", ""),
                               [](const std::string& root) { return WriteFile(root + "/g", "2"); })
                  .ok());
  ASSERT_TRUE(store().Commit("top", "a", {}, "base").ok());
  auto shown = world_->Show(store().View("v", "top"));
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_TRUE(shown->entries.contains("f"));
  EXPECT_TRUE(shown->entries.contains("g"));
}

TEST_F(Overlay2Test, CapabilitiesFollowTheOptions) {
  const Driver* driver = FindDriver("overlay2");
  ASSERT_NE(driver, nullptr);
  const auto claims = [&](const DriverOptions& options, Capability capability) {
    return driver->capabilities(options, "ext4").Has(capability);
  };
  EXPECT_TRUE(claims({{"index", "on"}}, Capability::link_across_copy_up));
  EXPECT_FALSE(claims({{"index", "off"}}, Capability::link_across_copy_up));
  EXPECT_TRUE(claims({{"redirect_dir", "on"}}, Capability::rename_dir));
  EXPECT_FALSE(claims({{"redirect_dir", "off"}}, Capability::rename_dir));
  EXPECT_TRUE(claims({{"metacopy", "on"}}, Capability::rename_dir));
  EXPECT_FALSE(claims({}, Capability::reflink));
  EXPECT_TRUE(driver->capabilities({}, "xfs").Has(Capability::reflink));
}

}  // namespace
}  // namespace layermark
