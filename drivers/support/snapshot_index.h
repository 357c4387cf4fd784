// SnapshotIndex: who is called what and whose parent is who, in memory.
//
// What each start of a container asks for, without a statement to the database; SnapshotRecords fills it from
// its rows when it opens and keeps it beside them. Threads: one at a time.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_INDEX_H_
#define LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_INDEX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/snapshotter.h"

namespace layermark {

class SnapshotIndex {
 public:
  struct Entry {
    int64_t id = 0;
    int64_t parent_id = 0;  // 0: none
    Kind kind = Kind::kActive;
  };

  // A new snapshot, or other values of one that is there. REQUIRES: the name is nobody else's.
  void Put(const std::string& name, const Entry& entry);
  void Erase(int64_t id);

  std::optional<Entry> Find(const std::string& name) const;
  // The snapshot itself first, then its parents, nearest first; empty where there is no such snapshot.
  std::vector<int64_t> Chain(int64_t id) const;
  bool HasChildren(int64_t id) const;

 private:
  struct Member {
    std::string name;
    int64_t parent_id = 0;
  };
  std::unordered_map<std::string, Entry> by_name_;
  std::unordered_map<int64_t, Member> members_;
  std::unordered_map<int64_t, int64_t> children_counts_;  // of those that have some
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_INDEX_H_
