#include "scenario/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "core/sys/owners.h"
#include "core/sys/user_namespace.h"
#include "scenario/container_setup.h"
#include "scenario/http_get.h"

namespace layermark {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxOutputBytes = size_t{64} << 20;

struct Pipe {
  Fd read, write;
};

// The container's user owns the pipe, so that the program may open it again as /dev/stdout.
Result<Pipe> MakePipe(const ContainerSpec& spec) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::Errno("pipe2", "container output");
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  if (spec.uid != 0 && ChownFd(ends[1], spec.uid, spec.gid) != 0)
    return Status::Errno("fchown", "container output");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return pipe;
}

// Reads what is there; closes at the end of the stream. What is beyond the bound is dropped.
void Drain(Fd& fd, std::string& text) {
  char buffer[16384];
  while (fd.valid()) {
    ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n > 0) {
      if (text.size() < kMaxOutputBytes) text.append(buffer, static_cast<size_t>(n));
    } else if (n == 0) {
      fd = Fd();
    } else if (errno != EINTR) {
      return;
    }
  }
}

ExitStatus FromWait(int raw) {
  ExitStatus status;
  if (WIFEXITED(raw)) status.code = WEXITSTATUS(raw);
  if (WIFSIGNALED(raw)) status.signal = WTERMSIG(raw);
  return status;
}

int MillisecondsUntil(int64_t deadline_ns) {
  int64_t left = (deadline_ns - MonotonicNs()) / 1'000'000;
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

}  // namespace

