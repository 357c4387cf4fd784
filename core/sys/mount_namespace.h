// What the kernel offers for mount namespaces beyond unshare and clone.
#ifndef LAYERMARK_CORE_SYS_MOUNT_NAMESPACE_H_
#define LAYERMARK_CORE_SYS_MOUNT_NAMESPACE_H_

#include "core/result.h"

namespace layermark {

// Ok where open_tree(2) makes a mount namespace of a tree in one step (OPEN_TREE_NAMESPACE, Linux 7.0); else
// the call and its errno: EINVAL before that. Leaves nothing behind.
Status ProbeOpenTreeNamespace();

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_MOUNT_NAMESPACE_H_
