// One life for every driver that can run here: layers are made, stacked, shown, counted and removed on a
// fresh file system, and compared with an ordinary directory to which the same steps were done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/tree/compare.h"
#include "drivers/registry.h"
#include "testing/driver_world.h"

namespace layermark {
namespace {

using layermark::testing::DriverWorld;
using ::testing::IsEmpty;

// The machine cannot: no such program, no such file system. Anything else that a probe says is a failure.
bool MachineLacksIt(const Status& probe) {
  return probe.code() == Code::kNotFound || probe.error_number() == ENODEV;
}

// The root of a new snapshot has the time it was made, so a comparison starts with setting it.
Layer Empty() {
  return Layer().Times("", kDefaultMtimeNs, kDefaultMtimeNs);
}

// Whether a copy-up moves the time of the directory above it is a case of the conformance suite, not of this
// test.
void StateTimes(Layer& layer, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) layer.Times(directory, kDefaultMtimeNs, kDefaultMtimeNs);
}

std::vector<Layer> SampleLayers() {
  Layer base = Empty();
  base.Chmod("", 0711).Chown("", 5, 6).SetXattr("", "user.root", "base");
  base.Dir("a").Dir("a/b", 0750).File("a/b/f", std::string(100000, 'f')).File("a/keep", "kept", 0600);
  base.File("a/first", "linked").Link("a/second", "a/first").Symlink("a/link", "../nowhere");
  base.Dir("c").File("c/1", "1").File("c/2", "2").Dir("d").Dir("d/e").File("d/e/x", "x");
  base.Fifo("a/fifo").File("gone1", "1").File("gone2", "2").SetXattr("a/keep", "user.k", "v");
  base.Sparse("a/sparse", 1 << 20, 1 << 19, "middle").Chown("a/keep", 1000, 1001);

  Layer second;
  second.Write("a/b/f", 5000, "changed").Remove("gone1").Remove("gone2").RemoveAll("d");
  second.RemoveAll("c").Dir("c", 0700).File("c/new", "new");
  second.Dir("n").Dir("n/m").File("n/m/file", "x").Dir("a/inside").File("a/inside/y", "y");
  second.SetXattr("", "user.root", "second").Chmod("a/keep", 0644);
  StateTimes(second, {"", "a", "a/b"});

  Layer third;
  third.File("c/2", "back").Chmod("", 01755).Remove("n/m/file").Remove("a/inside/y").File("a/inside/z", "z");
  StateTimes(third, {"", "a", "a/inside", "c", "n", "n/m"});
  return {base, second, third};
}

// What InodeFormula says of these layers, from the layers alone.
class ExpectedInodes {
 public:
  explicit ExpectedInodes(const InodeFormula& formula) : formula_(formula), count_(formula.per_store) {}

  // `made`: the directories that the layer makes, also in place of one that it removed.
  void AddLayer(const Manifest& before, const Manifest& after, const std::set<std::string>& made) {
    count_ += formula_.per_snapshot;
    if (formula_.stores == InodeFormula::Stores::kFullTree) {
      count_ += InodeCount(after);
      return;
    }
    if (formula_.stores == InodeFormula::Stores::kImage) return;
    const bool farm = formula_.stores == InodeFormula::Stores::kLinkFarm;
    std::set<std::string> inodes;
    for (const auto& [path, entry] : after.entries) {
      if (farm && entry.type == FileType::kDirectory) inodes.insert(path);
    }
    for (const std::string& path : OwnPaths(before, after, made)) {
      const std::string& group = after.entries.at(path).link_group;
      inodes.insert(group.empty() ? path : group);
    }
    count_ += static_cast<int64_t>(inodes.size()) + WhiteoutInodes(before, after, made);
    if (before.entries.empty()) return;  // a layer on nothing is not made through a union
    for (const std::string& path : made) {
      count_ += formula_.per_new_directory;
      if (!made.contains(ParentOf(path))) count_ += formula_.per_new_directory_in_old;
    }
  }
  void AddMountedActive(const Manifest& parent) {
    const bool full = formula_.stores == InodeFormula::Stores::kFullTree;
    count_ += formula_.per_snapshot + formula_.per_mounted_active + (full ? InodeCount(parent) : 1);
  }
  void AddView(const Manifest& parent) {
    if (formula_.view_stores_tree) count_ += formula_.per_snapshot + InodeCount(parent);
  }
  int64_t count() const { return count_; }

