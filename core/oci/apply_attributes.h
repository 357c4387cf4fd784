// Owner, mode, xattrs and times of one object that an entry made or updated, in the order that keeps them:
// chown clears set-id bits and capabilities, so ids come first, then the mode, then xattrs, then times (L16).
#ifndef LAYERMARK_CORE_OCI_APPLY_ATTRIBUTES_H_
#define LAYERMARK_CORE_OCI_APPLY_ATTRIBUTES_H_

#include <sys/stat.h>

#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/oci/tar_reader.h"
#include "core/result.h"

namespace layermark {

struct AttributeTarget {
  int parent_fd = -1;
  std::string name;
  int fd = -1;            // the open file itself, where there is one
  bool inherits = false;  // it is new and its parent has a default ACL; or it is an old directory: xattrs
                          // that the entry does not hold are removed
};

// Xattrs that belong to the host or to a union file system: an application does not remove them (L35).
bool IsHostXattr(std::string_view name);

// Ids and mode where they differ from what `st` (the object's state now) says. A symlink has no mode.
Status ApplyOwnerAndMode(const AttributeTarget& target, const TarHeader& header, const struct stat& st);
Status ApplyXattrs(const AttributeTarget& target, const TarHeader& header, const ApplyOptions& options,
                   ApplyResult* result);
Status ApplyTimes(const AttributeTarget& target, const TarHeader& header);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_APPLY_ATTRIBUTES_H_
