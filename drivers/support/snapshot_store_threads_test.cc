// Calls from several threads at once. Built with the thread sanitizer it also shows that nothing is raced
// for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "core/sys/temp_tree.h"
#include "drivers/support/snapshot_store.h"
#include "testing/directory_mechanism.h"

namespace layermark {
namespace {

using layermark::testing::DirectoryMechanism;
using layermark::testing::DirectoryMechanismState;

class SnapshotStoreThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "threads");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    SnapshotStoreOptions options;
    options.log = [](const Status& status) { ADD_FAILURE() << status.ToString(); };
    auto store = OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(state_), options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  static void InThreads(int count, const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    std::barrier start(count);
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        body(i);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  size_t DirectoryCount() { return ListDir(AT_FDCWD, tree_.path() + "/snapshots").value().size(); }

  std::shared_ptr<DirectoryMechanismState> state_ = std::make_shared<DirectoryMechanismState>();
  TempTree tree_;
  std::unique_ptr<Snapshotter> store_;
};

TEST_F(SnapshotStoreThreadsTest, OfManyPreparesOfOneKeyOneWins) {
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  InThreads(8, [&](int) {
    auto mounts = store_->Prepare("a", "");
    if (mounts.ok()) {
      ++won;
    } else if (mounts.status().code() == Code::kAlreadyExists) {
      ++lost;
    }
  });
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 7);
  EXPECT_EQ(DirectoryCount(), 1u);
}

TEST_F(SnapshotStoreThreadsTest, OfManyCommitsOfOneKeyOneWins) {
  ASSERT_TRUE(store_->Prepare("a", "").ok());
  std::atomic<int> won = 0;
  InThreads(8, [&](int i) {
    const Status committed = store_->Commit("c" + std::to_string(i), "a");
    if (committed.ok()) {
      ++won;
    } else {
      EXPECT_EQ(committed.code(), Code::kNotFound) << committed.ToString();
    }
  });
  EXPECT_EQ(won, 1);
}

TEST_F(SnapshotStoreThreadsTest, OfManyCommitsToOneNameOneWins) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(store_->Prepare("a" + std::to_string(i), "").ok());
  std::atomic<int> won = 0;
  InThreads(8, [&](int i) {
    const Status committed = store_->Commit("c", "a" + std::to_string(i));
    if (committed.ok()) {
      ++won;
    } else {
      EXPECT_EQ(committed.code(), Code::kAlreadyExists) << committed.ToString();
    }
  });
  EXPECT_EQ(won, 1);
}

TEST_F(SnapshotStoreThreadsTest, AParentStaysWhileAChildIsMade) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(store_->Prepare("p", "").ok());
    ASSERT_TRUE(store_->Commit("parent", "p").ok());
    Status prepared, removed;
    InThreads(2, [&](int i) {
      if (i == 0) {
        prepared = store_->Prepare("child", "parent").status();
      } else {
        removed = store_->Remove("parent");
      }
    });
    if (prepared.ok()) {
      EXPECT_EQ(removed.code(), Code::kFailedPrecondition) << removed.ToString();
      ASSERT_TRUE(store_->Remove("child").ok());
      ASSERT_TRUE(store_->Remove("parent").ok());
    } else {
      EXPECT_EQ(prepared.code(), Code::kNotFound) << prepared.ToString();
      EXPECT_TRUE(removed.ok()) << removed.ToString();
    }
    EXPECT_EQ(DirectoryCount(), 0u);
  }
}

TEST_F(SnapshotStoreThreadsTest, TheDatabaseIsFreeWhileTheMechanismCopies) {
  std::barrier in_create(2);
  state_->hook = [&](const std::string& point) {
    if (point == "create") {
      in_create.arrive_and_wait();  // the other thread knows that the copy is under way
      in_create.arrive_and_wait();  // and is done with its questions
    }
    return Status::Ok();
  };
  std::thread copying([&] { EXPECT_TRUE(store_->Prepare("slow", "").ok()); });
  in_create.arrive_and_wait();
  EXPECT_EQ(store_->Stat("slow").status().code(), Code::kNotFound);
  EXPECT_TRUE(store_->Cleanup().ok());
  EXPECT_EQ(DirectoryCount(), 1u) << "Cleanup took the storage of a snapshot that is being made";
  in_create.arrive_and_wait();
  copying.join();
  state_->hook = [](const std::string&) { return Status::Ok(); };
  EXPECT_TRUE(store_->Stat("slow").ok());
}

TEST_F(SnapshotStoreThreadsTest, ManyThreadsDoEverything) {
  ASSERT_TRUE(store_->Prepare("b", "").ok());
  ASSERT_TRUE(store_->Commit("base", "b").ok());
  InThreads(6, [&](int i) {
    const std::string mine = std::to_string(i);
    for (int round = 0; round < 6; ++round) {
      ASSERT_TRUE(store_->Prepare("key" + mine, "base", {{"thread", mine}}).ok());
      Info info;
      info.name = "key" + mine;
      info.labels = {{"round", std::to_string(round)}};
      EXPECT_TRUE(store_->Update(info, {"labels.round"}).ok());
      EXPECT_TRUE(store_->GetUsage("key" + mine).ok());
      EXPECT_TRUE(store_->View("view" + mine, "base").ok());
      EXPECT_TRUE(store_->Commit("layer" + mine, "key" + mine).ok());
      EXPECT_TRUE(store_->Walk([](const Info&) { return Status::Ok(); }, {"kind==committed"}).ok());
      EXPECT_TRUE(store_->Remove("view" + mine).ok());
      EXPECT_TRUE(store_->Cleanup().ok());
      EXPECT_TRUE(store_->Remove("layer" + mine).ok());
    }
  });
  EXPECT_EQ(DirectoryCount(), 1u);
}

}  // namespace
}  // namespace layermark
