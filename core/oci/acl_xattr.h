// POSIX ACLs that a tar carries as text (SCHILY.acl.*), as the xattrs that the kernel wants.
#ifndef LAYERMARK_CORE_OCI_ACL_XATTR_H_
#define LAYERMARK_CORE_OCI_ACL_XATTR_H_

#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

struct archive_entry;

namespace layermark {

// Adds system.posix_acl_access and system.posix_acl_default where the entry has extended ACLs in text form
// and `xattrs` does not hold the attribute already. ACLs of another kind (NFSv4) are kUnimplemented.
Status AppendAclXattrs(archive_entry* entry, std::vector<Xattr>* xattrs);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_ACL_XATTR_H_
