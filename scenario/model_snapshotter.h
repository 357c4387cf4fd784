// ModelSnapshotter: the lifecycle rules of the contract in memory, as an oracle for every driver.
//
// It knows names, parents, kinds, labels, times, filters and error classes, and nothing of bytes: Mounts
// gives one mount of the type "model" that stands for the snapshot, and the usage of an active or committed
// snapshot is kUnimplemented. It shares no code with drivers/support.
#ifndef LAYERMARK_SCENARIO_MODEL_SNAPSHOTTER_H_
#define LAYERMARK_SCENARIO_MODEL_SNAPSHOTTER_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "drivers/snapshotter.h"

namespace layermark {

// Threads: all calls are thread safe; no lock is held during a Walk callback.
class ModelSnapshotter : public Snapshotter {
 public:
  // `rebase`: Commit may give a parentless snapshot a parent.
  explicit ModelSnapshotter(bool rebase = false) : rebase_(rebase) {}

  Result<Info> Stat(const std::string& key) override;
  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override;
  Result<Usage> GetUsage(const std::string& key) override;
  Result<std::vector<Mount>> Mounts(const std::string& key) override;
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels = {}) override;
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels = {}) override;
  Status Commit(const std::string& name, const std::string& key, const Labels& labels = {},
                const std::optional<std::string>& parent = std::nullopt) override;
  Status Remove(const std::string& key) override;
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters = {}) override;
  Status Cleanup() override;
  Status Close() override;

 private:
  struct Snapshot {
    int64_t id = 0;  // stays through Commit
    Info info;
  };
  using Snapshots = std::map<std::string, Snapshot>;

  Result<std::vector<Mount>> Make(Kind kind, const std::string& key, const std::string& parent,
                                  const Labels& labels);
  // These two REQUIRE that mutex_ is held.
  Result<Snapshots::iterator> Find(const std::string& key);
  std::vector<Mount> MountsOf(const Snapshot& snapshot) const;

  const bool rebase_;
  std::mutex mutex_;
  bool closed_ = false;
  int64_t next_id_ = 1;
  Snapshots snapshots_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_SNAPSHOTTER_H_
