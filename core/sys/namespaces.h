// Namespaces: the private world in which all work happens, and the pieces of a container start.
#ifndef LAYERMARK_CORE_SYS_NAMESPACES_H_
#define LAYERMARK_CORE_SYS_NAMESPACES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

struct IsolationOptions {
  bool slave_mounts = false;  // slave instead of private propagation, so that a daemon's mounts are seen
};

// Runs `body` in a child that is init of a new PID namespace with a mount namespace of its own, /proc mounted
// afresh, and dies with the caller (PDEATHSIG). Orphans are reaped. SIGINT and SIGTERM that reach the caller
// are forwarded once to the child, so that it can finish its record; the caller holds no mount and no loop
// device. Returns body's exit status; 128+signal if it was killed. Needs CAP_SYS_ADMIN.
// The caller's other children, files and terminal are inherited. REQUIRES: no thread was started yet.
Result<int> RunIsolated(const IsolationOptions& options, const std::function<int()>& body);

// pivot_root into `new_root` (a mount point) and drop the old root. For the launcher's child.
Status PivotRoot(const std::string& new_root);
// Brings "lo" up in the current network namespace.
Status BringLoopbackUp();
// clone3(2) with exit signal SIGCHLD. Returns 0 in the child, the pid in the parent; flags are CLONE_NEW*.
// `pidfd` (may be null) receives a pidfd in the parent. Stack: the caller's, as fork does.
Result<pid_t> Clone3(uint64_t flags, int* pidfd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_NAMESPACES_H_
