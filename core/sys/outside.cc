#include "core/sys/outside.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

constexpr size_t kMessageBytes = size_t{64} << 10;

struct Helper {
  Fd socket;  // ours
  Fd lock;    // whose first byte a process locks for the time of its command
};

Helper& TheHelper() {
  static Helper helper;
  return helper;
}

// A request is "MILLISECONDS COMMAND", an answer "CODE MESSAGE".
std::string Answer(const std::string& request) {
  int64_t deadline_ms = 0;
  const auto parsed = std::from_chars(request.data(), request.data() + request.size(), deadline_ms);
  CommandOptions options;
  options.deadline = std::chrono::milliseconds(deadline_ms);
  const Result<CommandOutput> ran = RunCommand(
      {"/bin/sh", "-c", request.substr(static_cast<size_t>(parsed.ptr - request.data()) + 1)}, options);
  Status status = ran.status();
  if (ran.ok() && ran->status.timed_out) {
    status = Status(Code::kDeadlineExceeded, "no end within " + std::to_string(deadline_ms) + " ms");
  } else if (ran.ok() && !ran->status.success()) {
    status = Internal(ran->status.ToString() + ": " + ran->standard_error.substr(0, 2000));
  }
  return std::to_string(static_cast<int>(status.code())) + " " + status.message();
}

[[noreturn]] void Serve(int socket) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);  // a Ctrl-C is for the program, which still tidies up
  std::string request(kMessageBytes, '\0');
  for (;;) {
    const ssize_t bytes = recv(socket, request.data(), request.size(), 0);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) _exit(0);
    const std::string answer = Answer(request.substr(0, static_cast<size_t>(bytes)));
    (void)send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
}

}  // namespace

Status StartOutside() {
  Helper& helper = TheHelper();
  if (helper.socket.valid()) return Status::Ok();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return Status::Errno("socketpair", "commands outside");
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  Fd lock(memfd_create("layermark-outside", MFD_CLOEXEC));
  if (!lock.valid()) return Status::Errno("memfd_create", "commands outside");
  const pid_t pid = fork();
  if (pid < 0) return Status::Errno("fork", "commands outside");
  if (pid == 0) {
    ours = Fd();
    Serve(theirs.get());
  }
  helper.socket = std::move(ours);
  helper.lock = std::move(lock);
  return Status::Ok();
}

Status RunOutside(const std::string& command, std::chrono::milliseconds deadline) {
  const Helper& helper = TheHelper();
  if (!helper.socket.valid()) return FailedPrecondition("nobody runs commands outside");
  const std::string request = std::to_string(deadline.count()) + " " + command;
  if (request.size() > kMessageBytes) return InvalidArgument("the command is too long");
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_len = 1;
  while (fcntl(helper.lock.get(), F_SETLKW, &whole) != 0) {
    if (errno != EINTR) return Status::Errno("fcntl", "commands outside");
  }
  std::string answer(kMessageBytes, '\0');
  ssize_t bytes = send(helper.socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (bytes >= 0) {
    do {
      bytes = recv(helper.socket.get(), answer.data(), answer.size(), 0);
    } while (bytes < 0 && errno == EINTR);
  }
  const int error = errno;
  whole.l_type = F_UNLCK;
  (void)fcntl(helper.lock.get(), F_SETLK, &whole);
  if (bytes <= 0) return Status::Errno("recv", "commands outside", bytes == 0 ? EPIPE : error);
  answer.resize(static_cast<size_t>(bytes));
  int code = 0;
  const auto parsed = std::from_chars(answer.data(), answer.data() + answer.size(), code);
  if (code == 0) return Status::Ok();
  const auto text = static_cast<size_t>(parsed.ptr - answer.data()) + 1;
  return Status(static_cast<Code>(code), command + ": " + answer.substr(std::min(text, answer.size())));
}

}  // namespace layermark
