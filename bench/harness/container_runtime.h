// ContainerRuntime: starts of a container by crun or runc, beside those of our launcher.
//
// The programs run without managing control groups, so that nothing of theirs can stay on the host: crun is
// told so, runc takes a read-only hierarchy for the answer that there is none to be had. Their state lies in
// the workspace. Threads: one at a time.
#ifndef LAYERMARK_BENCH_HARNESS_CONTAINER_RUNTIME_H_
#define LAYERMARK_BENCH_HARNESS_CONTAINER_RUNTIME_H_

#include <chrono>
#include <string>

#include "core/result.h"

namespace layermark {

class ContainerRuntime {
 public:
  // `name`: "crun" or "runc". Covers /sys/fs/cgroup of this mount namespace with a read-only unified
  // hierarchy, which crun 1.8 insists on, and makes a bundle in the workspace. kNotFound: the program is
  // missing; else what could not be mounted. REQUIRES: a mount namespace of the caller's own.
  static Result<ContainerRuntime> Create(const std::string& name);

  // Runs `program` (a path in `root`) in new mount, pid, uts, ipc and net namespaces with a fresh /proc
  // (a directory that `root` must have) to its end; kInternal quotes what the runtime says.
  Status Run(const std::string& root, const std::string& program, std::chrono::milliseconds deadline);

 private:
  std::string name_, path_, bundle_, state_, root_, program_;
  int next_ = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_CONTAINER_RUNTIME_H_