 private:
  static std::string ParentOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  // New and changed entries and all directories above them; the root always.
  static std::set<std::string> OwnPaths(const Manifest& before, const Manifest& after,
                                        const std::set<std::string>& made) {
    std::set<std::string> own = {""};
    for (const auto& [path, entry] : after.entries) {
      auto old = before.entries.find(path);
      const bool same = old != before.entries.end() && old->second.mtime_ns == entry.mtime_ns &&
                        old->second.permissions == entry.permissions && old->second.digest == entry.digest;
      if (same && !made.contains(path)) continue;
      for (std::string above = path; own.insert(above).second; above = ParentOf(above)) continue;
    }
    // Removing a name changes its directory, whose time the sample layers put back.
    for (const auto& [path, entry] : before.entries) {
      if (after.entries.contains(path) || !after.entries.contains(ParentOf(path))) continue;
      for (std::string above = ParentOf(path); own.insert(above).second; above = ParentOf(above)) continue;
    }
    return own;
  }
  // A name that went needs a whiteout, unless its directory went with it or was made anew by the layer.
  int64_t WhiteoutInodes(const Manifest& before, const Manifest& after,
                         const std::set<std::string>& made) const {
    int64_t names = 0;
    for (const auto& [path, entry] : before.entries) {
      const std::string parent = ParentOf(path);
      if (!after.entries.contains(path) && after.entries.contains(parent) && !made.contains(parent)) ++names;
    }
    if (formula_.whiteouts == InodeFormula::Whiteouts::kNone) return 0;
    return formula_.whiteouts == InodeFormula::Whiteouts::kOneShared ? std::min<int64_t>(names, 1) : names;
  }

  const InodeFormula formula_;
  int64_t count_;
};

class LifecycleTest : public ::testing::TestWithParam<const Driver*> {
 protected:
  void SetUp() override {
    auto world = DriverWorld::Create(*GetParam(), {}, ::testing::TempDir());
    ASSERT_TRUE(world.ok()) << world.status().ToString();
    world_.emplace(std::move(*world));
    const Status probe = world_->Probe();
    if (MachineLacksIt(probe)) GTEST_SKIP() << probe.ToString();
    ASSERT_TRUE(probe.ok()) << probe.ToString();
    EXPECT_THAT(ListDir(AT_FDCWD, world_->Path("probe")).value(), IsEmpty());
    const Status opened = world_->Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
  }
  Snapshotter& store() { return world_->store(); }
  bool Claims(Capability capability) const {
    return GetParam()->capabilities({}, GetParam()->default_backing()).Has(capability);
  }
  // The sample layers. A driver without extended attributes is a union so simple that it copies times to the
  // second at best, and may copy a directory whole to set its time: it gets neither attributes nor times to
  // set, and ExpectLikeOracle does not compare times then. The conformance suite tells of both.
  std::vector<Layer> Samples() const {
    if (Claims(Capability::xattr_user)) return SampleLayers();
    std::vector<Layer> plain;
    for (const Layer& layer : SampleLayers()) {
      Layer& without = plain.emplace_back();
      for (const Step& step : layer.steps()) {
        if (step.op != StepOp::kSetXattr && step.op != StepOp::kTimes) without.Add(step);
      }
    }
    return plain;
  }
  // What the key shows is what the oracle directory holds.
  void ExpectLikeOracle(const Result<std::vector<Mount>>& mounts) {
    auto expected = ReadManifest(world_->Path("oracle"));
    auto actual = world_->Show(mounts);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    ASSERT_TRUE(actual.ok()) << actual.status().ToString();
    CompareOptions options;
    options.mtimes = Claims(Capability::xattr_user);
    options.hole_tolerance_bytes = -1;  // which driver keeps holes is a matter of its own
    const std::vector<Difference> differences = Compare(*expected, *actual, options);
    EXPECT_TRUE(differences.empty()) << Describe(differences);
  }

