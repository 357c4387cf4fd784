// A child that shares the caller's memory, as vfork's does, with a stack of its own and in new namespaces.
#ifndef LAYERMARK_CORE_SYS_CLONE_ON_STACK_H_
#define LAYERMARK_CORE_SYS_CLONE_ON_STACK_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "core/result.h"

namespace layermark {

// Runs child(argument) in a new process on `stack`; what it returns is its exit status. clone3(2) with
// CLONE_VM, CLONE_VFORK, exit signal SIGCHLD and `flags` (CLONE_NEW*): the calling thread stands still until
// the child has executed a program or ended, the memory is one, no page table is copied. `pidfd` receives a
// descriptor of the child, which the caller closes. Where this library has no entry into clone3 for the
// processor, clone(2) does the same. Errors: those of clone3(2).
// REQUIRES: `stack` is not used by anyone else until the call returns; the child allocates nothing, takes no
// lock and ends with exec, _exit or by returning.
Result<pid_t> CloneOnStack(int (*child)(void*), void* argument, void* stack, size_t stack_bytes,
                           uint64_t flags, int* pidfd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_CLONE_ON_STACK_H_
