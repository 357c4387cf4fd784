#include "drivers/support/snapshot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/sys/temp_tree.h"
#include "testing/directory_mechanism.h"

namespace layermark {
namespace {

using layermark::testing::DirectoryMechanism;
using layermark::testing::DirectoryMechanismState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SnapshotStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "store");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    Reopen();
  }
  void Reopen() {
    store_.reset();
    SnapshotStoreOptions options;
    options.rebase = rebase_;
    options.log = [this](const Status& status) { logged_.push_back(status.ToString()); };
    auto store = OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(state_), options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  // Prepare and Commit.
  void Layer(const std::string& name, const std::string& parent, const Labels& labels = {}) {
    auto mounts = store_->Prepare("make-" + name, parent);
    ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
    const Status committed = store_->Commit(name, "make-" + name, labels);
    ASSERT_TRUE(committed.ok()) << committed.ToString();
  }
  std::string Chain(const std::string& key) {
    auto mounts = store_->Mounts(key);
    if (!mounts.ok()) return mounts.status().ToString();
    return ReadFile((*mounts)[0].source + "/layers").value();
  }
  std::vector<std::string> Directories() { return ListDir(AT_FDCWD, tree_.path() + "/snapshots").value(); }
  std::vector<std::string> Walked(const std::vector<std::string>& filters = {}) {
    std::vector<std::string> names;
    const Status walked = store_->Walk(
        [&](const Info& info) {
          names.push_back(info.name);
          return Status::Ok();
        },
        filters);
    EXPECT_TRUE(walked.ok()) << walked.ToString();
    return names;
  }

  std::shared_ptr<DirectoryMechanismState> state_ = std::make_shared<DirectoryMechanismState>();
  bool rebase_ = true;
  std::vector<std::string> logged_;
  TempTree tree_;
  std::unique_ptr<Snapshotter> store_;
};

TEST_F(SnapshotStoreTest, AnEmptyStoreKnowsNothing) {
  EXPECT_EQ(store_->Stat("x").status().code(), Code::kNotFound);
  EXPECT_EQ(store_->GetUsage("x").status().code(), Code::kNotFound);
  EXPECT_EQ(store_->Mounts("x").status().code(), Code::kNotFound);
  EXPECT_EQ(store_->Remove("x").code(), Code::kNotFound);
  EXPECT_EQ(store_->Commit("y", "x").code(), Code::kNotFound);
  Info info;
  info.name = "x";
  EXPECT_EQ(store_->Update(info, {}).status().code(), Code::kNotFound);
  EXPECT_TRUE(Walked().empty());
}

TEST_F(SnapshotStoreTest, PrepareStoresWhatItWasGiven) {
  Layer("base", "");
  ASSERT_TRUE(store_->Prepare("a", "base", {{"k", "v"}, {"empty", ""}}).ok());
  auto info = store_->Stat("a");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->kind, Kind::kActive);
  EXPECT_EQ(info->name, "a");
  EXPECT_EQ(info->parent, "base");
  EXPECT_EQ(info->labels, (Labels{{"k", "v"}}));
  EXPECT_GT(info->created_ns, 1'600'000'000'000'000'000);
  EXPECT_EQ(info->created_ns, info->updated_ns);
}

TEST_F(SnapshotStoreTest, ParentsComeNearestFirst) {
  Layer("one", "");
  Layer("two", "one");
  Layer("three", "two");
  ASSERT_TRUE(store_->Prepare("a", "three").ok());
  EXPECT_EQ(Chain("a"), "4 3 2 1");
}

TEST_F(SnapshotStoreTest, AKeyIsTakenWhateverItsKind) {
  Layer("committed", "");
  ASSERT_TRUE(store_->Prepare("active", "").ok());
  ASSERT_TRUE(store_->View("view", "committed").ok());
  const int created = state_->created;
  for (const char* key : {"committed", "active", "view"}) {
    EXPECT_EQ(store_->Prepare(key, "").status().code(), Code::kAlreadyExists) << key;
    EXPECT_EQ(store_->View(key, "").status().code(), Code::kAlreadyExists) << key;
  }
  EXPECT_EQ(state_->created, created);
}

TEST_F(SnapshotStoreTest, OnlyCommittedSnapshotsAreParents) {
  ASSERT_TRUE(store_->Prepare("active", "").ok());
  ASSERT_TRUE(store_->View("view", "").ok());
  EXPECT_EQ(store_->Prepare("x", "active").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->View("x", "view").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Prepare("x", "missing").status().code(), Code::kNotFound);
  EXPECT_EQ(store_->Stat("x").status().code(), Code::kNotFound);
}