  std::optional<DriverWorld> world_;
};

TEST_P(LifecycleTest, LayersStackLikeStepsOnADirectory) {
  std::string parent;
  for (const Layer& layer : Samples()) {
    const std::string name = parent + "+";
    const Status added = world_->AddLayer(name, parent, layer);
    ASSERT_TRUE(added.ok()) << added.ToString();
    ASSERT_TRUE(DriverWorld::Apply(layer, world_->Path("oracle")).ok());
    ExpectLikeOracle(store().View("view " + name, name));
    ExpectLikeOracle(store().Prepare("active " + name, name));
    ExpectLikeOracle(store().Mounts("active " + name));
    parent = name;
  }
}

TEST_P(LifecycleTest, AViewRefusesWrites) {
  ASSERT_TRUE(world_->AddLayer("one", "", Layer().File("f", "x")).ok());
  ASSERT_TRUE(world_->AddLayer("two", "one", Layer().File("g", "y")).ok());
  for (const char* parent : {"", "one", "two"}) {
    const Status status =
        world_->WithMounts(store().View(std::string("v") + parent, parent),
                           [](const std::string& root) { return WriteFile(root + "/new", "x"); });
    EXPECT_EQ(status.error_number(), EROFS) << "parent '" << parent << "': " << status.ToString();
  }
}

TEST_P(LifecycleTest, ChildrenDoNotSeeEachOtherNorTouchTheParent) {
  const Layer base = Empty().File("f", "base").Dir("d").File("d/g", "base");
  ASSERT_TRUE(world_->AddLayer("base", "", base).ok());
  ASSERT_TRUE(DriverWorld::Apply(base, world_->Path("oracle")).ok());
  for (const std::string key : {"one", "two"}) {
    const Status changed =
        world_->WithMounts(store().Prepare(key, "base"), [&](const std::string& root) -> Status {
          LM_ASSIGN(const std::string before, ReadFile(root + "/f"));
          if (before != "base") return DataLoss("it reads " + before);
          return DriverWorld::Apply(Layer().Write("f", 0, key).Remove("d/g").File("own-" + key, ""), root);
        });
    EXPECT_TRUE(changed.ok()) << key << ": " << changed.ToString();
  }
  ExpectLikeOracle(store().View("v", "base"));
}

TEST_P(LifecycleTest, ANewRootHasMode0755WhateverTheUmask) {
  const mode_t old = umask(077);
  auto mounts = store().Prepare("a", "");
  umask(old);
  auto shown = world_->Show(mounts);
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->entries.at("").permissions, 0755u);
}

TEST_P(LifecycleTest, ChangesSurviveUnmountAndReopening) {
  const Layer base = Empty().File("f", "base");
  ASSERT_TRUE(world_->AddLayer("base", "", base).ok());
  const Layer change = Layer().File("g", "more").Remove("f");
  ASSERT_TRUE(world_
                  ->WithMounts(store().Prepare("a", "base"),
                               [&](const std::string& root) { return DriverWorld::Apply(change, root); })
                  .ok());
  ASSERT_TRUE(DriverWorld::Apply(base, world_->Path("oracle")).ok());
  ASSERT_TRUE(DriverWorld::Apply(change, world_->Path("oracle")).ok());
  ASSERT_TRUE(world_->Open().ok());
  ExpectLikeOracle(store().Mounts("a"));
}

