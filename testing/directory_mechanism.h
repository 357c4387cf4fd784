// DirectoryMechanism: the smallest storage there is, for tests of SnapshotStore. A snapshot is a directory
// with a file "layers" that names the chain of numbers it was made from. Each step can be made to fail or to
// wait.
#ifndef LAYERMARK_TESTING_DIRECTORY_MECHANISM_H_
#define LAYERMARK_TESTING_DIRECTORY_MECHANISM_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "drivers/support/snapshot_directory.h"
#include "drivers/support/snapshot_store.h"

namespace layermark::testing {

// What the test sees and steers; outlives the mechanism.
struct DirectoryMechanismState {
  // Called at the named point ("create" after the directory was made, "mounts", "seal", "destroy",
  // "measure").
  std::function<Status(const std::string& point)> hook = [](const std::string&) { return Status::Ok(); };
  std::atomic<int> created = 0;
  std::atomic<int> destroyed = 0;
  std::atomic<int> rebased = 0;
};

class DirectoryMechanism : public Mechanism {
 public:
  explicit DirectoryMechanism(std::shared_ptr<DirectoryMechanismState> state) : state_(std::move(state)) {}

  Status Create(const StoredSnapshot& snapshot) override {
    ++state_->created;
    LM_TRY(MakeDirectory(snapshot.directory, 0755));
    LM_TRY(state_->hook("create"));
    std::string chain = std::to_string(snapshot.id);
    for (int64_t parent : snapshot.parent_ids) chain += " " + std::to_string(parent);
    for (const std::string& parent : snapshot.parent_directories)
      LM_TRY(ReadFile(parent + "/layers").status());
    return WriteFile(snapshot.directory + "/layers", chain);
  }
  Result<std::vector<Mount>> Mounts(const StoredSnapshot& snapshot) override {
    LM_TRY(state_->hook("mounts"));
    return std::vector<Mount>{BindOf(snapshot.directory, snapshot.kind == Kind::kView)};
  }
  Status Seal(const StoredSnapshot& snapshot) override {
    LM_TRY(state_->hook("seal"));
    return WriteFile(snapshot.directory + "/sealed", "");
  }
  Status Destroy(int64_t, const std::string& directory) override {
    ++state_->destroyed;
    LM_TRY(state_->hook("destroy"));
    return RemoveTree(directory);
  }
  Result<Usage> Measure(const StoredSnapshot& snapshot) override {
    LM_TRY(state_->hook("measure"));
    LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, snapshot.directory));
    return Usage{static_cast<int64_t>(names.size()), 4096};
  }
  Status Rebase(const StoredSnapshot&) override {
    ++state_->rebased;
    return Status::Ok();
  }

 private:
  const std::shared_ptr<DirectoryMechanismState> state_;
};

}  // namespace layermark::testing

#endif  // LAYERMARK_TESTING_DIRECTORY_MECHANISM_H_
