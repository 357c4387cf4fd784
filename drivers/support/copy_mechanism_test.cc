#include "drivers/support/copy_mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "drivers/support/disk_usage.h"
#include "testing/scratch_file_system.h"

namespace layermark {
namespace {

constexpr CopyStyle kFull = {.method = CopyMethod::kBytes, .views_bind_parent = false};
constexpr CopyStyle kBinding = {.method = CopyMethod::kCopyFileRange, .views_bind_parent = true};

class CopyMechanismTest : public ::testing::TestWithParam<CopyStyle> {
 protected:
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(::testing::TempDir(), "copy_mechanism_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    OpenStore(tree_.path());
  }
  void OpenStore(const std::string& root) {
    auto store = OpenSnapshotStore(root, std::make_unique<CopyMechanism>(GetParam()));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  // The directory that the mounts of a call show.
  static std::string Source(const Result<std::vector<Mount>>& mounts) {
    EXPECT_TRUE(mounts.ok()) << mounts.status().ToString();
    return mounts.ok() && mounts->size() == 1 ? mounts->front().source : "";
  }
  void CommitLayer(const std::string& name, const std::string& parent, const Layer& layer) {
    std::string directory = Source(store_->Prepare("making " + name, parent));
    Fd root = Open(directory, O_RDONLY | O_DIRECTORY).value();
    Status status = ApplyLayer(layer, root.get());
    ASSERT_TRUE(status.ok()) << status.ToString();
    status = store_->Commit(name, "making " + name);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static Manifest Tree(const std::string& directory) { return ReadManifest(directory).value(); }

  TempTree tree_;
  std::unique_ptr<Snapshotter> store_;
};

Layer Base() {
  Layer layer;
  layer.Dir("etc", 0750).File("etc/a", "first").Link("etc/b", "etc/a").Symlink("s", "etc/a").Fifo("p", 0600);
  return layer.File("suid", "x", 04711).SetXattr("suid", "trusted.x", "y").Chown("etc", 5, 6);
}

TEST_P(CopyMechanismTest, ANewSnapshotIsEmptyAndItsRootHas0755) {
  mode_t before = umask(077);
  std::string directory = Source(store_->Prepare("new", ""));
  umask(before);
  struct stat st;
  ASSERT_EQ(stat(directory.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
  EXPECT_EQ(Tree(directory).entries.size(), 1u);
}

TEST_P(CopyMechanismTest, AChildStartsEqualToItsParentAndLeavesItAlone) {
  CommitLayer("base", "", Base());
  std::string view = Source(store_->View("view", "base"));
  Manifest parent = Tree(view);
  std::string child = Source(store_->Prepare("child", "base"));
  EXPECT_EQ(Describe(Compare(parent, Tree(child))), "");

  ASSERT_TRUE(WriteFile(child + "/etc/a", "changed").ok());
  ASSERT_TRUE(RemoveTree(child + "/suid").ok());
  EXPECT_EQ(Describe(Compare(parent, Tree(view))), "");
  EXPECT_EQ(Describe(Compare(parent, Tree(Source(store_->View("another", "base"))))), "");
}

TEST_P(CopyMechanismTest, ViewsAreMountedReadOnlyAndOthersAreNot) {
  CommitLayer("base", "", Base());
  for (const char* parent : {"", "base"}) {
    std::string suffix = parent;
    auto view = store_->View("view" + suffix, parent);
    ASSERT_TRUE(view.ok());
    EXPECT_THAT(view->front().options, ::testing::Contains("ro"));
    auto active = store_->Prepare("active" + suffix, parent);
    ASSERT_TRUE(active.ok());
    EXPECT_THAT(active->front().options, ::testing::Contains("rw"));
    EXPECT_EQ(*store_->Mounts("view" + suffix), *view);
    EXPECT_EQ(*store_->Mounts("active" + suffix), *active);
  }
}

TEST_P(CopyMechanismTest, UsageIsTheWholeTree) {
  CommitLayer("base", "", Base());
  CommitLayer("next", "base", Layer().File("more", std::string(100'000, 'm')));
  Usage base = *store_->GetUsage("base");
  Usage next = *store_->GetUsage("next");
  EXPECT_EQ(base.inodes, 6);
  EXPECT_EQ(next.inodes, 7);
  EXPECT_GE(next.size_bytes, base.size_bytes + 100'000);
}

TEST_P(CopyMechanismTest, InodesAreTheTreesAndTheStoresOwn) {
  CommitLayer("base", "", Base());
  CommitLayer("next", "base", Layer().Remove("p").File("q", "new").Dir("d"));
  std::string active = Source(store_->Prepare("active", "next"));
  ASSERT_TRUE(WriteFile(active + "/own", "").ok());
  std::string view = Source(store_->View("view", "next"));
  std::string empty_view = Source(store_->View("empty", ""));

  const int64_t base = 6, next = 7;
  const bool view_stores = !GetParam().views_bind_parent;
  EXPECT_EQ(InodeCount(Tree(active)), next + 1);
  EXPECT_EQ(InodeCount(Tree(view)), next);
  EXPECT_EQ(InodeCount(Tree(empty_view)), 1);
  Result<Usage> all = DiskUsage(tree_.path());
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->inodes - 1, kSnapshotStoreInodes + base + next + (next + 1) + (view_stores ? next : 0) + 1);
}

TEST_P(CopyMechanismTest, AFullFileSystemLeavesNoHalfSnapshot) {
  Status status = testing::WithPrivateMounts([&] {
    TempTree small = TempTree::Create(::testing::TempDir(), "small").value();
    ASSERT_EQ(mount("tmpfs", small.path().c_str(), "tmpfs", 0, "size=5m"), 0);
    OpenStore(small.path());  // takes 1 MiB for its log
    CommitLayer("base", "", Base().File("large", std::string(3 << 20, 'l')));
    Result<std::vector<Mount>> child = store_->Prepare("child", "base");
    ASSERT_FALSE(child.ok());
    EXPECT_EQ(child.status().code(), Code::kResourceExhausted) << child.status().ToString();
    EXPECT_EQ(child.status().error_number(), ENOSPC);
    EXPECT_THAT(child.status().ToString(), ::testing::HasSubstr("large"));
    EXPECT_EQ(store_->Stat("child").status().code(), Code::kNotFound);
    EXPECT_EQ(ListDir(AT_FDCWD, small.path() + "/snapshots")->size(), 1u);
    ASSERT_TRUE(store_->Close().ok());
    store_.reset();
    ASSERT_EQ(umount(small.path().c_str()), 0);
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

INSTANTIATE_TEST_SUITE_P(Styles, CopyMechanismTest, ::testing::Values(kFull, kBinding),
                         [](const auto& style) {
                           return std::string(style.param.views_bind_parent ? "binding" : "full");
                         });

TEST(CopyOptionsTest, ReachTheStyle) {
  CopyStyle style = WithOptions(kFull, {{"sync", "on"}, {"threads", "2"}});
  EXPECT_TRUE(style.sync_commits);
  EXPECT_EQ(style.threads, 2);
  EXPECT_EQ(style.method, CopyMethod::kBytes);
  style = WithOptions(kBinding, {{"threads", "auto"}});
  EXPECT_FALSE(style.sync_commits);
  EXPECT_EQ(style.threads, 0);
  EXPECT_TRUE(style.views_bind_parent);
}

TEST(ProbeCopyTest, SaysWhichCallFailed) {
  Status status = testing::WithPrivateMounts([&] {
    TempTree tree = TempTree::Create(::testing::TempDir(), "probe_copy_test").value();
    ASSERT_EQ(mount("tmpfs", tree.path().c_str(), "tmpfs", MS_RDONLY, nullptr), 0);
    Status probed = ProbeCopy(kFull, tree.path());
    EXPECT_EQ(probed.error_number(), EROFS) << probed.ToString();
    ASSERT_EQ(umount(tree.path().c_str()), 0);
    ASSERT_EQ(mount("tmpfs", tree.path().c_str(), "tmpfs", 0, nullptr), 0);
    probed = ProbeCopy(kFull, tree.path());
    EXPECT_TRUE(probed.ok()) << probed.ToString();
    EXPECT_TRUE(ListDir(AT_FDCWD, tree.path())->empty());
    ASSERT_EQ(umount(tree.path().c_str()), 0);
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace layermark
