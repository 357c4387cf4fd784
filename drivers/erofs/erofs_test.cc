// What is erofs's own: images that are damaged, a Commit that ended halfway, bytes kept apart from names.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tree/compare.h"
#include "drivers/erofs/erofs_mechanism.h"
#include "drivers/registry.h"
#include "testing/driver_world.h"

namespace layermark::erofs {
namespace {

using layermark::testing::DriverWorld;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const Driver& Subject() {
  return *FindDriver("erofs");
}

class ErofsTest : public ::testing::Test {
 protected:
  // False where the machine lacks what the driver needs; then the test is skipped.
  bool Start(const DriverOptions& options) {
    auto world = DriverWorld::Create(Subject(), options, ::testing::TempDir());
    EXPECT_TRUE(world.ok()) << world.status().ToString();
    world_.emplace(std::move(*world));
    const Status probe = world_->Probe();
    if (probe.code() == Code::kNotFound || probe.error_number() == ENODEV) return false;
    EXPECT_TRUE(probe.ok()) << probe.ToString();
    EXPECT_TRUE(world_->Open().ok());
    return true;
  }
  Snapshotter& store() { return world_->store(); }
  // The directory of the first committed snapshot.
  std::string Stored(int id) const { return world_->Path("store/snapshots/" + std::to_string(id)); }
  void ExpectLikeOracle(const std::string& directory) {
    CompareOptions options;
    options.hole_tolerance_bytes = -1;  // mkfs.erofs 1.5 keeps no holes
    const auto differences =
        Compare(*ReadManifest(world_->Path("oracle")), *ReadManifest(directory), options);
    EXPECT_TRUE(differences.empty()) << Describe(differences);
  }

