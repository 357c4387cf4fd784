// Child processes with a deadline, and functions run in a forked child.
//
// Children die with the thread that started them (PR_SET_PDEATHSIG, which the kernel ties to the thread) and
// stand in a process group of their own. They start with an empty signal mask, default handlers, and no
// descriptor beyond 0, 1 and 2. No shell is ever involved. Starting and waiting are thread safe.
#ifndef LAYERMARK_CORE_SYS_PROCESS_H_
#define LAYERMARK_CORE_SYS_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// How a process ended.
struct ExitStatus {
  int code = -1;   // exit status, or -1 if a signal ended it
  int signal = 0;  // the signal, or 0
  bool timed_out = false;
  bool success() const { return code == 0 && !timed_out; }
  std::string ToString() const;  // "exit 3", "killed by SIGSEGV", "timed out"
};

struct CommandOptions {
  std::string working_directory;                        // empty: the caller's
  std::optional<std::vector<std::string>> environment;  // nullopt: the caller's, "K=V" each otherwise
  std::string standard_input;
  std::chrono::milliseconds deadline = std::chrono::seconds(60);
  // RunCommand: more on either output is kOutOfRange and the child is killed. Spawn: what is beyond is
  // dropped.
  size_t max_output_bytes = size_t{16} << 20;
  // Spawn only: a child that writes while nobody drains loses what it wrote instead of being blocked. For
  // daemons.
  bool never_block_output = false;
};

struct CommandOutput {
  ExitStatus status;
  std::string standard_output;
  std::string standard_error;
};

// Runs argv[0] (looked up on PATH) to its end, reading both outputs. A child that outlives the deadline is
// killed with its process group; status.timed_out says so. Standard input is a file with
// options.standard_input. Processes that the child leaves behind live on; their output is not waited for.
// Fails only where the program could not be started (the Status names it) or wrote too much.
Result<CommandOutput> RunCommand(const std::vector<std::string>& argv, const CommandOptions& options = {});
// The same, with a non-zero exit turned into a Status that quotes the first lines of standard error.
// kResourceExhausted where they say that a file system is full (in English: set LC_ALL where that matters).
Result<std::string> RunCommandOk(const std::vector<std::string>& argv, const CommandOptions& options = {});
// True if `program` (a path or a name on PATH) can be executed; the path found.
std::optional<std::string> FindProgram(const std::string& program);

// A child process owned by this object: killed (SIGKILL, whole process group) and reaped on destruction. When
// the child has ended, what is left of its group is killed too. One thread at a time.
class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  // Starts argv with standard output and standard error into a pipe that output() drains. options.deadline is
  // not used: Wait has one.
  static Result<ChildProcess> Spawn(const std::vector<std::string>& argv, const CommandOptions& options = {});
  // Runs `body` in a forked child; its return value is the exit status. The child gets `write_fd`'s end of a
  // pipe for its answer through the argument. Stdio is flushed before the fork and at the child's end, which
  // is _exit: no destructor of the parent's objects runs in the child. REQUIRES: no other thread runs in this
  // process.
  static Result<ChildProcess> Fork(const std::function<int(int answer_fd)>& body);

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  // Waits until the end or the deadline; a child past its deadline is killed. Meanwhile drains the pipe.
  // REQUIRES: running().
  Result<ExitStatus> Wait(std::chrono::milliseconds deadline);
  // Non-blocking; nullopt while it runs. REQUIRES: running().
  Result<std::optional<ExitStatus>> Poll();
  // Sends `signal` to the whole group.
  Status Kill(int signal);
  // Lets the child live on when this object goes; it still dies with the thread that started it. Not reaped.
  void Release();
  // What came through the pipe so far (answer for Fork, standard error for Spawn).
  const std::string& output() const { return output_; }
  // The readable end of the pipe, for poll(2); -1 once it reached its end.
  int output_fd() const { return output_fd_.get(); }
  // Reads what is there without blocking.
  void Drain();

 private:
  ExitStatus Reap();

  pid_t pid_ = -1;
  size_t max_output_bytes_ = SIZE_MAX;
  Fd pidfd_;
  Fd output_fd_;
  std::string output_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_PROCESS_H_
