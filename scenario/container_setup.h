// The inside of a container start: the clone and what the child does until its exec. launcher.h is the
// interface; this is the part where every system call counts.
#ifndef LAYERMARK_SCENARIO_CONTAINER_SETUP_H_
#define LAYERMARK_SCENARIO_CONTAINER_SETUP_H_

#include <sys/types.h>

#include <cstdint>

#include "core/result.h"
#include "core/sys/fd.h"
#include "scenario/launcher.h"

namespace layermark {

struct ContainerStdio {
  int in = -1, out = -1, err = -1;
};

// Stamps of CLOCK_MONOTONIC, in nanoseconds.
struct ContainerStamps {
  int64_t cloned = 0;   // clone about to be called
  int64_t running = 0;  // the child's first instruction of ours
  int64_t pivoted = 0;  // the old root is gone
  int64_t exec = 0;     // execve about to be called
};

struct ContainerProcess {
  pid_t pid = -1;
  Fd pidfd;
  ContainerStamps stamps;
};

int64_t MonotonicNs();

// Answers once the program was executed, or the Status of the step that failed; then nothing is left of the
// child. The child shares the caller's memory until its exec (as vfork's does), so that starting does not
// cost more in a large process; the calling thread stands still meanwhile. The program dies with the calling
// thread.
Result<ContainerProcess> StartContainerProcess(const ContainerSpec& spec, const ContainerStdio& stdio);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_CONTAINER_SETUP_H_
