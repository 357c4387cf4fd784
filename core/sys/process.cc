#include "core/sys/process.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <utility>

#include "core/sys/spawn.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

// Milliseconds for poll(2), rounded up so that a wait does not spin through its last millisecond.
int PollTimeout(Clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

Clock::time_point DeadlineAfter(std::chrono::milliseconds wait) {
  const auto now = Clock::now();
  // A deadline of "never" must not wrap around.
  return wait > std::chrono::hours(24 * 365) ? now + std::chrono::hours(24 * 365) : now + wait;
}

ExitStatus Decode(int wait_status) {
  ExitStatus out;
  if (WIFEXITED(wait_status)) {
    out.code = WEXITSTATUS(wait_status);
  } else {
    out.signal = WTERMSIG(wait_status);
  }
  return out;
}

// REQUIRES: pid is an unreaped child of ours.
ExitStatus WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    // ECHILD: somebody set SIGCHLD to ignored; how it ended is lost then.
    if (errno != EINTR) return ExitStatus();
  }
  return Decode(status);
}

// The leader is not reaped yet, so the number cannot belong to a stranger.
void KillGroup(pid_t pid, int signal) {
  if (kill(-pid, signal) != 0) kill(pid, signal);
}

// Appends what can be read without blocking; closes `fd` at its end. False once `out` is longer than `max`.
bool ReadAvailable(Fd& fd, std::string& out, size_t max) {
  std::array<char, 65536> buffer;
  while (fd.valid()) {
    pollfd ready = {fd.get(), POLLIN, 0};
    const int rc = poll(&ready, 1, 0);
    if (rc < 0 && errno == EINTR) continue;
    if (rc <= 0) return true;
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) {
      fd = Fd();
      return true;
    }
    const size_t room = max - std::min(max, out.size());
    out.append(buffer.data(), std::min(room, static_cast<size_t>(n)));
    if (room < static_cast<size_t>(n)) return false;
  }
  return true;
}

std::string FirstLines(std::string_view text) {
  size_t end = 0;
  for (int line = 0; line < 5 && end < text.size(); ++line)
    end = std::min(text.find('\n', end), text.size()) + 1;
  std::string out(text.substr(0, std::min<size_t>(end, 2000)));
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out.empty() ? "no message" : out;
}

}  // namespace

std::string ExitStatus::ToString() const {
  if (timed_out) return "timed out";
  if (signal != 0) {
    const char* name = sigabbrev_np(signal);
    return name != nullptr ? fmt::format("killed by SIG{}", name)
                           : fmt::format("killed by signal {}", signal);
  }
  return fmt::format("exit {}", code);
}