  std::optional<DriverWorld> world_;
};

Layer Base() {
  Layer base = Layer().Times("", 0, kDefaultMtimeNs);
  base.Dir("d", 0750).File("d/f", std::string(100000, 'f'), 04755).Link("d/g", "d/f").Symlink("s", "d/f");
  base.File("same", std::string(50000, 's')).File("empty", "").Fifo("p").SetXattr("d/f", "user.k", "v");
  return base.Chown("d/f", 1000, 1001).Chmod("d/f", 04755);
}

TEST_F(ErofsTest, AChangedByteIsFoundBeforeTheImageIsMounted) {
  if (!Start({})) GTEST_SKIP() << "no erofs here";
  ASSERT_TRUE(world_->AddLayer("base", "", Base()).ok());
  const std::string image = Stored(1) + "/layer.erofs";
  {
    Fd file = Open(image, O_RDWR).value();
    char byte = 0;
    ASSERT_EQ(pread(file.get(), &byte, 1, 5000), 1);
    ASSERT_TRUE(PWriteAll(file.get(), std::string(1, static_cast<char>(~byte)), 5000).ok());
  }
  ASSERT_TRUE(world_->Open().ok());  // a store opened anew trusts nothing
  for (const auto& refused : {store().View("v", "base"), store().Prepare("a", "base")}) {
    EXPECT_EQ(refused.status().code(), Code::kDataLoss) << refused.status().ToString();
    EXPECT_THAT(refused.status().ToString(), HasSubstr(image));
  }
  EXPECT_EQ(store().Stat("v").status().code(), Code::kNotFound);
}

TEST_F(ErofsTest, AnImageThatWasCutShortIsFoundAndOffVerifiesNothing) {
  for (const char* verify : {"always", "off"}) {
    if (!Start({{"verify", verify}})) GTEST_SKIP() << "no erofs here";
    ASSERT_TRUE(world_->AddLayer("base", "", Base()).ok());
    ASSERT_EQ(truncate((Stored(1) + "/layer.erofs").c_str(), 8192), 0);
    const auto view = store().View("v", "base");
    EXPECT_EQ(view.ok(), std::string(verify) == "off") << view.status().ToString();
  }
}

TEST_F(ErofsTest, CompressionMakesImagesSmaller) {
  int64_t bytes[2] = {0, 0};
  for (const bool compressed : {false, true}) {
    if (!Start({{"compression", compressed ? "lz4hc,9" : "none"}})) GTEST_SKIP() << "no erofs here";
    ASSERT_TRUE(world_->AddLayer("base", "", Base()).ok());
    ASSERT_TRUE(DriverWorld::Apply(Base(), world_->Path("oracle")).ok());
    bytes[compressed] = store().GetUsage("base")->size_bytes;
    EXPECT_TRUE(world_
                    ->WithMounts(store().View("v", "base"),
                                 [&](const std::string& root) {
                                   ExpectLikeOracle(root);
                                   return Status::Ok();
                                 })
                    .ok());
  }
  EXPECT_LT(bytes[1], bytes[0] / 2);
}

TEST_F(ErofsTest, AnUnknownCompressionFailsTheProbe) {
  auto world = DriverWorld::Create(Subject(), {{"compression", "nosuch"}}, ::testing::TempDir());
  ASSERT_TRUE(world.ok()) << world.status().ToString();
  EXPECT_FALSE(world->Probe().ok());
  EXPECT_TRUE(ListDir(AT_FDCWD, world->Path("probe"))->empty());
}

// Images mount through loop devices as well, and none of those is left.
TEST_F(ErofsTest, ALoopDeviceGoesWithItsMount) {
  if (!Start({{"loop", "on"}})) GTEST_SKIP() << "no erofs here";
  ASSERT_TRUE(world_->AddLayer("base", "", Base()).ok());
  ASSERT_TRUE(world_->AddLayer("next", "base", Layer().File("new", "n")).ok());
  auto mounted = MountAll(*store().View("v", "next"), world_->Path("target"));
  ASSERT_TRUE(mounted.ok()) << mounted.status().ToString();
  EXPECT_TRUE(Exists(world_->Path("target/new")));
  EXPECT_TRUE(mounted->Unmount().ok());
  const std::vector<MountInfo> left = *ReadMountInfo();
  for (const MountInfo& info : left) EXPECT_NE(info.type, "erofs") << info.mount_point;
}

class SealedTest : public ErofsTest, public ::testing::WithParamInterface<bool> {};

// A Commit ends between Seal and its record: the snapshot is active and goes on with all that it had.
TEST_P(SealedTest, AnActiveSnapshotThatWasSealedGoesOn) {
  Style style;
  style.content_apart = GetParam();
  if (style.content_apart) style.image = {"lz4", "", true};
  if (!Start(GetParam() ? DriverOptions{{"form", "composefs"}} : DriverOptions{})) GTEST_SKIP() << "no erofs";
  ErofsMechanism mechanism(world_->Path("store"), style);
  const auto change = [&](const StoredSnapshot& snapshot, const Layer& layer) {
    const Status done = world_->WithMounts(
        mechanism.Mounts(snapshot), [&](const std::string& root) { return DriverWorld::Apply(layer, root); });
    ASSERT_TRUE(done.ok()) << done.ToString();
    ASSERT_TRUE(DriverWorld::Apply(layer, world_->Path("oracle")).ok());
  };
  const StoredSnapshot base{1, Kind::kActive, world_->Path("store/1"), {}, {}};
  ASSERT_TRUE(mechanism.Create(base).ok());
  change(base, Base());
  const Status sealed = mechanism.Seal(base);
  ASSERT_TRUE(sealed.ok()) << sealed.ToString();
  ASSERT_TRUE(mechanism.Seal(base).ok());
  change(base, Layer().File("later", "l"));
  ASSERT_TRUE(mechanism.Seal(base).ok());

  const StoredSnapshot child{2, Kind::kActive, world_->Path("store/2"), {1}, {base.directory}};
  ASSERT_TRUE(mechanism.Create(child).ok());
  change(child, Layer().Write("same", 0, "changed").Remove("s").Chmod("later", 0600));
  ASSERT_TRUE(mechanism.Seal(child).ok());
  change(child, Layer().File("s", "again").RemoveAll("d").Dir("d", 0700));
  ASSERT_TRUE(mechanism.Seal(child).ok());
  const StoredSnapshot view{
      3, Kind::kView, world_->Path("store/3"), {2, 1}, {child.directory, base.directory}};
  const Status seen = world_->WithMounts(mechanism.Mounts(view), [&](const std::string& root) {
    ExpectLikeOracle(root);
    return Status::Ok();
  });
  EXPECT_TRUE(seen.ok()) << seen.ToString();
}

INSTANTIATE_TEST_SUITE_P(Forms, SealedTest, ::testing::Bool(),
                         [](const auto& form) { return form.param ? "Composefs" : "Image"; });

// Overlayfs takes 500 layers. One image, mounted anew for each.
TEST_F(ErofsTest, FiveHundredImagesMountAndOneMoreIsRefusedWithTheReason) {
  if (!Start({})) GTEST_SKIP() << "no erofs here";
  if (!Subject().capabilities({}, "ext4").Has(Capability::layers_500)) GTEST_SKIP() << "needs Linux 6.12";
  ErofsMechanism mechanism(world_->Path("store"), {});
  const StoredSnapshot base{1, Kind::kActive, world_->Path("store/1"), {}, {}};
  ASSERT_TRUE(mechanism.Create(base).ok());
  ASSERT_TRUE(DriverWorld::Apply(Base(), base.directory + "/fs").ok());
  ASSERT_TRUE(mechanism.Seal(base).ok());
  const auto view = [&](size_t layers) {
    const StoredSnapshot snapshot{2, Kind::kView, world_->Path("store/2"), std::vector<int64_t>(layers, 1),
                                  std::vector<std::string>(layers, base.directory)};
    return world_->WithMounts(mechanism.Mounts(snapshot), [](const std::string& root) {
      return Exists(root + "/d/f") ? Status::Ok() : NotFound("d/f");
    });
  };
  const Status seen = view(500);
  EXPECT_TRUE(seen.ok()) << seen.ToString();
  const Status refused = view(501);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.ToString(), HasSubstr("500"));
  const std::vector<MountInfo> left = *ReadMountInfo();
  for (const MountInfo& info : left) EXPECT_NE(info.type, "erofs") << info.mount_point;
}

TEST_F(ErofsTest, ComposefsKeepsEachContentOnceAndAsLongAsItIsNeeded) {
  if (!Start({{"form", "composefs"}})) GTEST_SKIP() << "no erofs here";
  const std::string objects = world_->Path("store/objects");
  ASSERT_TRUE(world_->AddLayer("base", "", Base()).ok());
  EXPECT_THAT(*ListDir(AT_FDCWD, objects), SizeIs(2));  // d/f and same
  ASSERT_TRUE(world_->AddLayer("other", "", Layer().File("copy", std::string(50000, 's'))).ok());
  EXPECT_THAT(*ListDir(AT_FDCWD, objects), SizeIs(2));
  // A file without its bytes in the image: the whole image is smaller than one of them.
  struct stat st = {};
  ASSERT_EQ(stat((Stored(1) + "/layer.erofs").c_str(), &st), 0);
  EXPECT_LT(st.st_size, 50000);
  ASSERT_TRUE(store().Remove("base").ok());
  EXPECT_THAT(*ListDir(AT_FDCWD, objects), SizeIs(1));
  const Status shown = world_->WithMounts(store().View("v", "other"), [](const std::string& root) -> Status {
    LM_ASSIGN(const std::string copy, ReadFile(root + "/copy"));
    return copy == std::string(50000, 's') ? Status::Ok() : DataLoss("copy");
  });
  EXPECT_TRUE(shown.ok()) << shown.ToString();
  ASSERT_TRUE(store().Remove("v").ok());
  ASSERT_TRUE(store().Remove("other").ok());
  EXPECT_THAT(*ListDir(AT_FDCWD, objects), SizeIs(0));
}

TEST_F(ErofsTest, ComposefsFindsAnObjectThatChanged) {
  if (!Start({{"form", "composefs"}})) GTEST_SKIP() << "no erofs here";
  ASSERT_TRUE(world_->AddLayer("base", "", Layer().File("f", std::string(50000, 's'))).ok());
  const std::string object =
      world_->Path("store/objects/") + ListDir(AT_FDCWD, world_->Path("store/objects"))->at(0);
  Fd file = Open(object, O_RDWR).value();
  ASSERT_TRUE(PWriteAll(file.get(), "X", 40000).ok());
  ASSERT_TRUE(world_->Open().ok());
  const auto view = store().View("v", "base");
  EXPECT_EQ(view.status().code(), Code::kDataLoss) << view.status().ToString();
}

}  // namespace
}  // namespace layermark::erofs
