#include "drivers/support/union_mechanism.h"

#include "core/sys/fd.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark {
namespace {

// The work directory is the layer's neighbour, so that a snapshot costs two directories and not three.
std::string WorkOf(const std::string& directory) {
  return directory + ".work";
}

}  // namespace

Status UnionMechanism::Create(const StoredSnapshot& snapshot) {
  const bool has_parent = !snapshot.parent_directories.empty();
  if (snapshot.kind == Kind::kView && has_parent) return Status::Ok();
  // Before its work directory and removed after it: what has a number and no record is found after a crash.
  LM_TRY(MakeDirectory(snapshot.directory, 0755));
  if (!has_parent) return Status::Ok();
  if (style_.has_work) LM_TRY(MakeDirectory(WorkOf(snapshot.directory), 0700));
  // The topmost layer's root is the one that the union shows.
  return CopyRootAttributes(snapshot.parent_directories[0], snapshot.directory,
                            style_.private_xattr_prefixes);
}

Result<std::vector<Mount>> UnionMechanism::Mounts(const StoredSnapshot& snapshot) {
  const bool view = snapshot.kind == Kind::kView;
  const std::vector<std::string>& parents = snapshot.parent_directories;
  if (parents.empty()) return std::vector<Mount>{BindOf(snapshot.directory, view)};
  if (view && parents.size() == 1) return std::vector<Mount>{BindOf(parents[0], true)};
  StackSpec spec;
  spec.lowers = parents;
  if (!view) {
    spec.upper = snapshot.directory;
    if (!style_.has_work) return style_.mounts(spec);
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
  LM_TRY(RemoveTree(WorkOf(directory)));
  return RemoveTree(directory);
}

Result<Usage> UnionMechanism::Measure(const StoredSnapshot& snapshot) {
  return DiskUsage(snapshot.directory);
}

Status UnionMechanism::Rebase(const StoredSnapshot&) {
  return Status::Ok();
}

}  // namespace layermark
