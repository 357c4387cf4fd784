#include "core/sys/namespaces.h"

#include <fmt/core.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <iostream>
#include <utility>

#include "core/sys/mount.h"
#include "core/sys/spawn.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

int ExitCode(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

// The new namespaces as the body finds them.
Status PrepareWorld(const IsolationOptions& options) {
  LM_TRY(MakeMountsPrivate("/", options.slave_mounts));
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return Status::Errno("mount proc", "/proc");
  }
  return Status::Ok();
}

// Process 1 of the namespace. Its own signals stay blocked: they are meant for the body, which stands in the
// same group.
[[noreturn]] void RunInit(const IsolationOptions& options, const std::function<int()>& body, Fd lifeline,
                          internal::Pipe report, const sigset_t& caller_mask) {
  report.read = Fd();
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // The caller may have died before the line above; then its end of the lifeline is closed.
  pollfd alive = {lifeline.get(), POLLIN, 0};
  if (poll(&alive, 1, 0) != 0) _exit(128 + SIGKILL);
  setpgid(0, 0);
  if (const Status s = PrepareWorld(options); !s.ok()) {
    (void)WriteAll(report.write.get(), s.message());
    _exit(1);
  }
  const pid_t pid = fork();
  if (pid < 0) {
    (void)WriteAll(report.write.get(), Status::Errno("fork", "").message());
    _exit(1);
  }
  if (pid == 0) {
    lifeline = Fd();
    // In a background group the terminal must neither stop the body when it writes...
    signal(SIGTTOU, SIG_IGN);
    sigprocmask(SIG_SETMASK, &caller_mask, nullptr);
    report.write = Fd();  // ...nor may a signal be forwarded before it can arrive: the caller waits for this
    const int code = body();
    std::cout.flush();
    fflush(nullptr);
    _exit(code);
  }
  report.write = Fd();
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended == pid) _exit(ExitCode(status));  // whoever else is left in the namespace dies with us
    if (ended < 0 && errno != EINTR) _exit(1);
  }
}

// Waits for init and passes signals on to the group in which the body stands.
Result<int> WaitForInit(pid_t init, int pidfd, int signal_fd) {
  // A repeat within this time is the same request: `timeout` signals its child and then the child's group.
  constexpr auto kSameRequest = std::chrono::milliseconds(500);
  std::array<Clock::time_point, NSIG> last_forwarded = {};
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{pidfd, POLLIN, 0}, pollfd{signal_fd, POLLIN, 0}};
    if (poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return Status::Errno("poll", "isolated process");
    }
    if (fds[1].revents != 0) {
      signalfd_siginfo info;
      if (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTSTP) {
          kill(-init, SIGSTOP);
          raise(SIGSTOP);
          kill(-init, SIGCONT);
        } else {
          Clock::time_point& last = last_forwarded[info.ssi_signo];
          const auto now = Clock::now();
          if (last == Clock::time_point() || now - last > kSameRequest) {
            kill(-init, static_cast<int>(info.ssi_signo));
            last = now;
          }
        }
      }
    }
    if (fds[0].revents != 0) {
      int status = 0;
      while (waitpid(init, &status, 0) < 0) {
        if (errno != EINTR) return Status::Errno("waitpid", fmt::format("pid {}", init));
      }
      return ExitCode(status);
    }
  }
}

}  // namespace

Result<pid_t> Clone3(uint64_t flags, int* pidfd) {
  clone_args args = {};
  args.flags = flags;
  args.exit_signal = SIGCHLD;
  int fd = -1;
  if (pidfd != nullptr) {
    args.flags |= CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uintptr_t>(&fd);
  }
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return Status::Errno("clone3", "");
  if (pid > 0 && pidfd != nullptr) *pidfd = fd;
  return static_cast<pid_t>(pid);
}

Result<int> RunIsolated(const IsolationOptions& options, const std::function<int()>& body) {
  LM_ASSIGN(internal::Pipe lifeline, internal::MakePipe());
  LM_ASSIGN(internal::Pipe report, internal::MakePipe());
  sigset_t forwarded;
  sigset_t before;
  sigemptyset(&forwarded);
  for (const int signal : {SIGINT, SIGTERM, SIGTSTP}) sigaddset(&forwarded, signal);
  const Fd signal_fd(signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.valid()) return Status::Errno("signalfd", "");
  std::cout.flush();
  fflush(nullptr);  // what is buffered now would be written twice
  sigprocmask(SIG_BLOCK, &forwarded, &before);
  int raw_pidfd = -1;
  const Result<pid_t> init = Clone3(CLONE_NEWNS | CLONE_NEWPID, &raw_pidfd);
  if (init.ok() && *init == 0) {
    lifeline.write = Fd();
    RunInit(options, body, std::move(lifeline.read), std::move(report), before);
  }
  const Fd pidfd(raw_pidfd);
  lifeline.read = Fd();
  report.write = Fd();
  const Result<int> result = [&]() -> Result<int> {
    if (!init.ok()) return init.status();
    // Ends when the body is about to start, or with the reason why it cannot.
    Result<std::string> problem = ReadAll(report.read.get(), 4096);
    LM_ASSIGN(const int code, WaitForInit(*init, pidfd.get(), signal_fd.get()));
    if (!problem.ok()) return problem.status();
    if (!problem->empty()) return FailedPrecondition("isolation: " + *problem);
    return code;
  }();
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return result;
}

Status PivotRoot(const std::string& new_root) {
  if (chdir(new_root.c_str()) != 0) return Status::Errno("chdir", new_root);
  // With both names the same the old root comes to lie on top of the new one, so no directory is needed for
  // it.
  if (syscall(SYS_pivot_root, ".", ".") != 0) return Status::Errno("pivot_root", new_root);
  if (umount2(".", MNT_DETACH) != 0) return Status::Errno("umount", "old root");
  if (chdir("/") != 0) return Status::Errno("chdir", "/");
  return Status::Ok();
}

Status BringLoopbackUp() {
  const Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return Status::Errno("socket", "AF_INET");
  ifreq request = {};
  memcpy(request.ifr_name, "lo", sizeof("lo"));
  if (ioctl(socket_fd.get(), SIOCGIFFLAGS, &request) != 0) return Status::Errno("ioctl SIOCGIFFLAGS", "lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) return Status::Errno("ioctl SIOCSIFFLAGS", "lo");
  return Status::Ok();
}

}  // namespace layermark
