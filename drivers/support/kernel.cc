#include "drivers/support/kernel.h"

#include <sys/utsname.h>

#include <cstdio>

#include "core/sys/user_namespace.h"

namespace layermark {

Result<std::string> KernelVersion() {
  struct utsname name = {};
  if (uname(&name) != 0) return Status::Errno("uname", "");
  return std::string(name.sysname) + " " + name.release;
}

bool KernelAtLeast(int major, int minor) {
  struct utsname name = {};
  int running_major = 0;
  int running_minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &running_major, &running_minor) != 2)
    return false;
  return running_major > major || (running_major == major && running_minor >= minor);
}

CapabilitySet BackingCapabilities(const std::string& backing) {
  using enum Capability;
  CapabilitySet set = {xattr_user,   xattr_trusted,   xattr_security,      acl,
                       rename_dir,   rename_exchange, rename_noreplace,    tmpfile,
                       fallocate,    seek_hole,       direct_io,           inode_flags,
                       file_handles, devices,         link_across_copy_up, constant_inode};
  if (backing == "xfs" || backing == "btrfs") set.Add(reflink);
  if (backing == "tmpfs") {
    set.Remove(fallocate);  // punches holes, but does not know FALLOC_FL_ZERO_RANGE
    if (!KernelAtLeast(6, 6)) {
      set.Remove(xattr_user);
      set.Remove(direct_io);
    }
  }
  if (InUserNamespace()) {
    for (Capability only_roots : {xattr_trusted, inode_flags, devices}) set.Remove(only_roots);
  }
  return set;
}

}  // namespace layermark
