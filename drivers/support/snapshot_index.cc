#include "drivers/support/snapshot_index.h"

namespace layermark {

void SnapshotIndex::Put(const std::string& name, const Entry& entry) {
  Erase(entry.id);
  by_name_[name] = entry;
  members_[entry.id] = {name, entry.parent_id};
  if (entry.parent_id != 0) ++children_counts_[entry.parent_id];
}

void SnapshotIndex::Erase(int64_t id) {
  const auto member = members_.find(id);
  if (member == members_.end()) return;
  by_name_.erase(member->second.name);
  const auto count = children_counts_.find(member->second.parent_id);
  if (count != children_counts_.end() && --count->second == 0) children_counts_.erase(count);
  members_.erase(member);
}

std::optional<SnapshotIndex::Entry> SnapshotIndex::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<int64_t> SnapshotIndex::Chain(int64_t id) const {
  std::vector<int64_t> chain;
  for (auto at = members_.find(id); at != members_.end(); at = members_.find(at->second.parent_id)) {
    chain.push_back(at->first);
  }
  return chain;
}

bool SnapshotIndex::HasChildren(int64_t id) const {
  return children_counts_.contains(id);
}

}  // namespace layermark
