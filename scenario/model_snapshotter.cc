#include "scenario/model_snapshotter.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "scenario/model_filter.h"

namespace layermark {
namespace {

constexpr size_t kMaxLabelBytes = 4096;  // key and value together (rule 17)

int64_t Now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

bool LabelsFit(const Labels& labels) {
  return std::all_of(labels.begin(), labels.end(), [](const auto& label) {
    return label.first.size() + label.second.size() <= kMaxLabelBytes;
  });
}

Status LabelTooLong() {
  return InvalidArgument("model: a label is longer than 4096 bytes");
}

// An empty value is no label (rule 14).
Labels WithoutEmpty(Labels labels) {
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

}  // namespace

Result<ModelSnapshotter::Snapshots::iterator> ModelSnapshotter::Find(const std::string& key) {
  if (closed_) return FailedPrecondition("model: closed");
  auto it = snapshots_.find(key);
  if (it == snapshots_.end()) return NotFound("model: no snapshot " + key);
  return it;
}

std::vector<Mount> ModelSnapshotter::MountsOf(const Snapshot& snapshot) const {
  Mount mount;
  mount.type = "model";
  mount.source = std::to_string(snapshot.id);
  mount.options = {snapshot.info.kind == Kind::kView ? "ro" : "rw"};
  // The parents, nearest first, as a driver would list its lower layers.
  for (std::string parent = snapshot.info.parent; !parent.empty();) {
    const Snapshot& lower = snapshots_.at(parent);
    mount.options.push_back("lower=" + std::to_string(lower.id));
    parent = lower.info.parent;
  }
  return {mount};
}

Result<Info> ModelSnapshotter::Stat(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LM_ASSIGN(const auto found, Find(key));
  return found->second.info;
}

Result<Info> ModelSnapshotter::Update(const Info& info, const std::vector<std::string>& field_paths) {
  const std::lock_guard lock(mutex_);
  if (info.name.empty()) return InvalidArgument("model: no name");
  LM_ASSIGN(const auto found, Find(info.name));
  if (!LabelsFit(info.labels)) return LabelTooLong();
  Info updated = found->second.info;
  if (field_paths.empty()) updated.labels = info.labels;
  for (const std::string& path : field_paths) {
    if (path == "labels") {
      updated.labels = info.labels;
      continue;
    }
    const std::string key = path.starts_with("labels.") ? path.substr(7) : "";
    if (key.empty()) return InvalidArgument("model: no such field to update: " + path);
    auto given = info.labels.find(key);
    updated.labels[key] = given == info.labels.end() ? "" : given->second;
  }
  updated.labels = WithoutEmpty(std::move(updated.labels));
  updated.updated_ns = std::max(Now(), updated.updated_ns + 1);
  found->second.info = updated;
  return updated;
}

Result<Usage> ModelSnapshotter::GetUsage(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LM_ASSIGN(const auto found, Find(key));
  if (found->second.info.kind == Kind::kView) return Usage{};  // rule 18: not computed
  return Unimplemented("model: usage is not computed");
}

Result<std::vector<Mount>> ModelSnapshotter::Mounts(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LM_ASSIGN(const auto found, Find(key));
  if (found->second.info.kind == Kind::kCommitted)
    return FailedPrecondition("model: " + key + " is committed");
  return MountsOf(found->second);
}

Result<std::vector<Mount>> ModelSnapshotter::Make(Kind kind, const std::string& key,
                                                  const std::string& parent, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  if (closed_) return FailedPrecondition("model: closed");
  if (key.empty()) return InvalidArgument("model: the key is empty");
  if (!LabelsFit(labels)) return LabelTooLong();
  if (snapshots_.contains(key)) return AlreadyExists("model: snapshot " + key + " exists");
  if (!parent.empty()) {
    LM_ASSIGN(const auto below, Find(parent));
    if (below->second.info.kind != Kind::kCommitted) return InvalidArgument("model: parent is not committed");
  }
  Snapshot snapshot;
  snapshot.id = next_id_++;
  snapshot.info.kind = kind;
  snapshot.info.name = key;
  snapshot.info.parent = parent;
  snapshot.info.labels = WithoutEmpty(labels);
  snapshot.info.created_ns = snapshot.info.updated_ns = Now();
  std::vector<Mount> mounts = MountsOf(snapshot);
  snapshots_.emplace(key, std::move(snapshot));
  return mounts;
}

Result<std::vector<Mount>> ModelSnapshotter::Prepare(const std::string& key, const std::string& parent,
                                                     const Labels& labels) {
  return Make(Kind::kActive, key, parent, labels);
}

Result<std::vector<Mount>> ModelSnapshotter::View(const std::string& key, const std::string& parent,
                                                  const Labels& labels) {
  return Make(Kind::kView, key, parent, labels);
}

Status ModelSnapshotter::Commit(const std::string& name, const std::string& key, const Labels& labels,
                                const std::optional<std::string>& parent) {
  const std::lock_guard lock(mutex_);
  if (name.empty()) return InvalidArgument("model: the name is empty");
  if (!LabelsFit(labels)) return LabelTooLong();
  LM_ASSIGN(const auto active, Find(key));
  if (snapshots_.contains(name)) return AlreadyExists("model: snapshot " + name + " exists");
  if (active->second.info.kind != Kind::kActive)
    return FailedPrecondition("model: " + key + " is not active");
  Snapshot committed = active->second;
  const std::string wanted = parent.value_or("");
  if (!wanted.empty() && wanted != committed.info.parent) {
    if (!committed.info.parent.empty()) return InvalidArgument("model: " + key + " has another parent");
    LM_ASSIGN(const auto below, Find(wanted));
    if (below->second.info.kind != Kind::kCommitted)
      return FailedPrecondition("model: parent is not committed");
    if (!rebase_) return Unimplemented("model: no rebase");
    committed.info.parent = wanted;
  }
  committed.info.kind = Kind::kCommitted;
  committed.info.name = name;
  committed.info.labels = WithoutEmpty(labels);
  committed.info.created_ns = committed.info.updated_ns = Now();
  snapshots_.erase(active);
  snapshots_.emplace(name, std::move(committed));
  return Status::Ok();
}

Status ModelSnapshotter::Remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LM_ASSIGN(const auto found, Find(key));
  const bool has_children = std::any_of(snapshots_.begin(), snapshots_.end(),
                                        [&](const auto& other) { return other.second.info.parent == key; });
  if (has_children) return FailedPrecondition("model: cannot remove " + key + ": it has children");
  snapshots_.erase(found);
  return Status::Ok();
}

Status ModelSnapshotter::Walk(const std::function<Status(const Info&)>& callback,
                              const std::vector<std::string>& filters) {
  LM_ASSIGN(const ModelFilters wanted, ModelFilters::Parse(filters));
  std::vector<Info> all;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return FailedPrecondition("model: closed");
    for (const auto& [key, snapshot] : snapshots_) all.push_back(snapshot.info);
  }
  for (const Info& info : all) {
    if (wanted.Pass(info)) LM_TRY(callback(info));
  }
  return Status::Ok();
}

Status ModelSnapshotter::Cleanup() {
  const std::lock_guard lock(mutex_);
  if (closed_) return FailedPrecondition("model: closed");
  return Unimplemented("model: nothing is reclaimed later");
}

Status ModelSnapshotter::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  return Status::Ok();
}

}  // namespace layermark
