#include "core/sys/spawn.h"

#include <fmt/core.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "core/sys/process.h"

namespace layermark {
namespace {

// All that the child needs, made before the fork: between vfork and exec it may call system calls only.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* working_directory;  // null: stay
  std::array<int, 3> stdio;       // each above 2, so that no dup2 overwrites a later source
  int report_fd;
  pid_t parent;
};

enum Stage : int { kStageDup, kStageChdir, kStageExec };

[[noreturn]] void RunChild(const Plan& plan) {
  int stage = kStageDup;
  const auto fail = [&] {
    const std::array<int, 2> report = {stage, errno};
    // The parent reads either both numbers or the end of the pipe; a failed write is the latter and the exit
    // status 127 tells the same, less exactly.
    if (write(plan.report_fd, report.data(), sizeof(report)) < 0) _exit(127);
    _exit(127);
  };
  // The parent's handlers must not run here: the memory is the parent's.
  struct sigaction action = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigaction(signal, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_DFL) continue;
    if (action.sa_handler == SIG_IGN && signal != SIGPIPE) continue;  // as nohup wants it
    action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // The parent may have died before the line above. 0 is a parent outside this PID namespace.
  const pid_t parent = getppid();
  if (parent != plan.parent && parent != 0) _exit(127);
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(plan.stdio[static_cast<size_t>(fd)], fd) < 0) fail();
  }
  // Descriptors that a library opened without O_CLOEXEC; a kernel without the call leaves only those.
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  stage = kStageChdir;
  if (plan.working_directory != nullptr && chdir(plan.working_directory) != 0) fail();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  stage = kStageExec;
  execve(plan.program, plan.argv, plan.environment);
  fail();
  _exit(127);
}

// Apart, so that no local of the caller lives in the frame that the child shares.
[[gnu::noinline]] pid_t StartChild(const Plan& plan) {
  const pid_t pid = vfork();
  if (pid == 0) RunChild(plan);
  return pid;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// A copy of `fd` above 2.
Result<Fd> Above2(int fd) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return Status::Errno("fcntl F_DUPFD_CLOEXEC", fmt::format("fd {}", fd));
  return Fd(copy);
}

}  // namespace

namespace internal {

Result<pid_t> SpawnProgram(const SpawnRequest& request) {
  if (request.argv.empty() || request.argv[0].empty()) return InvalidArgument("run: empty command");
  std::optional<std::string> program = FindProgram(request.argv[0]);
  if (!program) return Status::Errno("find program", request.argv[0], ENOENT);
  if (!program->starts_with('/') && !request.working_directory.empty()) {
    std::error_code error;  // it was found from here, and the child starts elsewhere
    program = std::filesystem::absolute(*program, error).string();
  }

  std::array<Fd, 3> stdio;
  LM_ASSIGN(stdio[0], Above2(request.standard_input));
  LM_ASSIGN(stdio[1], Above2(request.standard_output));
  LM_ASSIGN(stdio[2], Above2(request.standard_error));
  LM_ASSIGN(Pipe report, MakePipe());
  LM_ASSIGN(Fd report_fd, Above2(report.write.get()));
  report.write = Fd();

  const std::vector<char*> argv = Pointers(request.argv);
  std::vector<char*> environment;
  if (request.environment) environment = Pointers(*request.environment);
  Plan plan;
  plan.program = program->c_str();
  plan.argv = argv.data();
  plan.environment = request.environment ? environment.data() : environ;
  plan.working_directory = request.working_directory.empty() ? nullptr : request.working_directory.c_str();
  plan.stdio = {stdio[0].get(), stdio[1].get(), stdio[2].get()};
  plan.report_fd = report_fd.get();
  plan.parent = getpid();

  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = StartChild(plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Status::Errno("vfork", request.argv[0], fork_error);
  report_fd = Fd();

  Result<std::string> failure = ReadAll(report.read.get(), 64);
  if (!failure.ok()) return failure.status();
  if (failure->size() < 2 * sizeof(int)) return pid;
  std::array<int, 2> what;
  failure->copy(reinterpret_cast<char*>(what.data()), sizeof(what));
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (what[0] == kStageChdir) return Status::Errno("chdir", request.working_directory, what[1]);
  return Status::Errno(what[0] == kStageDup ? "dup2 for" : "execve", *program, what[1]);
}

Result<Fd> OpenPidfd(pid_t pid) {
  const long fd = syscall(SYS_pidfd_open, pid, 0U);
  if (fd < 0) return Status::Errno("pidfd_open", fmt::format("pid {}", pid));
  return Fd(static_cast<int>(fd));
}

Result<Fd> MakeInput(const std::string& data) {
  if (data.empty()) return Open("/dev/null", O_RDONLY);
  const int raw = memfd_create("input", MFD_CLOEXEC);
  if (raw < 0) return Status::Errno("memfd_create", "standard input");
  Fd fd(raw);
  LM_TRY(WriteAll(fd.get(), data));
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return Status::Errno("lseek", "standard input");
  return fd;
}

Result<Pipe> MakePipe() {
  std::array<int, 2> fds;
  if (pipe2(fds.data(), O_CLOEXEC) != 0) return Status::Errno("pipe2", "");
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

}  // namespace internal
}  // namespace layermark
