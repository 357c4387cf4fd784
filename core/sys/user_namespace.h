// A user namespace in which the caller is root: mounting tmpfs, binds, overlayfs and FUSE without being root
// outside. Loop devices, block file systems and device nodes stay out of reach, and of other owners there are
// as many as /etc/subuid and /etc/subgid give the caller (subuid(5)).
#ifndef LAYERMARK_CORE_SYS_USER_NAMESPACE_H_
#define LAYERMARK_CORE_SYS_USER_NAMESPACE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/result.h"

namespace layermark {

// True where this process is in a user namespace other than the machine's own: it may be root there, but
// device nodes, trusted.* attributes and inode flags are not for it.
bool InUserNamespace();
// True where this process may make a mount namespace as it is.
bool MayMount();
// Moves the calling process into a new user namespace where its user and group are root. With newuidmap,
// newgidmap and an entry for the caller in both files its further ids are 1 and up; without, it is alone.
// Errors: kPermissionDenied or kResourceExhausted where the system forbids it. REQUIRES: one thread.
Status EnterUserNamespace();
// How many owners a file can have here: the fewer of users and groups that are mapped.
int64_t MappedOwners();
// The first range of an /etc/subuid for this user (by name or number), as "START COUNT"; "" for none.
std::string SubordinateIds(const std::string& text, const std::string& user, uid_t uid);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_USER_NAMESPACE_H_
