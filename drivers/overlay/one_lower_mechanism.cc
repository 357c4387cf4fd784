#include "drivers/overlay/one_lower_mechanism.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/sys/fd.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/link_farm.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark {
namespace {

constexpr char kOverlayPrefix[] = "trusted.overlay.";

std::string RootOf(const std::string& directory) {
  return directory + "/root";
}
std::string UpperOf(const std::string& directory) {
  return directory + "/upper";
}
std::string WorkOf(const std::string& directory) {
  return directory + "/work";
}

// What lies below the snapshot's upper directory.
std::string LowerOf(const StoredSnapshot& snapshot) {
  std::string own = RootOf(snapshot.directory);
  return Exists(own) ? own : RootOf(snapshot.parent_directories[0]);
}

Status MakeUpper(const std::string& directory, const std::string& lower) {
  LM_TRY(MakeDirectory(UpperOf(directory), 0755));
  LM_TRY(MakeDirectory(WorkOf(directory), 0700));
  // Overlayfs shows the upper directory's own attributes as the root's.
  return CopyRootAttributes(lower, UpperOf(directory), {kOverlayPrefix});
}

Status MakeRoot(const std::string& lower, const std::string& upper, const std::string& made) {
  LM_TRY(MakeDirectory(made, 0755));
  LM_TRY(LinkTree(lower, made));
  return LayUpperOver(upper, made, kOverlayPrefix);
}

Status Rename(const std::string& from, const std::string& to, unsigned flags) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0)
    return Status::Errno("renameat2", from);
  return Status::Ok();
}

}  // namespace

Status OneLowerMechanism::Create(const StoredSnapshot& snapshot) {
  const bool has_parent = !snapshot.parent_directories.empty();
  if (snapshot.kind == Kind::kView && has_parent) return Status::Ok();
  LM_TRY(MakeDirectory(snapshot.directory, 0700));
  if (!has_parent) return MakeDirectory(RootOf(snapshot.directory), 0755);
  return MakeUpper(snapshot.directory, RootOf(snapshot.parent_directories[0]));
}

Result<std::vector<Mount>> OneLowerMechanism::Mounts(const StoredSnapshot& snapshot) {
  const bool view = snapshot.kind == Kind::kView;
  if (snapshot.parent_directories.empty())
    return std::vector<Mount>{BindOf(RootOf(snapshot.directory), view)};
  if (view) return std::vector<Mount>{BindOf(RootOf(snapshot.parent_directories[0]), true)};
  StackSpec spec;
  spec.lowers = {LowerOf(snapshot)};
  spec.upper = UpperOf(snapshot.directory);
  spec.work = WorkOf(snapshot.directory);
  // Missing only after a Commit that ended between sealing and its record.
  if (!Exists(spec.upper)) {
    LM_TRY(RemoveTree(spec.work));
    LM_TRY(MakeUpper(snapshot.directory, spec.lowers[0]));
  }
  return mounts_(spec);
}

Status OneLowerMechanism::Seal(const StoredSnapshot& snapshot) {
  if (snapshot.parent_directories.empty()) return Status::Ok();
  const std::string upper = UpperOf(snapshot.directory);
  const std::string root = RootOf(snapshot.directory);
  const std::string made = root + ".new";
  const std::string gone = upper + ".gone";
  if (Exists(upper)) {
    LM_TRY(RemoveTree(made));
    if (Status status = MakeRoot(LowerOf(snapshot), upper, made); !status.ok()) {
      (void)RemoveTree(made);  // its links count in the parent; what stays goes with the snapshot
      return status;
    }
    LM_TRY(Rename(made, root, Exists(root) ? RENAME_EXCHANGE : 0));
    // In one step, so that no half of it is ever laid over the root.
    LM_TRY(RemoveTree(gone));
    LM_TRY(Rename(upper, gone, 0));
  }
  for (const std::string& path : {gone, made, WorkOf(snapshot.directory)}) LM_TRY(RemoveTree(path));
  return Status::Ok();
}

Status OneLowerMechanism::Destroy(int64_t, const std::string& directory) {
  return RemoveTree(directory);
}

Result<Usage> OneLowerMechanism::Measure(const StoredSnapshot& snapshot) {
  const std::string upper = UpperOf(snapshot.directory);
  if (Exists(upper)) return DiskUsage(upper);
  const std::string root = RootOf(snapshot.directory);
  if (snapshot.parent_directories.empty()) return DiskUsage(root);
  return UsageBeside(RootOf(snapshot.parent_directories[0]), root);
}

}  // namespace layermark