TEST_P(LifecycleTest, RemovedSnapshotsGiveEverythingBack) {
  auto before = world_->UsedInodes();
  ASSERT_TRUE(before.ok()) << before.status().ToString();
  std::vector<std::string> names;
  for (const Layer& layer : Samples()) {
    ASSERT_TRUE(
        world_->AddLayer("l" + std::to_string(names.size()), names.empty() ? "" : names.back(), layer).ok());
    names.push_back("l" + std::to_string(names.size()));
  }
  ASSERT_TRUE(world_
                  ->WithMounts(store().Prepare("a", names.back()),
                               [](const std::string& root) { return WriteFile(root + "/f", "x"); })
                  .ok());
  ASSERT_TRUE(store().View("v", names.back()).ok());
  for (const std::string key : {"a", "v", "l2", "l1", "l0"}) {
    const Status removed = store().Remove(key);
    EXPECT_TRUE(removed.ok()) << key << ": " << removed.ToString();
  }
  EXPECT_EQ(*world_->WalkedInodes(), GetParam()->inode_formula({}).per_store);
  // XFS takes unlinked inodes off its count in the background.
  if (GetParam()->default_backing() != "xfs") {
    EXPECT_EQ(*world_->UsedInodes(), *before);
  }
}

TEST_P(LifecycleTest, InodesAreAsTheFormulaSays) {
  const InodeFormula formula = GetParam()->inode_formula({});
  EXPECT_EQ(*world_->WalkedInodes(), formula.per_store);
  if (formula.explanation.empty()) return;  // the driver foretells no more
  // Directories that each layer makes.
  const std::vector<std::set<std::string>> made = {
      {"a", "a/b", "c", "d", "d/e"}, {"c", "n", "n/m", "a/inside"}, {}};
  const std::vector<Layer> layers = Samples();
  ExpectedInodes expected(formula);
  Manifest before;
  std::string parent;
  int64_t grown = 0;  // as the file system counts
  bool counts = false;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "l" + std::to_string(i);
    const auto used_before = *world_->UsedInodes();
    const Status added = world_->AddLayer(name, parent, layers[i]);
    ASSERT_TRUE(added.ok()) << added.ToString();
    const auto used_after = *world_->UsedInodes();
    // XFS takes unlinked inodes off its count in the background.
    counts = used_before.has_value() && GetParam()->default_backing() != "xfs";
    if (counts) grown += *used_after - *used_before;
    ASSERT_TRUE(DriverWorld::Apply(layers[i], world_->Path("oracle")).ok());
    auto after = ReadManifest(world_->Path("oracle"));
    ASSERT_TRUE(after.ok()) << after.status().ToString();
    expected.AddLayer(before, *after, made[i]);
    EXPECT_EQ(*world_->WalkedInodes(), expected.count())
        << "after layer " << i << "; " << formula.explanation;
    before = *after;
    parent = name;
  }
  EXPECT_EQ(grown, counts ? expected.count() - formula.per_store : 0);

  ASSERT_TRUE(world_->Show(store().Prepare("a", parent)).ok());
  expected.AddMountedActive(before);
  EXPECT_EQ(*world_->WalkedInodes(), expected.count()) << "with a mounted active snapshot";
  ASSERT_TRUE(world_->Show(store().View("v", parent)).ok());
  expected.AddView(before);
  EXPECT_EQ(*world_->WalkedInodes(), expected.count()) << "with a view";
}

TEST_P(LifecycleTest, UsageGrowsWithWhatIsWritten) {
  constexpr int64_t kBytes = 1 << 20;
  ASSERT_TRUE(world_->AddLayer("base", "", Layer().File("f", std::string(kBytes, 'x'))).ok());
  const Usage base = *store().GetUsage("base");
  EXPECT_GE(base.size_bytes, kBytes);
  // An image is a file, its directory and that of its root's attributes, whatever is in it.
  const InodeFormula formula = GetParam()->inode_formula({});
  EXPECT_EQ(base.inodes, formula.stores == InodeFormula::Stores::kImage ? formula.per_snapshot : 2);
  ASSERT_TRUE(store().Prepare("a", "base").ok());
  const Usage fresh = *store().GetUsage("a");
  if (Claims(Capability::usage_own_changes)) {
    EXPECT_LT(fresh.size_bytes, kBytes);
    EXPECT_LE(fresh.inodes, 1);
  }
  ASSERT_TRUE(world_
                  ->WithMounts(store().Mounts("a"),
                               [](const std::string& root) {
                                 return WriteFile(root + "/g", std::string(kBytes, 'y'));
                               })
                  .ok());
  const Usage more = *store().GetUsage("a");
  EXPECT_GE(more.size_bytes, fresh.size_bytes + kBytes);
  EXPECT_GT(more.inodes, fresh.inodes);
}