TEST_F(SnapshotStoreTest, EmptyNamesAreRefused) {
  EXPECT_EQ(store_->Prepare("", "").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->View("", "").status().code(), Code::kInvalidArgument);
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  EXPECT_EQ(store_->Commit("", "a").code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Update(Info{}, {}).status().code(), Code::kInvalidArgument);
}

TEST_F(SnapshotStoreTest, LongLabelsAreRefusedEverywhere) {
  const Labels fits = {{"key", std::string(4096 - 3, 'v')}};
  const Labels too_long = {{"key", std::string(4096 - 2, 'v')}};
  EXPECT_EQ(store_->Prepare("a", "", too_long).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->View("a", "", too_long).status().code(), Code::kInvalidArgument);
  ASSERT_TRUE(store_->Prepare("a", "", fits).ok());
  Info info;
  info.name = "a";
  info.labels = too_long;
  EXPECT_EQ(store_->Update(info, {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Commit("c", "a", too_long).code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Stat("a")->labels, fits);
}

TEST_F(SnapshotStoreTest, UpdateReplacesAllLabelsAndNothingElse) {
  Layer("base", "", {{"old", "1"}});
  const Info before = *store_->Stat("base");
  Info info = before;
  info.parent = "bogus";
  info.kind = Kind::kView;
  info.created_ns = 5;
  info.labels = {{"new", "2"}};
  auto after = store_->Update(info, {});
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  EXPECT_EQ(after->labels, (Labels{{"new", "2"}}));
  EXPECT_EQ(after->parent, "");
  EXPECT_EQ(after->kind, Kind::kCommitted);
  EXPECT_EQ(after->created_ns, before.created_ns);
  EXPECT_GT(after->updated_ns, before.updated_ns);
  EXPECT_EQ(store_->Stat("base")->labels, after->labels);
}

TEST_F(SnapshotStoreTest, UpdateOfOneLabelLeavesTheOthers) {
  ASSERT_TRUE(
      store_->Prepare("a", "", {{"keep", "1"}, {"change", "2"}, {"drop", "3"}, {"drop.too", "4"}}).ok());
  Info info;
  info.name = "a";
  info.labels = {{"change", "new"}, {"drop.too", ""}, {"ignored", "x"}};
  auto after = store_->Update(info, {"labels.change", "labels.drop", "labels.drop.too"});
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  EXPECT_EQ(after->labels, (Labels{{"keep", "1"}, {"change", "new"}}));
  EXPECT_EQ(store_->Update(info, {"labels.change", "parent"}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Update(info, {"labels."}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_->Stat("a")->labels, after->labels);
}

TEST_F(SnapshotStoreTest, CommitMakesANewRecordOfTheSameStorage) {
  Layer("base", "");
  ASSERT_TRUE(store_->Prepare("a", "base", {{"active", "1"}}).ok());
  const Info active = *store_->Stat("a");
  ASSERT_TRUE(store_->Commit("c", "a", {{"committed", "2"}}).ok());
  EXPECT_EQ(store_->Stat("a").status().code(), Code::kNotFound);
  const Info info = *store_->Stat("c");
  EXPECT_EQ(info.kind, Kind::kCommitted);
  EXPECT_EQ(info.parent, "base");
  EXPECT_EQ(info.labels, (Labels{{"committed", "2"}}));
  EXPECT_GT(info.created_ns, active.created_ns);
  EXPECT_EQ(info.created_ns, info.updated_ns);
  EXPECT_EQ(store_->Mounts("c").status().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(Exists(tree_.path() + "/snapshots/2/sealed"));
  // The key is free again, for another kind too.
  EXPECT_TRUE(store_->View("a", "c").ok());
}

TEST_F(SnapshotStoreTest, CommitTakesOnlyActiveSnapshotsAndFreeNames) {
  Layer("base", "");
  ASSERT_TRUE(store_->View("view", "base").ok());
  ASSERT_TRUE(store_->Prepare("a", "base").ok());
  EXPECT_EQ(store_->Commit("x", "view").code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->Commit("x", "base").code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->Commit("base", "a").code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->Commit("view", "a").code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->Commit("a", "a").code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->Stat("a")->kind, Kind::kActive);
}

TEST_F(SnapshotStoreTest, UsageIsLiveWhileActiveFrozenAfterCommitAndZeroForViews) {
  auto mounts = store_->Prepare("a", "");
  ASSERT_TRUE(mounts.ok());
  const std::string directory = (*mounts)[0].source;
  EXPECT_EQ(store_->GetUsage("a")->inodes, 1);
  ASSERT_TRUE(WriteFile(directory + "/more", "x").ok());
  EXPECT_EQ(store_->GetUsage("a")->inodes, 2);
  ASSERT_TRUE(store_->Commit("c", "a").ok());
  const Usage frozen = *store_->GetUsage("c");
  EXPECT_EQ(frozen.inodes, 3);  // with "sealed"
  EXPECT_EQ(frozen.size_bytes, 4096);
  ASSERT_TRUE(WriteFile(directory + "/later", "x").ok());
  EXPECT_EQ(store_->GetUsage("c")->inodes, 3);
  ASSERT_TRUE(store_->View("v", "c").ok());
  EXPECT_EQ(store_->GetUsage("v")->inodes, 0);
}

TEST_F(SnapshotStoreTest, RebaseGivesAParentlessSnapshotItsParent) {
  Layer("base", "");
  Layer("other", "");
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  EXPECT_EQ(store_->Commit("c", "a", {}, "missing").code(), Code::kNotFound);
  ASSERT_TRUE(store_->View("view", "base").ok());
  EXPECT_EQ(store_->Commit("c", "a", {}, "view").code(), Code::kFailedPrecondition);
  ASSERT_TRUE(store_->Commit("c", "a", {}, "base").ok());
  EXPECT_EQ(store_->Stat("c")->parent, "base");
  EXPECT_EQ(state_->rebased, 1);

  ASSERT_TRUE(store_->Prepare("b", "c").ok());
  EXPECT_EQ(Chain("b"), "5 3 1");  // 4 is the view
  EXPECT_EQ(store_->Commit("d", "b", {}, "other").code(), Code::kInvalidArgument);
  EXPECT_TRUE(store_->Commit("d", "b", {}, "c").ok());
  EXPECT_EQ(store_->Remove("base").code(), Code::kFailedPrecondition);

  rebase_ = false;
  Reopen();
  ASSERT_TRUE(store_->Prepare("e", "").ok());
  EXPECT_EQ(store_->Commit("f", "e", {}, "base").code(), Code::kUnimplemented);
  EXPECT_TRUE(store_->Commit("f", "e", {}, "").ok());
}

TEST_F(SnapshotStoreTest, RemoveGoesBottomUp) {
  Layer("base", "");
  Layer("top", "base");
  const Status refused = store_->Remove("base");
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.ToString(), HasSubstr("remove"));
  EXPECT_TRUE(store_->Remove("top").ok());
  EXPECT_TRUE(store_->Remove("base").ok());
  EXPECT_TRUE(Directories().empty());
  EXPECT_TRUE(store_->Prepare("base", "").ok());
}

TEST_F(SnapshotStoreTest, ANumberIsUsedOnceWhileTheStoreIsOpen) {
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  ASSERT_TRUE(store_->Remove("a").ok());
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  EXPECT_THAT(Directories(), ElementsAre("2"));
}

TEST_F(SnapshotStoreTest, TheNumberOfALeftoverThatStaysIsNotUsed) {
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  state_->hook = [](const std::string& point) {
    return point == "destroy" ? Status::Errno("unlink", "file", EBUSY) : Status::Ok();
  };
  EXPECT_TRUE(store_->Remove("a").ok());
  Reopen();
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  EXPECT_THAT(Directories(), ElementsAre("1", "2"));
}

TEST_F(SnapshotStoreTest, StorageThatCannotBeDestroyedIsLoggedAndReclaimedLater) {
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  state_->hook = [](const std::string& point) {
    return point == "destroy" ? Status::Errno("unlink", "file", EBUSY) : Status::Ok();
  };
  EXPECT_TRUE(store_->Remove("a").ok());
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_THAT(logged_[0], HasSubstr("EBUSY"));
  EXPECT_EQ(store_->Stat("a").status().code(), Code::kNotFound);
  EXPECT_FALSE(store_->Cleanup().ok());
  EXPECT_THAT(Directories(), ElementsAre("1"));
  state_->hook = [](const std::string&) { return Status::Ok(); };
  EXPECT_TRUE(store_->Cleanup().ok());
  EXPECT_TRUE(Directories().empty());
}

TEST_F(SnapshotStoreTest, AFailedPrepareLeavesNothing) {
  for (const char* point : {"create", "mounts"}) {
    state_->hook = [&](const std::string& at) {
      return at == point ? Status::Errno("write", "x", ENOSPC) : Status::Ok();
    };
    auto mounts = store_->Prepare("a", "");
    EXPECT_EQ(mounts.status().error_number(), ENOSPC) << point;
    EXPECT_EQ(store_->Stat("a").status().code(), Code::kNotFound) << point;
    EXPECT_TRUE(Directories().empty()) << point;
    state_->hook = [](const std::string&) { return Status::Ok(); };
  }
  EXPECT_TRUE(store_->Prepare("a", "").ok());
}

TEST_F(SnapshotStoreTest, AFailedCommitLeavesTheSnapshotActive) {
  ASSERT_TRUE(store_->Prepare("a", "", {{"k", "v"}}).ok());
  for (const char* point : {"seal", "measure"}) {
    state_->hook = [&](const std::string& at) {
      return at == point ? Status::Errno("write", "x", EIO) : Status::Ok();
    };
    EXPECT_FALSE(store_->Commit("c", "a").ok()) << point;
    state_->hook = [](const std::string&) { return Status::Ok(); };
    EXPECT_EQ(store_->Stat("c").status().code(), Code::kNotFound) << point;
    EXPECT_EQ(store_->Stat("a")->labels, (Labels{{"k", "v"}})) << point;
  }
  EXPECT_TRUE(store_->Commit("c", "a").ok());
}

TEST_F(SnapshotStoreTest, WalkShowsEachOnceAndLetsTheCallbackStat) {
  Layer("base", "", {{"team.x/y", "red"}});
  ASSERT_TRUE(store_->Prepare("a", "base").ok());
  ASSERT_TRUE(store_->View("v", "base").ok());
  EXPECT_THAT(Walked(), UnorderedElementsAre("base", "a", "v"));
  EXPECT_THAT(Walked({"kind==view", "name==base"}), UnorderedElementsAre("base", "v"));
  EXPECT_THAT(Walked({"parent==base,kind!=view"}), ElementsAre("a"));
  EXPECT_THAT(Walked({"labels.\"team.x/y\"==red"}), ElementsAre("base"));

  const Status ended = store_->Walk([&](const Info& info) {
    auto stat = store_->Stat(info.name);
    EXPECT_TRUE(stat.ok());
    EXPECT_EQ(stat->parent, info.parent);
    return stat.ok() ? Status(Code::kCancelled, "enough") : stat.status();
  });
  EXPECT_EQ(ended.code(), Code::kCancelled);
  EXPECT_EQ(store_->Walk([](const Info&) { return Status::Ok(); }, {"name="}).code(), Code::kInvalidArgument);
}

TEST_F(SnapshotStoreTest, AReopenedStoreKnowsEverything) {
  Layer("base", "", {{"k", "v"}});
  ASSERT_TRUE(store_->Prepare("a", "base").ok());
  const Info base = *store_->Stat("base");
  const Usage usage = *store_->GetUsage("base");
  Reopen();
  EXPECT_EQ(store_->Stat("base")->labels, base.labels);
  EXPECT_EQ(store_->Stat("base")->created_ns, base.created_ns);
  EXPECT_EQ(store_->GetUsage("base")->inodes, usage.inodes);
  EXPECT_EQ(Chain("a"), "2 1");
}

TEST_F(SnapshotStoreTest, OneOpenerAtATime) {
  auto second = OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(state_));
  EXPECT_EQ(second.status().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(store_->Close().ok());
  EXPECT_TRUE(OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(state_)).ok());
}

TEST_F(SnapshotStoreTest, CloseTwiceIsFineAndEndsEverything) {
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  EXPECT_TRUE(store_->Close().ok());
  EXPECT_TRUE(store_->Close().ok());
  EXPECT_EQ(store_->Stat("a").status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->Prepare("b", "").status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->Cleanup().code(), Code::kFailedPrecondition);
}

TEST_F(SnapshotStoreTest, TheStoreItselfIsThreeInodes) {
  Layer("base", "");
  ASSERT_TRUE(store_->Remove("base").ok());
  EXPECT_THAT(ListDir(AT_FDCWD, tree_.path()).value(),
              ElementsAre("metadata.db", "metadata.db-wal", "snapshots"));
  ASSERT_TRUE(store_->Close().ok());
  EXPECT_THAT(ListDir(AT_FDCWD, tree_.path()).value(),
              ElementsAre("metadata.db", "metadata.db-wal", "snapshots"));
}

TEST_F(SnapshotStoreTest, ADamagedDatabaseIsDataLoss) {
  ASSERT_TRUE(store_->Close().ok());
  ASSERT_TRUE(WriteFile(tree_.path() + "/metadata.db", std::string(8192, 'x')).ok());
  // The log still knows every page of so young a store.
  ASSERT_TRUE(WriteFile(tree_.path() + "/metadata.db-wal", "").ok());
  auto store = OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(state_));
  EXPECT_EQ(store.status().code(), Code::kDataLoss) << store.status().ToString();
}

TEST_F(SnapshotStoreTest, NamesMayHoldAnyByte) {
  const std::string key("a\0b/../\n\"'\xff", 11);
  ASSERT_TRUE(store_->Prepare(key, "", {{key, key}}).ok());
  EXPECT_EQ(store_->Stat(std::string("a")).status().code(), Code::kNotFound);
  Reopen();
  EXPECT_EQ(store_->Stat(key)->name, key);
  EXPECT_EQ(store_->Stat(key)->labels, (Labels{{key, key}}));
}

}  // namespace
}  // namespace layermark
