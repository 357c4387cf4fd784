// What is overlay's own: what a link farm per layer costs, and a Commit that ended halfway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tree/compare.h"
#include "drivers/overlay/one_lower_mechanism.h"
#include "drivers/registry.h"
#include "drivers/support/snapshot_directory.h"
#include "testing/driver_world.h"

namespace layermark {
namespace {

using layermark::testing::DriverWorld;
using ::testing::HasSubstr;

DriverWorld NewWorld(const std::string& driver) {
  auto world = DriverWorld::Create(*FindDriver(driver), {}, ::testing::TempDir());
  EXPECT_TRUE(world.ok()) << world.status().ToString();
  EXPECT_TRUE(world->Open().ok());
  return std::move(*world);
}

// An image of one base layer with `directories` directories and a file in each, and `layers` layers that
// change one file of one of them. How many inodes each of those layers takes.
int64_t InodesPerLayer(const std::string& driver, int directories, int layers) {
  DriverWorld world = NewWorld(driver);
  Layer base;
  for (int i = 0; i < directories; ++i) {
    const std::string directory = "d" + std::to_string(i);
    base.Dir(directory).File(directory + "/f", "x");
  }
  EXPECT_TRUE(world.AddLayer("l0", "", base).ok());
  const int64_t before = *world.WalkedInodes();
  for (int i = 1; i <= layers; ++i) {
    const Status added = world.AddLayer("l" + std::to_string(i), "l" + std::to_string(i - 1),
                                        Layer().Write("d0/f", 0, std::to_string(i)));
    EXPECT_TRUE(added.ok()) << added.ToString();
  }
  return (*world.WalkedInodes() - before) / layers;
}

TEST(OverlayTest, ALayerTakesAnInodeForEachDirectoryOfTheImage) {
  constexpr int kDirectories = 200;
  // ID, its root, the directories, the changed file.
  EXPECT_EQ(InodesPerLayer("overlay", kDirectories, 5), 1 + 1 + kDirectories + 1);
  // ID, the one directory, the changed file.
  EXPECT_EQ(InodesPerLayer("overlay2", kDirectories, 5), 3);
}

TEST(OverlayTest, TooManyLinksFailTheCommitAndKeepTheSnapshot) {
  constexpr nlink_t kMostNames = 65000;  // of ext4
  DriverWorld world = NewWorld("overlay");
  const Status based =
      world.WithMounts(world.store().Prepare("k", ""), [&](const std::string& root) -> Status {
        LM_TRY(WriteFile(root + "/f", "x"));
        for (nlink_t i = 1; i < kMostNames / 2 + 1; ++i) {
          const std::string name = root + "/" + std::to_string(i);
          if (link((root + "/f").c_str(), name.c_str()) != 0) return Status::Errno("link", name);
        }
        return Status::Ok();
      });
  ASSERT_TRUE(based.ok()) << based.ToString();
  ASSERT_TRUE(world.store().Commit("base", "k").ok());
  ASSERT_TRUE(world
                  .WithMounts(world.store().Prepare("a", "base"),
                              [](const std::string& root) { return WriteFile(root + "/new", "n"); })
                  .ok());
  const Status refused = world.store().Commit("child", "a");
  EXPECT_EQ(refused.error_number(), EMLINK);
  EXPECT_THAT(refused.ToString(), HasSubstr("linkat"));
  // Still active, with its change, and the links are taken back.
  EXPECT_EQ(world.store().Stat("a")->kind, Kind::kActive);
  const Status kept = world.WithMounts(world.store().Mounts("a"), [](const std::string& root) -> Status {
    struct stat st = {};
    if (lstat((root + "/f").c_str(), &st) != 0) return Status::Errno("lstat", "f");
    EXPECT_EQ(st.st_nlink, kMostNames / 2 + 1);
    return Exists(root + "/new") ? Status::Ok() : NotFound("new");
  });
  EXPECT_TRUE(kept.ok()) << kept.ToString();
}

// A Commit ends between Seal and its record: the snapshot is active and goes on, whatever of Seal was done.
TEST(OverlayTest, AnActiveSnapshotThatWasSealedGoesOn) {
  DriverWorld world = NewWorld("overlay");
  OneLowerMechanism mechanism([](const StackSpec& spec) {
    return std::vector<Mount>{{"overlay",
                               "overlay",
                               "",
                               {"lowerdir=" + spec.lowers[0], "upperdir=" + spec.upper,
                                "workdir=" + spec.work, "redirect_dir=nofollow"}}};
  });
  StoredSnapshot base{1, Kind::kActive, world.Path("store/1"), {}, {}};
  ASSERT_TRUE(mechanism.Create(base).ok());
  const Layer first = Layer().Dir("d").File("d/f", "x").File("g", "x").Times("", 0, kDefaultMtimeNs);
  ASSERT_TRUE(DriverWorld::Apply(first, base.directory + "/root").ok());
  ASSERT_TRUE(DriverWorld::Apply(first, world.Path("oracle")).ok());
  ASSERT_TRUE(mechanism.Seal(base).ok());

  StoredSnapshot child{2, Kind::kActive, world.Path("store/2"), {1}, {base.directory}};
  ASSERT_TRUE(mechanism.Create(child).ok());
  int count = 0;
  for (const Layer& step : {Layer().Remove("g").File("h", "h"), Layer().RemoveAll("d").File("g", "again"),
                            Layer().Remove("h").Dir("d", 0700)}) {
    const Status done = world.WithMounts(
        mechanism.Mounts(child), [&](const std::string& root) { return DriverWorld::Apply(step, root); });
    ASSERT_TRUE(done.ok()) << done.ToString();
    ASSERT_TRUE(DriverWorld::Apply(step, world.Path("oracle")).ok());
    if (++count == 2) {
      // As if it had ended before the upper directory went.
      ASSERT_TRUE(MakeDirectory(child.directory + "/root.new", 0755).ok());
    }
    const Status sealed = mechanism.Seal(child);
    ASSERT_TRUE(sealed.ok()) << sealed.ToString();
    ASSERT_TRUE(mechanism.Seal(child).ok());
    const auto differences =
        Compare(*ReadManifest(world.Path("oracle")), *ReadManifest(child.directory + "/root"), {});
    EXPECT_TRUE(differences.empty()) << count << ": " << Describe(differences);
    EXPECT_EQ(ListDir(AT_FDCWD, child.directory)->size(), 1u);
  }
  EXPECT_TRUE(Exists(base.directory + "/root/g"));
  EXPECT_TRUE(mechanism.Destroy(2, child.directory).ok());
}

}  // namespace
}  // namespace layermark
