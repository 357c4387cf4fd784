// What the file system of a mounted snapshot makes of files that a lower layer brought, and what its mounts
// offer.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "scenario/capability_probes.h"

namespace layermark {
namespace {

Result<struct stat> StatOf(int dir_fd, const std::string& name) {
  struct stat st = {};
  if (fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("fstatat", name);
  return st;
}

Status Append(const ProbeContext& context, const std::string& name, std::string_view text) {
  LM_ASSIGN(Fd file, OpenAt(context.mount_fd, name, O_WRONLY | O_APPEND));
  return WriteAll(file.get(), text);
}

}  // namespace

Status ProbeFileHandles(const ProbeContext& context) {
  union {
    struct file_handle handle;
    char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  } room = {};
  room.handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(context.mount_fd, "lower_handle", &room.handle, &mount_id, 0) != 0) {
    return Status::Errno("name_to_handle_at", "lower_handle");
  }
  return {};
}

Status ProbeLinkAcrossCopyUp(const ProbeContext& context) {
  LM_TRY(Append(context, "lower_file", "more\n"));
  LM_ASSIGN(std::string seen, ReadFileAt(context.mount_fd, "lower_link", 1 << 20));
  if (seen == "lower\nmore\n") return {};
  return FailedPrecondition("write lower_file: its other name lower_link does not show the change");
}

Status ProbeConstantInode(const ProbeContext& context) {
  LM_ASSIGN(struct stat before, StatOf(context.mount_fd, "lower_inode"));
  LM_TRY(Append(context, "lower_inode", "more\n"));
  LM_ASSIGN(struct stat after, StatOf(context.mount_fd, "lower_inode"));
  if (before.st_ino == after.st_ino) return {};
  return FailedPrecondition("stat lower_inode: st_ino " + std::to_string(before.st_ino) + " became " +
                            std::to_string(after.st_ino) + " by the first write");
}

Status ProbeDevices(const ProbeContext& context) {
  LM_TRY(context.device_layer);
  LM_ASSIGN(Fd device, OpenAt(context.mount_fd, "lower_null", O_RDWR));
  struct stat st = {};
  if (fstat(device.get(), &st) != 0) return Status::Errno("fstat", "lower_null");
  if (!S_ISCHR(st.st_mode)) return DataLoss("open lower_null: not a character device");
  LM_TRY(WriteAll(device.get(), "gone"));
  LM_ASSIGN(std::string seen, ReadAll(device.get(), 16));
  return seen.empty() ? Status() : DataLoss("read lower_null: the null device gave data");
}

Status ProbeUpperVisible(const ProbeContext& context) {
  if (context.mounts.empty()) return FailedPrecondition("the snapshot has no mounts");
  std::string upper = MountOption(context.mounts.back(), "upperdir");
  if (upper.empty()) return FailedPrecondition("no option upperdir among the mounts");
  LM_TRY(WriteFileAt(context.mount_fd, "new_upper", "x"));
  LM_ASSIGN(Fd directory, Open(upper, O_RDONLY | O_DIRECTORY));
  LM_TRY(StatOf(directory.get(), "new_upper"));
  if (ExistsAt(directory.get(), "lower_untouched")) {
    return FailedPrecondition("upperdir holds lower_untouched, which the snapshot did not change");
  }
  return {};
}

Status ProbeFuseDaemon(const ProbeContext& context) {
  std::vector<pid_t> daemons;
  if (context.mounted != nullptr) daemons = context.mounted->daemon_pids();
  if (daemons.empty()) return FailedPrecondition("no FUSE daemon stands behind the mount");
  for (pid_t daemon : daemons) {
    if (kill(daemon, 0) != 0) return Status::Errno("kill", "FUSE daemon " + std::to_string(daemon));
  }
  return {};
}

}  // namespace layermark
