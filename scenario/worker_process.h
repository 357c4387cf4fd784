// WorkerProcess: one job in a process tree of its own, for RunWorkers.
//
// The tree's head is init of a new PID namespace with a mount namespace of its own, and runs the body in a
// child: when the head ends, the kernel kills whatever the body left running (a FUSE daemon, a cp) in
// whatever session, and its mounts go with the namespace. Without the privilege for namespaces the head is a
// child subreaper that kills what is left one by one. Threads: single-threaded, as fork demands.
#ifndef LAYERMARK_SCENARIO_WORKER_PROCESS_H_
#define LAYERMARK_SCENARIO_WORKER_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {

class WorkerProcess {
 public:
  // REQUIRES: no other thread runs in this process.
  static Result<WorkerProcess> Start(const std::function<std::string()>& body);
  WorkerProcess(WorkerProcess&&) noexcept = default;
  WorkerProcess& operator=(WorkerProcess&&) noexcept = default;
  ~WorkerProcess() = default;  // does not kill: RunWorkers does, on each of its ways out

  // For poll(2): readable when the answer grows (-1 after its end), and when the head has ended.
  int answer_fd() const { return answer_.get(); }
  int exit_fd() const { return pidfd_.get(); }

  // Reads what is there without blocking.
  void Drain();
  // Reaps the head without blocking; true once it has ended.
  bool Reap();
  // Asks for the end of the whole tree: at once with namespaces; else a TERM that makes the head kill its
  // tree.
  void Kill();
  // Ends the process group for good, whatever the head is doing.
  void KillHard();

  // REQUIRES: Reap() answered true.
  ExitStatus status() const;
  // kOk, or why the tree could not be set up (the body did not run).
  Status setup() const;
  std::string TakeText() { return std::move(text_); }

 private:
  struct Shared;
  struct Unmap {
    void operator()(Shared* shared) const;
  };
  WorkerProcess() = default;

  pid_t pid_ = -1;
  bool namespaces_ = false;
  bool reaped_ = false;
  int head_status_ = 0;
  Fd pidfd_, answer_;
  std::unique_ptr<Shared, Unmap> shared_;
  std::string text_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_WORKER_PROCESS_H_