Result<ContainerResult> RunContainer(const ContainerSpec& spec, milliseconds deadline) {
  ContainerResult result;
  Pipe out, err;
  LM_ASSIGN(Fd null, Open("/dev/null", O_RDWR));
  ContainerStdio stdio{null.get(), null.get(), null.get()};
  if (spec.capture_output) {
    LM_ASSIGN(out, MakePipe(spec));
    LM_ASSIGN(err, MakePipe(spec));
    stdio.out = out.write.get();
    stdio.err = err.write.get();
  }
  LM_ASSIGN(ContainerProcess process, StartContainerProcess(spec, stdio));
  out.write = Fd();
  err.write = Fd();

  int64_t deadline_ns = process.stamps.cloned + std::chrono::nanoseconds(deadline).count();
  bool timed_out = false;
  for (;;) {
    pollfd fds[3] = {
        {process.pidfd.get(), POLLIN, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    int ready = poll(fds, 3, timed_out ? -1 : MillisecondsUntil(deadline_ns));
    if (ready == 0) {
      timed_out = true;
      kill(process.pid, SIGKILL);  // init of its namespace: all of it ends
      continue;
    }
    if (fds[0].revents != 0) break;
    Drain(out.read, result.standard_output);
    Drain(err.read, result.standard_error);
  }
  int raw = 0;
  while (waitpid(process.pid, &raw, 0) < 0 && errno == EINTR) {
  }
  int64_t ended = MonotonicNs();
  Drain(out.read, result.standard_output);
  Drain(err.read, result.standard_error);
  result.status = FromWait(raw);
  result.status.timed_out = timed_out;
  const ContainerStamps& stamps = process.stamps;
  result.phases.clone_ns = stamps.running - stamps.cloned;
  result.phases.pivot_ns = stamps.pivoted - stamps.running;
  result.phases.exec_ns = ended - stamps.exec;
  result.phases.total_ns = ended - stamps.cloned;
  return result;
}

namespace {

// A TCP socket in the network namespace of a process, made by a thread that ends there.
Result<Fd> SocketOfThread(int pidfd) {
  Result<Fd> socket = Internal("no thread");
  std::thread([&] {
    socket = setns(pidfd, CLONE_NEWNET) == 0 ? OpenTcpSocket()
                                             : Status::Errno("setns", "the container's network namespace");
  }).join();
  return socket;
}

}  // namespace

struct Container::State {
  ContainerProcess process;
  Fd output;
  std::string text;
  bool own_network = false;
  bool apart = false;  // a thread that enters the network cannot come back, in a user namespace
  Fd outer_network;    // opened by the first HttpGet
  bool ended = false;
  ExitStatus status;

  ~State() {
    if (!ended) {
      kill(process.pid, SIGKILL);
      waitpid(process.pid, nullptr, 0);
    }
  }

  // Waits until the end or the deadline, reading the output meanwhile, so that the container never blocks on
  // it.
  bool WaitUntil(int64_t deadline_ns) {
    while (!ended) {
      pollfd fds[2] = {{process.pidfd.get(), POLLIN, 0}, {output.get(), POLLIN, 0}};
      int ready = poll(fds, 2, MillisecondsUntil(deadline_ns));
      Drain(output, text);
      int raw = 0;
      if (waitpid(process.pid, &raw, WNOHANG) == process.pid) {
        ended = true;
        status = FromWait(raw);
      } else if (ready == 0) {
        return false;
      }
    }
    Drain(output, text);
    return true;
  }
};

Container::Container(std::unique_ptr<State> state) : state_(std::move(state)) {}
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;
Container::~Container() = default;

Result<Container> Container::Start(const ContainerSpec& spec) {
  LM_ASSIGN(Fd null, Open("/dev/null", O_RDONLY));
  LM_ASSIGN(Pipe output, MakePipe(spec));
  LM_ASSIGN(ContainerProcess process,
            StartContainerProcess(spec, {null.get(), output.write.get(), output.write.get()}));
  auto state = std::make_unique<State>();
  state->process = std::move(process);
  state->output = std::move(output.read);
  state->own_network = spec.new_network;
  state->apart = InUserNamespace();
  return Container(std::move(state));
}

pid_t Container::pid() const {
  return state_->process.pid;
}

bool Container::Running() {
  return !state_->WaitUntil(MonotonicNs());
}

std::string Container::output() {
  Drain(state_->output, state_->text);
  return state_->text;
}

Result<std::pair<int, std::string>> Container::HttpGet(int port, const std::string& path,
                                                       milliseconds deadline) {
  Drain(state_->output, state_->text);
  auto until = std::chrono::steady_clock::now() + deadline;
  if (!state_->own_network) {
    LM_ASSIGN(Fd socket, OpenTcpSocket());
    return layermark::HttpGet(socket.get(), port, path, until);
  }
  if (state_->apart) {
    LM_ASSIGN(const Fd socket, SocketOfThread(state_->process.pidfd.get()));
    return layermark::HttpGet(socket.get(), port, path, until);
  }
  if (!state_->outer_network.valid()) {
    LM_ASSIGN(state_->outer_network, Open("/proc/thread-self/ns/net", O_RDONLY));
  }
  // A socket belongs to the namespace that it was made in, so this thread is inside for one call only.
  if (setns(state_->process.pidfd.get(), CLONE_NEWNET) != 0) {
    return Status::Errno("setns", "the container's network namespace");
  }
  Result<Fd> socket = OpenTcpSocket();
  if (setns(state_->outer_network.get(), CLONE_NEWNET) != 0) {
    return Status::Errno("setns", "back to the caller's network namespace");
  }
  if (!socket.ok()) return socket.status();
  return layermark::HttpGet(socket->get(), port, path, until);
}

Result<ExitStatus> Container::Stop(milliseconds grace) {
  if (!state_->WaitUntil(MonotonicNs())) {
    // Dropped by the kernel if the program, as init of its namespace, has no handler.
    if (kill(state_->process.pid, SIGTERM) != 0) return Status::Errno("kill", "SIGTERM");
    int64_t until = MonotonicNs() + std::chrono::nanoseconds(grace).count();
    if (!state_->WaitUntil(until)) {
      if (kill(state_->process.pid, SIGKILL) != 0) return Status::Errno("kill", "SIGKILL");
      if (!state_->WaitUntil(MonotonicNs() + int64_t{30'000'000'000})) {
        return Status(Code::kDeadlineExceeded, "the container did not end within 30 s of SIGKILL");
      }
    }
  }
  return state_->status;
}

}  // namespace layermark
