// Directories of snapshots: made with the exact mode, and with the attributes of the parent's root.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_DIRECTORY_H_
#define LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_DIRECTORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/mount.h"

namespace layermark {

// mkdir with `mode` whatever the umask. kAlreadyExists if it is there.
Status MakeDirectory(const std::string& path, mode_t mode);

// Gives the directory `to` owner, mode, extended attributes (ACLs too) and times of the directory `from`.
// Attributes that begin with one of `private_prefixes` belong to a union file system and stay behind.
Status CopyRootAttributes(const std::string& from, const std::string& to,
                          const std::vector<std::string>& private_prefixes = {});

// The bind mount that shows `directory`.
Mount BindOf(const std::string& directory, bool read_only);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SNAPSHOT_DIRECTORY_H_
