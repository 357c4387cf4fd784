// A user namespace in which the caller is root: mounting tmpfs, binds, overlayfs and FUSE without being root
// outside. Loop devices, block file systems, device nodes and other owners than the caller stay out of reach.
#ifndef LAYERMARK_CORE_SYS_USER_NAMESPACE_H_
#define LAYERMARK_CORE_SYS_USER_NAMESPACE_H_

#include "core/result.h"

namespace layermark {

// True where this process may make a mount namespace as it is.
bool MayMount();
// Moves the calling process into a new user namespace where its user and group are root, alone. Errors:
// kPermissionDenied where the system forbids it. REQUIRES: one thread.
Status EnterUserNamespace();

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_USER_NAMESPACE_H_