TEST_P(LifecycleTest, DeepChainsMount) {
  // Where a mount is of one directory, its depth is of no interest to the kernel.
  const int depth = !Claims(Capability::layer_stack) ? 8 : Claims(Capability::layers_500) ? 500 : 128;
  std::string parent;
  for (int i = 1; i <= depth; ++i) {
    const std::string name = "layer" + std::to_string(i);
    if (i % 50 == 1 || depth == 8) {
      const Status added = world_->AddLayer(name, parent, Layer().File("f" + std::to_string(i), "x"));
      ASSERT_TRUE(added.ok()) << i << ": " << added.ToString();
    } else {
      ASSERT_TRUE(store().Prepare("key", parent).ok()) << i;
      ASSERT_TRUE(store().Commit(name, "key").ok()) << i;
    }
    parent = name;
  }
  for (bool view : {true, false}) {
    auto shown = world_->Show(view ? store().View("v", parent) : store().Prepare("a", parent));
    ASSERT_TRUE(shown.ok()) << shown.status().ToString();
    for (int i = 1; i <= depth; i += 50) EXPECT_TRUE(shown->entries.contains("f" + std::to_string(i))) << i;
  }
}

TEST_P(LifecycleTest, AHandMadeStackShowsItsParts) {
  for (const char* name : {"low0", "low1", "up", "work"}) ASSERT_TRUE(MakeDirs(world_->Path(name)).ok());
  ASSERT_TRUE(WriteFile(world_->Path("low0/both"), "near").ok());
  ASSERT_TRUE(WriteFile(world_->Path("low1/both"), "far").ok());
  ASSERT_TRUE(WriteFile(world_->Path("low1/deep"), "deep").ok());
  StackSpec spec{{world_->Path("low0"), world_->Path("low1")}, world_->Path("up"), world_->Path("work"), {}};
  auto mounts = GetParam()->StackMounts({}, spec);
  if (!Claims(Capability::layer_stack)) {
    EXPECT_EQ(mounts.status().code(), Code::kUnimplemented);
    return;
  }
  const Status seen = world_->WithMounts(mounts, [](const std::string& root) -> Status {
    LM_ASSIGN(const std::string both, ReadFile(root + "/both"));
    LM_ASSIGN(const std::string deep, ReadFile(root + "/deep"));
    if (both != "near" || deep != "deep") return DataLoss(both + ", " + deep);
    return WriteFile(root + "/deep", "changed");
  });
  EXPECT_TRUE(seen.ok()) << seen.ToString();
  EXPECT_EQ(*ReadFile(world_->Path("up/deep")), "changed");
  EXPECT_EQ(*ReadFile(world_->Path("low1/deep")), "deep");

  spec.upper.clear();
  const Status refused = world_->WithMounts(GetParam()->StackMounts({}, spec), [](const std::string& root) {
    return WriteFile(root + "/deep", "changed");
  });
  EXPECT_EQ(refused.error_number(), EROFS) << refused.ToString();
}

TEST_P(LifecycleTest, VersionNamesWhatIsBehindIt) {
  auto version = GetParam()->Version({});
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  EXPECT_NE(version->find_first_of("0123456789"), std::string::npos) << *version;
  EXPECT_EQ(version->find('\n'), std::string::npos) << *version;
}

// The others have a test of their own, with the option that they need.
std::vector<const Driver*> DriversWithoutNeeds() {
  std::vector<const Driver*> drivers;
  for (const Driver* driver : AllDrivers()) {
    if (InstanceSpec{driver, {}}.WhatIsMissing().empty()) drivers.push_back(driver);
  }
  return drivers;
}

INSTANTIATE_TEST_SUITE_P(Drivers, LifecycleTest, ::testing::ValuesIn(DriversWithoutNeeds()),
                         [](const auto& instance) { return instance.param->name(); });

}  // namespace
}  // namespace layermark
