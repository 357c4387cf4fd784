// What the files behind mount.h share. Nobody else includes this.
#ifndef LAYERMARK_CORE_SYS_MOUNT_INTERNAL_H_
#define LAYERMARK_CORE_SYS_MOUNT_INTERNAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"

namespace layermark::internal {

// The options of a Mount, sorted by who deals with them.
struct MountWords {
  uint64_t attributes = 0;           // MOUNT_ATTR_*
  bool sets_atime = false;           // one of the words about access times was given
  unsigned long ms_flags = 0;        // the same for mount(2)
  unsigned long ms_propagation = 0;  // MS_PRIVATE and so on, 0: as it comes; may have MS_REC
  bool bind = false;
  bool recursive = false;
  bool read_only = false;
  bool shares_superblock = false;       // subvol= or subvolid=
  std::vector<std::string> filesystem;  // the rest, in order
};
MountWords SortOptions(const std::vector<std::string>& options);

// "key=value" -> {"key", "value", true}; "flag" -> {"flag", "", false}.
struct KeyValue {
  std::string key;
  std::string value;
  bool has_value;
};
KeyValue SplitOption(const std::string& option);

// True for overlay's options whose value is one path.
bool IsLayerPathKey(std::string_view key);

std::string EscapeWith(std::string_view text, std::string_view special);  // '\' before each of them

// New mount API. `target` stands for an open O_PATH descriptor. `*kernel_lacks_it` is set where the failure
// only says that mount(2) is to be used.
Status MountFilesystemNew(const Mount& mount, const MountWords& words, int target_fd, bool* kernel_lacks_it);
Status BindMountNew(const std::string& source, const MountWords& words, int target_fd, bool* kernel_lacks_it);

// mount(2). `target` is an absolute path without symlinks.
Status MountFilesystemOld(const Mount& mount, const MountWords& words, const std::string& target);
Status BindMountOld(const std::string& source, const MountWords& words, const std::string& target);

// Runs the program of a fuse.NAME or fuse3.NAME mount and waits until the mount is there.
Result<ChildProcess> MountFuse(const Mount& mount, const std::string& target);

// The mount id of what an open descriptor stands on.
Result<uint64_t> MountIdOf(int fd, std::string_view shown);

}  // namespace layermark::internal

#endif  // LAYERMARK_CORE_SYS_MOUNT_INTERNAL_H_
