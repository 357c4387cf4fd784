// Mounting, in one place: the mounts that a Snapshotter returns are executed here and nowhere else.
//
// Uses the new mount API (fsopen, fsconfig, fsmount, move_mount; overlay layers one by one with "lowerdir+")
// and falls back to mount(2) where the kernel lacks it. Types "bind" and "none" with option bind/rbind make a
// bind mount, with "ro" truly read-only. "fuse.NAME" and "fuse3.NAME" run the program NAME (or the one that a
// source of the form PATH#src names) as "NAME -f -o OPTION... [SOURCE] TARGET", directly, without a shell,
// with the environment passed on; its process belongs to the Mounted object. Layer paths may hold ':' ',' '\'
// spaces and newlines; 500 layers work. (An upperdir with ':' is beyond fuse-overlayfs itself, which says
// so.)
//
// A file system in a file: a type other than bind and FUSE whose source is a regular file is given that file
// where it can take it (erofs since Linux 6.12), else, and always with the option "loop", a loop device over
// it that goes with the mount.
//
// A mount made of others, in containerd's form: the last mount of a list may have the type "format/TYPE";
// then those before it are mounted out of sight, each in a place of its own, and "{{ mount N }}" in its
// options stands for the place of the N-th, counted from 0. They go with it.
//
// Options: ro nosuid nodev noexec noatime relatime nodiratime strictatime nosymfollow (and their opposites)
// are attributes of the mount; "ro" makes the file system read-only as well, except with subvol= or
// subvolid=, where other mounts of the same device may be writable. bind, rbind and the propagation words are
// ours; all else goes to the file system as it stands.
//
// All of it needs CAP_SYS_ADMIN in the current mount namespace. A FUSE daemon dies with the thread that
// mounted. Threads: functions are thread safe; an object belongs to one thread at a time.
#ifndef LAYERMARK_CORE_SYS_MOUNT_H_
#define LAYERMARK_CORE_SYS_MOUNT_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace layermark {

// One mount as the contract states it (containerd's Mount). `options` are unescaped, one each; for overlay
// every layer is its own "lowerdir=PATH" element, topmost first (so that ':' in a path needs no escape).
struct Mount {
  std::string type;
  std::string source;
  std::string target;  // sub-path of the mount point; empty: the mount point itself
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

// The value of the first option "key=..." or empty; all values of it, in order.
std::string MountOption(const Mount& mount, std::string_view key);
std::vector<std::string> MountOptions(const Mount& mount, std::string_view key);
bool HasMountFlag(const Mount& mount, std::string_view flag);

// "a:b\\:c" -> {"a", "b:c"}: splits a list of layers as others write it (':' between, '\\' before a literal
// ':',
// ',' or '\\') into the elements that a Mount's lowerdir options hold.
std::vector<std::string> SplitLayerList(std::string_view list);

enum class MountApi { kNew, kOld };  // kOld forces mount(2), for tests and for comparison

// Owner of what was mounted at one target. Unmounts (lazily as a last resort) and ends the FUSE daemon when
// destroyed; Unmount() does the same and reports.
class Mounted {
 public:
  Mounted();
  Mounted(Mounted&&) noexcept;
  Mounted& operator=(Mounted&&) noexcept;
  ~Mounted();

  bool active() const;
  const std::string& target() const;
  // Unmounts in reverse order, waits for a FUSE daemon to end (5 s, then SIGKILL). EBUSY is retried for a
  // short time, then an error: kFailedPrecondition. After an error the object still owns what is mounted
  // still.
  Status Unmount();
  // MNT_DETACH; for cleaning up after a failure.
  Status UnmountLazily();
  // Gives the mount away: it stays until the mount namespace ends. A FUSE daemon lives on until the thread
  // that mounted ends.
  void Release();
  // Process ids of FUSE daemons behind this mount; empty for kernel file systems.
  std::vector<pid_t> daemon_pids() const;
  // What a FUSE daemon wrote to its standard error so far.
  std::string daemon_output() const;

 private:
  friend Result<Mounted> MountAll(const std::vector<Mount>&, const std::string&, MountApi);
  struct State;
  std::unique_ptr<State> state_;
};

// Executes the mounts of a snapshot at `target` (an existing directory), in order. On failure nothing stays
// mounted. The kernel's own explanation (fsconfig log) is part of the message.
Result<Mounted> MountAll(const std::vector<Mount>& mounts, const std::string& target,
                         MountApi api = MountApi::kNew);

// Process ids of all FUSE daemons that this process or an ancestor has started so far (the ancestor's as it
// sees them), those that have ended included. Thread safe.
std::vector<pid_t> StartedFuseDaemons();

// Bare building blocks for backing stores and the launcher.
Status MountFilesystem(const std::string& type, const std::string& source, const std::string& target,
                       const std::vector<std::string>& options, MountApi api = MountApi::kNew);
Status BindMount(const std::string& source, const std::string& target, bool recursive, bool read_only);
// mount(NULL, target, NULL, MS_REC | private/slave, NULL).
Status MakeMountsPrivate(const std::string& target, bool slave = false);
// umount2(2); a symlink at `target` is not followed.
Status UnmountPath(const std::string& target, int flags = 0);
// True where `path` is the root of a mount.
Result<bool> IsMountPoint(const std::string& path);

// One line of /proc/self/mountinfo, unescaped.
struct MountInfo {
  int id = 0;
  int parent_id = 0;
  dev_t dev = 0;
  std::string root, mount_point, mount_options, type, source, super_options;
};
Result<std::vector<MountInfo>> ReadMountInfo();

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_MOUNT_H_
