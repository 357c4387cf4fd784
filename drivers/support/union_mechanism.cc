#include "drivers/support/union_mechanism.h"

#include "core/sys/fd.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark {
namespace {

std::string LayerOf(const std::string& directory) {
  return directory + "/fs";
}
std::string WorkOf(const std::string& directory) {
  return directory + "/work";
}

}  // namespace

Status UnionMechanism::Create(const StoredSnapshot& snapshot) {
  const bool has_parent = !snapshot.parent_directories.empty();
  if (snapshot.kind == Kind::kView && has_parent) return Status::Ok();
  LM_TRY(MakeDirectory(snapshot.directory, 0700));
  LM_TRY(MakeDirectory(LayerOf(snapshot.directory), 0755));
  if (!has_parent) return Status::Ok();
  LM_TRY(MakeDirectory(WorkOf(snapshot.directory), 0700));
  // The topmost layer's root is the one that the union shows.
  return CopyRootAttributes(LayerOf(snapshot.parent_directories[0]), LayerOf(snapshot.directory),
                            style_.private_xattr_prefixes);
}

Result<std::vector<Mount>> UnionMechanism::Mounts(const StoredSnapshot& snapshot) {
  const bool view = snapshot.kind == Kind::kView;
  const std::vector<std::string>& parents = snapshot.parent_directories;
  if (parents.empty()) return std::vector<Mount>{BindOf(LayerOf(snapshot.directory), view)};
  if (view && parents.size() == 1) return std::vector<Mount>{BindOf(LayerOf(parents[0]), true)};
  StackSpec spec;
  for (const std::string& parent : parents) spec.lowers.push_back(LayerOf(parent));
  if (!view) {
    spec.upper = LayerOf(snapshot.directory);
    spec.work = WorkOf(snapshot.directory);
    // Missing only after a Commit that ended between sealing and its record.
    if (!Exists(spec.work)) LM_TRY(MakeDirectory(spec.work, 0700));
    if (style_.refresh_work) LM_TRY(style_.refresh_work(spec.work));
  }
  return style_.mounts(spec);
}

Status UnionMechanism::Seal(const StoredSnapshot& snapshot) {
  return RemoveTree(WorkOf(snapshot.directory));
}

Status UnionMechanism::Destroy(int64_t, const std::string& directory) {
  return RemoveTree(directory);
}

Result<Usage> UnionMechanism::Measure(const StoredSnapshot& snapshot) {
  return DiskUsage(LayerOf(snapshot.directory));
}

Status UnionMechanism::Rebase(const StoredSnapshot&) {
  return Status::Ok();
}

}  // namespace layermark
