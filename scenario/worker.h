// Workers: one function in a forked process with a deadline; a worker that dies or hangs is an answer, not the end.
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
  std::function<std::string()> body;   // runs in the child, in a mount namespace of its own; its text is the answer
  std::chrono::milliseconds deadline = std::chrono::seconds(60);
};

struct WorkerAnswer {
  size_t index = 0;        // of the job
  std::string text;        // what body returned; empty if it did not finish
  ExitStatus status;       // how the process ended
  double seconds = 0;
};

// Runs the jobs in at most `parallel` processes at a time and calls `done` in the calling process as each ends.
// `done` answering false, or a pending interrupt (see Interrupted), stops new jobs and kills the running ones.
// REQUIRES: no other thread in this process.
Status RunWorkers(std::vector<WorkerJob> jobs, int parallel, const std::function<bool(const WorkerAnswer&)>& done);

// SIGINT/SIGTERM set a flag instead of ending the process; call once, early.
void InstallInterruptHandler();
bool Interrupted();

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_WORKER_H_
