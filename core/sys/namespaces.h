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

// Runs `body` in a process below init of a new PID namespace with a mount namespace of its own, /proc mounted
// afresh. Init reaps orphans, ends when body ends and takes all that is left in the namespace with it; it
// dies with the caller (PDEATHSIG), so that even kill -9 of the caller leaves no process, mount or loop
// device. The caller holds no mount and no loop device.
//
// Signals: init and body stand in a process group of their own, so that a Ctrl-C at the terminal reaches the
// caller alone, as does a kill. The caller passes SIGINT and SIGTERM on, each request once (a repeat within
// half a second counts as the same), and waits for body to finish its record. Ctrl-Z stops both. The body
// starts with the caller's signal mask and handlers, but SIGTTOU is ignored.
//
// Returns body's exit status; 128+signal if it was killed. Needs CAP_SYS_ADMIN. The caller's files and
// terminal are inherited; its other children are outside. REQUIRES: no thread was started yet.
Result<int> RunIsolated(const IsolationOptions& options, const std::function<int()>& body);

// pivot_root into `new_root` (a mount point) and drop the old root. For the launcher's child.
Status PivotRoot(const std::string& new_root);
// Brings "lo" up in the current network namespace.
Status BringLoopbackUp();
// clone3(2) with exit signal SIGCHLD. Returns 0 in the child, the pid in the parent; flags are CLONE_NEW*.
// `pidfd` (may be null) receives a pidfd in the parent, which the caller closes. The child works on a copy of
// the caller's memory and stack, as after fork, but the C library does not know about it: no atfork handler
// runs. REQUIRES: the child ends with exec or _exit; with other threads around it makes system calls only.
Result<pid_t> Clone3(uint64_t flags, int* pidfd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_NAMESPACES_H_
