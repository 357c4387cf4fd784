// Workers: one function in a forked process with a deadline; a worker that dies or hangs is an answer, not
// the end.
//
// A worker is a process tree of its own: PID and mount namespaces (fresh /proc, mounts propagate in but never
// out) where the caller may make them. When the body ends or its deadline passes, everything that it started
// is killed and everything that it mounted is gone. No core files. Cost: about a millisecond per job.
#ifndef LAYERMARK_SCENARIO_WORKER_H_
#define LAYERMARK_SCENARIO_WORKER_H_

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/process.h"

namespace layermark {

struct WorkerJob {
  std::function<std::string()>
      body;  // runs in the child, in a mount namespace of its own; its text is the answer
  std::chrono::milliseconds deadline = std::chrono::seconds(60);
};

struct WorkerAnswer {
  size_t index = 0;   // of the job
  std::string text;   // what body returned, of any size; empty if it did not finish
  ExitStatus status;  // how the process ended
  double seconds = 0;
};

// Runs the jobs in at most `parallel` processes at a time and calls `done` in the calling process as each
// ends. `done` answering false (ok), or a pending interrupt (kCancelled; looked at every 100 ms), stops new
// jobs and kills the running ones, for which `done` is not called. Other errors: a worker could not be
// started or set up. `meanwhile`, if given, is called in the calling process at least every 100 ms or so.
// REQUIRES: no other thread in this process.
Status RunWorkers(std::vector<WorkerJob> jobs, int parallel,
                  const std::function<bool(const WorkerAnswer&)>& done,
                  const std::function<void()>& meanwhile = {});

// SIGINT/SIGTERM set a flag instead of ending the process; call once, early.
void InstallInterruptHandler();
bool Interrupted();
// The reason of what was selected and never begun because of that.
inline constexpr const char* kInterruptedBeforeItRan = "interrupted before it ran";

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_WORKER_H_
