// What a killed process leaves: the store is opened again and must hold what was acknowledged and nothing
// else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "core/sys/temp_tree.h"
#include "drivers/support/snapshot_store.h"
#include "testing/directory_mechanism.h"

namespace layermark {
namespace {

using layermark::testing::DirectoryMechanism;
using layermark::testing::DirectoryMechanismState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SnapshotStoreCrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create(::testing::TempDir(), "crash");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
  }
  std::unique_ptr<Snapshotter> Open(std::shared_ptr<DirectoryMechanismState> state) {
    auto store = OpenSnapshotStore(tree_.path(), std::make_unique<DirectoryMechanism>(std::move(state)));
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? std::move(*store) : nullptr;
  }
  // Runs `work` on the store in a process that dies at the first time the mechanism comes to `point`.
  void DieAt(const std::string& point, const std::function<void(Snapshotter&)>& work) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto state = std::make_shared<DirectoryMechanismState>();
      auto store = Open(state);
      state->hook = [&](const std::string& at) {
        if (at == point) kill(getpid(), SIGKILL);
        return Status::Ok();
      };
      if (store) work(*store);
      _exit(3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << point << " was not reached: exit " << WEXITSTATUS(status);
  }
  std::vector<std::string> Directories() { return ListDir(AT_FDCWD, tree_.path() + "/snapshots").value(); }

  TempTree tree_;
};

TEST_F(SnapshotStoreCrashTest, AHalfMadeSnapshotIsSweptWhenTheStoreIsOpened) {
  for (const char* point : {"create", "mounts"}) {
    DieAt(point, [](Snapshotter& store) { (void)store.Prepare("a", ""); });
    EXPECT_FALSE(Directories().empty()) << "the crash came too early to test anything";
    auto store = Open(std::make_shared<DirectoryMechanismState>());
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->Stat("a").status().code(), Code::kNotFound) << point;
    EXPECT_THAT(Directories(), IsEmpty()) << point;
  }
}

TEST_F(SnapshotStoreCrashTest, ASnapshotThatWasBeingCommittedIsStillActive) {
  for (const char* point : {"seal", "measure"}) {
    const std::string key = std::string("a-") + point;
    DieAt(point, [&](Snapshotter& store) {
      if (auto mounts = store.Prepare(key, "", {{"k", "v"}}); !mounts.ok()) return;
      (void)store.Commit("c", key);
    });
    auto store = Open(std::make_shared<DirectoryMechanismState>());
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->Stat("c").status().code(), Code::kNotFound) << point;
    auto active = store->Stat(key);
    ASSERT_TRUE(active.ok()) << point;
    EXPECT_EQ(active->kind, Kind::kActive);
    EXPECT_EQ(active->labels, (Labels{{"k", "v"}}));
    EXPECT_TRUE(store->Mounts(key).ok());
  }
}

TEST_F(SnapshotStoreCrashTest, ARemovedSnapshotDoesNotComeBack) {
  DieAt("destroy", [](Snapshotter& store) {
    if (auto mounts = store.Prepare("a", ""); !mounts.ok()) return;
    if (auto mounts = store.Prepare("b", ""); !mounts.ok()) return;
    (void)store.Remove("a");
  });
  EXPECT_THAT(Directories(), ElementsAre("1", "2"));
  auto store = Open(std::make_shared<DirectoryMechanismState>());
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Stat("a").status().code(), Code::kNotFound);
  EXPECT_TRUE(store->Stat("b").ok());
  EXPECT_THAT(Directories(), ElementsAre("2"));
}

// A process works at full speed and acknowledges each call; it is killed at an arbitrary moment. All that was
// acknowledged is there, at most the one call in progress may be there too, and storage and records agree.
TEST_F(SnapshotStoreCrashTest, KilledAtAnyMomentItKeepsWhatItAcknowledged) {
  std::minstd_rand random(1);
  int acknowledged_in_all = 0;
  for (int round = 0; round < 12; ++round) {
    const std::string name = "r" + std::to_string(round) + "-";
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = Open(std::make_shared<DirectoryMechanismState>());
      std::string parent;
      for (int i = 0; store != nullptr; ++i) {
        const std::string layer = name + std::to_string(i);
        if (!store->Prepare("key", parent).ok() || !store->Commit(layer, "key").ok()) break;
        parent = layer;
        if (write(pipe_fds[1], "c", 1) != 1) break;
      }
      _exit(3);
    }
    close(pipe_fds[1]);
    // The moment is counted in acknowledgements, plus a random bit of the next call.
    const int wanted = static_cast<int>(random() % 4) + 1;
    int acknowledged = 0;
    char c = 0;
    while (acknowledged < wanted && read(pipe_fds[0], &c, 1) == 1) ++acknowledged;
    usleep(static_cast<useconds_t>(random() % 1500));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: exit " << WEXITSTATUS(status);
    while (read(pipe_fds[0], &c, 1) == 1) ++acknowledged;
    close(pipe_fds[0]);
    acknowledged_in_all += acknowledged;

    auto store = Open(std::make_shared<DirectoryMechanismState>());
    ASSERT_NE(store, nullptr);
    size_t records = 0;
    ASSERT_TRUE(store
                    ->Walk([&](const Info&) {
                      ++records;
                      return Status::Ok();
                    })
                    .ok());
    EXPECT_EQ(Directories().size(), records);
    for (int i = 0; i < acknowledged; ++i) EXPECT_TRUE(store->Stat(name + std::to_string(i)).ok()) << i;
    EXPECT_EQ(store->Stat(name + std::to_string(acknowledged + 1)).status().code(), Code::kNotFound);
    const Status removed = store->Remove("key");
    EXPECT_TRUE(removed.ok() || removed.code() == Code::kNotFound) << removed.ToString();
  }
  EXPECT_GT(acknowledged_in_all, 12);
}

}  // namespace
}  // namespace layermark