std::optional<std::string> FindProgram(const std::string& program) {
  const auto usable = [](const std::string& path) {
    struct stat st;
    return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(path.c_str(), X_OK) == 0;
  };
  if (program.empty()) return std::nullopt;
  if (program.find('/') != std::string::npos) {
    return usable(program) ? std::optional(program) : std::nullopt;
  }
  const char* path_variable = getenv("PATH");
  std::string_view rest = path_variable != nullptr ? path_variable : "/usr/local/bin:/usr/bin:/bin";
  for (;;) {
    const size_t colon = rest.find(':');
    const std::string_view directory = rest.substr(0, colon);
    std::string candidate = fmt::format("{}/{}", directory.empty() ? "." : directory, program);
    if (usable(candidate)) return candidate;
    if (colon == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(colon + 1);
  }
}

Result<CommandOutput> RunCommand(const std::vector<std::string>& argv, const CommandOptions& options) {
  const Clock::time_point end = DeadlineAfter(options.deadline);
  LM_ASSIGN(Fd input, internal::MakeInput(options.standard_input));
  LM_ASSIGN(internal::Pipe out, internal::MakePipe());
  LM_ASSIGN(internal::Pipe err, internal::MakePipe());
  LM_ASSIGN(const pid_t pid, internal::SpawnProgram({argv, options.working_directory, options.environment,
                                                     input.get(), out.write.get(), err.write.get()}));
  out.write = Fd();
  err.write = Fd();
  Result<Fd> pidfd = internal::OpenPidfd(pid);
  if (!pidfd.ok()) {
    KillGroup(pid, SIGKILL);
    WaitFor(pid);
    return pidfd.status();
  }

  CommandOutput result;
  bool timed_out = false;
  bool fits = true;
  for (bool ended = false; !ended && fits;) {
    std::array<pollfd, 3> fds = {pollfd{out.read.get(), POLLIN, 0}, pollfd{err.read.get(), POLLIN, 0},
                                 pollfd{pidfd->get(), POLLIN, 0}};
    const int rc = poll(fds.data(), fds.size(), PollTimeout(end));
    if (rc < 0 && errno == EINTR) continue;
    ended = rc > 0 && fds[2].revents != 0;
    fits = ReadAvailable(out.read, result.standard_output, options.max_output_bytes) &&
           ReadAvailable(err.read, result.standard_error, options.max_output_bytes);
    if (!ended && Clock::now() >= end) {
      timed_out = true;
      break;
    }
  }
  if (timed_out || !fits) KillGroup(pid, SIGKILL);
  result.status = WaitFor(pid);
  result.status.timed_out = timed_out;
  if (!fits) {
    return Status(Code::kOutOfRange,
                  fmt::format("{}: wrote more than {} bytes", argv[0], options.max_output_bytes));
  }
  return result;
}

Result<std::string> RunCommandOk(const std::vector<std::string>& argv, const CommandOptions& options) {
  LM_ASSIGN(CommandOutput output, RunCommand(argv, options));
  if (output.status.success()) return std::move(output.standard_output);
  std::string command;
  for (const std::string& word : argv) command += (command.empty() ? "" : " ") + word;
  if (command.size() > 200) command = command.substr(0, 200) + "...";
  const std::string said =
      fmt::format("{}: {}: {}", command, output.status.ToString(), FirstLines(output.standard_error));
  if (output.status.timed_out) return Status(Code::kDeadlineExceeded, said);
  // A program has no errno to hand on, only its words for one.
  for (const int error : {ENOSPC, EDQUOT}) {
    if (output.standard_error.find(strerrordesc_np(error)) != std::string::npos)
      return Status(CodeFromErrno(error), fmt::format("{} ({})", said, ErrnoName(error)));
  }
  return Status(Code::kUnknown, said);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      max_output_bytes_(other.max_output_bytes_),
      pidfd_(std::move(other.pidfd_)),
      output_fd_(std::move(other.output_fd_)),
      output_(std::move(other.output_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    if (running()) {
      KillGroup(pid_, SIGKILL);
      (void)Reap();
    }
    pid_ = std::exchange(other.pid_, -1);
    max_output_bytes_ = other.max_output_bytes_;
    pidfd_ = std::move(other.pidfd_);
    output_fd_ = std::move(other.output_fd_);
    output_ = std::move(other.output_);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  if (!running()) return;
  KillGroup(pid_, SIGKILL);
  (void)Reap();
}

Result<ChildProcess> ChildProcess::Spawn(const std::vector<std::string>& argv,
                                         const CommandOptions& options) {
  LM_ASSIGN(Fd input, internal::MakeInput(options.standard_input));
  LM_ASSIGN(internal::Pipe pipe, internal::MakePipe());
  if (options.never_block_output && fcntl(pipe.write.get(), F_SETFL, O_WRONLY | O_NONBLOCK) != 0) {
    return Status::Errno("fcntl F_SETFL", "output pipe");
  }
  LM_ASSIGN(const pid_t pid, internal::SpawnProgram({argv, options.working_directory, options.environment,
                                                     input.get(), pipe.write.get(), pipe.write.get()}));
  ChildProcess child;
  child.pid_ = pid;
  child.max_output_bytes_ = options.max_output_bytes;
  child.output_fd_ = std::move(pipe.read);
  LM_ASSIGN(child.pidfd_, internal::OpenPidfd(pid));
  return child;
}

Result<ChildProcess> ChildProcess::Fork(const std::function<int(int answer_fd)>& body) {
  LM_ASSIGN(internal::Pipe pipe, internal::MakePipe());
  const pid_t parent = getpid();
  // What is buffered now would be written twice.
  fflush(nullptr);
  std::cout.flush();
  const pid_t pid = fork();
  if (pid < 0) return Status::Errno("fork", "");
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    const pid_t seen = getppid();
    if (seen != parent && seen != 0) _exit(127);
    pipe.read = Fd();
    const int code = body(pipe.write.get());
    std::cout.flush();
    fflush(nullptr);
    _exit(code);
  }
  setpgid(pid, pid);  // also here: the parent may signal the group before the child ran
  ChildProcess child;
  child.pid_ = pid;
  child.output_fd_ = std::move(pipe.read);
  LM_ASSIGN(child.pidfd_, internal::OpenPidfd(pid));
  return child;
}

ExitStatus ChildProcess::Reap() {
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  Drain();
  kill(-pid_, SIGKILL);  // stragglers of its group; the zombie still holds the number
  const ExitStatus status = WaitFor(pid_);
  pid_ = -1;
  pidfd_ = Fd();
  output_fd_ = Fd();
  return status;
}

Result<ExitStatus> ChildProcess::Wait(std::chrono::milliseconds deadline) {
  if (!running()) return FailedPrecondition("wait: no child runs");
  const Clock::time_point end = DeadlineAfter(deadline);
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{output_fd_.get(), POLLIN, 0}, pollfd{pidfd_.get(), POLLIN, 0}};
    const int rc = poll(fds.data(), fds.size(), PollTimeout(end));
    if (rc < 0 && errno == EINTR) continue;
    if (rc > 0 && fds[1].revents != 0) return Reap();
    Drain();
    if (Clock::now() >= end) {
      KillGroup(pid_, SIGKILL);
      ExitStatus status = Reap();
      status.timed_out = true;
      return status;
    }
  }
}

Result<std::optional<ExitStatus>> ChildProcess::Poll() {
  if (!running()) return FailedPrecondition("poll: no child runs");
  Drain();
  pollfd ended = {pidfd_.get(), POLLIN, 0};
  int rc;
  do {
    rc = poll(&ended, 1, 0);
  } while (rc < 0 && errno == EINTR);
  if (rc <= 0) return std::optional<ExitStatus>();
  return std::optional<ExitStatus>(Reap());
}

Status ChildProcess::Kill(int signal) {
  if (!running()) return FailedPrecondition("kill: no child runs");
  if (kill(-pid_, signal) != 0) return Status::Errno("kill", fmt::format("process group {}", pid_));
  return Status::Ok();
}

void ChildProcess::Release() {
  pid_ = -1;
  pidfd_ = Fd();
  // The pipe stays open on purpose: without a reader the child would get SIGPIPE at its next message.
  (void)output_fd_.Release();
}

void ChildProcess::Drain() {
  while (!ReadAvailable(output_fd_, output_, max_output_bytes_)) {
    // Beyond the limit: read on, so that the child is not blocked, and forget.
  }
}

}  // namespace layermark
