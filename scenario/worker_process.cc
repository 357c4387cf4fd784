#include "scenario/worker_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core/sys/namespaces.h"

#if defined(__SANITIZE_THREAD__)
// A worker may start threads; the thread sanitizer takes its fork for one of a process with threads and would
// end it.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
#endif

namespace layermark {

// Written by the head, read by the parent once the head has ended; the order comes from wait.
struct WorkerProcess::Shared {
  bool body_ended;
  int body_status;  // as waitpid answered
  int setup_errno;
  const char* setup_step;  // a literal: the same address in both processes
};

namespace {

void ResetSignals() {
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE}) {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunBody(const std::function<std::string()>& body, int answer_fd) {
  ResetSignals();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Status written = WriteAll(answer_fd, body());
  std::fflush(nullptr);
  _exit(written.ok() ? 0 : 111);
}

// Kills every child of this process, also those that a dead descendant left to it, until none is left.
void KillChildren() {
  for (;;) {
    FILE* children = std::fopen("/proc/thread-self/children", "re");
    if (children != nullptr) {
      int pid = 0;
      while (std::fscanf(children, "%d", &pid) == 1) kill(pid, SIGKILL);
      std::fclose(children);
    }
    pid_t gone = waitpid(-1, nullptr, children != nullptr ? 0 : WNOHANG);
    if (gone <= 0 && errno != EINTR) return;
  }
}

}  // namespace

void WorkerProcess::Unmap::operator()(Shared* shared) const {
  munmap(shared, sizeof(Shared));
}

Result<WorkerProcess> WorkerProcess::Start(const std::function<std::string()>& body) {
  void* page = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return Status::Errno("mmap", "worker page");
  WorkerProcess worker;
  worker.shared_.reset(static_cast<Shared*>(page));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::Errno("pipe2", "worker answer");
  worker.answer_ = Fd(ends[0]);
  Fd write_end(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::fflush(nullptr);  // what is buffered now must not be written by the child too

  int pidfd = -1;
  worker.namespaces_ = true;
  Result<pid_t> pid = Clone3(CLONE_NEWPID | CLONE_NEWNS, &pidfd);
  if (!pid.ok() && pid.status().error_number() == EPERM) {
    worker.namespaces_ = false;
    pid = Clone3(0, &pidfd);
  }
  if (!pid.ok()) return pid.status().WithContext("start worker");

  if (*pid == 0) {
    Shared& shared = *worker.shared_;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);  // a core file would land in the caller's directory
    ResetSignals();
    auto fail = [&shared](const char* step) {
      shared.setup_errno = errno;
      shared.setup_step = step;
      _exit(112);
    };
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    if (worker.namespaces_) {
      // Slave, not private: what a daemon outside mounts stays visible where the caller's namespace sees it.
      if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) fail("mount --make-rslave /");
      if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        fail("mount proc on /proc");
      }
    } else {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      sigprocmask(SIG_BLOCK, &signals, nullptr);
    }
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) RunBody(body, write_end.get());
    write_end = Fd();
    for (;;) {
      int status = 0;
      bool stop = false;
      if (!worker.namespaces_) stop = sigwaitinfo(&signals, nullptr) == SIGTERM;
      for (;;) {
        pid_t gone = waitpid(-1, &status, worker.namespaces_ ? 0 : WNOHANG);
        if (gone == child) {
          shared.body_status = status;
          shared.body_ended = true;
          stop = true;
        }
        if (gone <= 0 || stop) break;
      }
      if (stop) break;
    }
    // With a PID namespace the kernel now kills the rest; without one it is this loop's work.
    if (!worker.namespaces_) KillChildren();
    _exit(0);
  }
  worker.pid_ = *pid;
  worker.pidfd_ = Fd(pidfd);
  setpgid(*pid, *pid);  // by both sides, so that neither can be early
  return worker;
}

void WorkerProcess::Drain() {
  char buffer[65536];
  while (answer_.valid()) {
    ssize_t n = read(answer_.get(), buffer, sizeof(buffer));
    if (n > 0) {
      text_.append(buffer, static_cast<size_t>(n));
    } else if (n == 0) {
      answer_ = Fd();
    } else if (errno != EINTR) {
      if (errno != EAGAIN) answer_ = Fd();
      return;
    }
  }
}

bool WorkerProcess::Reap() {
  if (!reaped_ && waitpid(pid_, &head_status_, WNOHANG) == pid_) reaped_ = true;
  return reaped_;
}

void WorkerProcess::Kill() {
  kill(pid_, namespaces_ ? SIGKILL : SIGTERM);
}

void WorkerProcess::KillHard() {
  kill(-pid_, SIGKILL);
}

ExitStatus WorkerProcess::status() const {
  int raw = shared_->body_ended ? shared_->body_status : head_status_;
  ExitStatus status;
  if (WIFEXITED(raw)) status.code = WEXITSTATUS(raw);
  if (WIFSIGNALED(raw)) status.signal = WTERMSIG(raw);
  return status;
}

Status WorkerProcess::setup() const {
  if (shared_->setup_step == nullptr) return {};
  return Status::Errno(shared_->setup_step, "", shared_->setup_errno).WithContext("start worker");
}

}  // namespace layermark
