#include "drivers/support/copy_mechanism.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"
#include "core/sys/user_namespace.h"
#include "core/tree/layer.h"
#include "drivers/support/disk_usage.h"
#include "drivers/support/snapshot_directory.h"

namespace layermark {
namespace {

Status CopyInto(const std::string& from, const std::string& to, const CopyStyle& style) {
  LM_ASSIGN(Fd source, Open(from, O_PATH | O_DIRECTORY));
  LM_ASSIGN(Fd target, Open(to, O_PATH | O_DIRECTORY));
  CopyOptions options;
  options.method = style.method;
  options.threads = style.threads;
  return CopyTree(source.get(), target.get(), options).status();
}

}  // namespace

bool CopyMechanism::ShowsParent(const StoredSnapshot& snapshot) const {
  return style_.views_bind_parent && snapshot.kind == Kind::kView && !snapshot.parent_directories.empty();
}

Status CopyMechanism::Create(const StoredSnapshot& snapshot) {
  if (ShowsParent(snapshot)) return Status::Ok();
  LM_TRY(MakeDirectory(snapshot.directory, 0755));
  if (snapshot.parent_directories.empty()) return Status::Ok();
  // The nearest parent holds all that its own parents brought.
  return CopyInto(snapshot.parent_directories.front(), snapshot.directory, style_);
}

Result<std::vector<Mount>> CopyMechanism::Mounts(const StoredSnapshot& snapshot) {
  const std::string& shown = ShowsParent(snapshot) ? snapshot.parent_directories.front() : snapshot.directory;
  return std::vector<Mount>{BindOf(shown, snapshot.kind == Kind::kView)};
}

Status CopyMechanism::Seal(const StoredSnapshot& snapshot) {
  if (!style_.sync_commits) return Status::Ok();
  LM_ASSIGN(Fd directory, Open(snapshot.directory, O_RDONLY | O_DIRECTORY));
  if (syncfs(directory.get()) != 0) return Status::Errno("syncfs", snapshot.directory);
  return Status::Ok();
}

Status CopyMechanism::Destroy(int64_t, const std::string& directory) {
  return RemoveTree(directory);
}

Result<Usage> CopyMechanism::Measure(const StoredSnapshot& snapshot) {
  return DiskUsage(snapshot.directory);
}

std::vector<OptionRow> CopyOptionRows() {
  return {{"sync", {"off", "on"}, "flush the file system at each commit (default off)"},
          {"threads", {"auto", "1", "2", "4"}, "threads of a copy (default auto: one per core, at most 4)"}};
}

CopyStyle WithOptions(CopyStyle style, const DriverOptions& options) {
  if (auto sync = options.find("sync"); sync != options.end()) style.sync_commits = sync->second == "on";
  if (auto threads = options.find("threads"); threads != options.end() && threads->second != "auto") {
    style.threads = threads->second.front() - '0';
  }
  return style;
}

Status ProbeCopy(const CopyStyle& style, const std::string& directory) {
  LM_ASSIGN(TempTree tree, TempTree::Create(directory, "probe"));
  const std::string from = tree.path() + "/from";
  const std::string to = tree.path() + "/to";
  const std::string shown = tree.path() + "/shown";
  for (const std::string& path : {from, to, shown}) LM_TRY(MakeDirectory(path, 0755));
  {
    LM_ASSIGN(Fd root, Open(from, O_RDONLY | O_DIRECTORY));
    Layer layer;
    layer.Dir("d", 0750)
        .File("d/f", std::string(5000, 'x'), 04755)
        .Link("d/again", "d/f")
        .Symlink("s", "d/f");
    layer.Fifo("p").Mknod("whiteout", S_IFCHR, 0);
    LM_TRY(ApplyLayer(layer, root.get()));
    // What a user namespace does not let us give to a file need not be copied either.
    const auto refused = [](int error) { return InUserNamespace() && (error == EPERM || error == EINVAL); };
    if (fchownat(root.get(), "d", 1, 1, AT_SYMLINK_NOFOLLOW) != 0 && !refused(errno))
      return Status::Errno("fchownat", "d");
    const Status attribute = SetXattrAt(root.get(), "d", "trusted.probe", "1");
    if (!attribute.ok() && !refused(attribute.error_number())) return attribute;
  }
  LM_TRY(CopyInto(from, to, style));
  LM_ASSIGN(Mounted mounted, MountAll({BindOf(to, true)}, shown));
  if (Status written = WriteFile(shown + "/new", "x"); written.error_number() != EROFS) {
    return FailedPrecondition("a read-only bind mount does not refuse writing: " + written.ToString());
  }
  LM_TRY(mounted.Unmount());
  return tree.Remove();
}

}  // namespace layermark
