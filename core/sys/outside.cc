#include "core/sys/outside.h"

#include <fcntl.h>
#include <sys/mman.h>
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

// The number at the start of `text`, which it is taken from together with the blank after it.
int64_t TakeNumber(std::string& text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  text.erase(0, std::min(static_cast<size_t>(parsed.ptr - text.data()) + 1, text.size()));
  return number;
}

// A request is "NUMBER MILLISECONDS COMMAND", an answer "NUMBER CODE MESSAGE". The outputs are no pipes,
// which would break below a daemon that the command starts.
std::string Answer(std::string request) {
  const int64_t number = TakeNumber(request);
  const int64_t deadline_ms = TakeNumber(request);
  const Fd errors(memfd_create("layermark-outside-errors", MFD_CLOEXEC));
  const std::string redirected = "exec >/dev/null 2>/proc/" + std::to_string(getpid()) + "/fd/" +
                                 std::to_string(errors.get()) + "\n" + request;
  CommandOptions options;
  options.deadline = std::chrono::milliseconds(deadline_ms);
  const Result<CommandOutput> ran = RunCommand({"/bin/sh", "-c", redirected}, options);
  Status status = ran.status();
  if (ran.ok() && ran->status.timed_out) {
    status = Status(Code::kDeadlineExceeded, "no end within " + std::to_string(deadline_ms) + " ms");
  } else if (ran.ok() && !ran->status.success()) {
    std::string text(2000, '\0');
    const ssize_t bytes = pread(errors.get(), text.data(), text.size(), 0);
    text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
    status = Internal(ran->status.ToString() + ": " + text + ran->standard_error);
  }
  return std::to_string(number) + " " + std::to_string(static_cast<int>(status.code())) + " " +
         status.message();
}

// Ends when nobody holds the other end any more, and not in the middle of a command: that could leave a
// daemon killed and not started.
[[noreturn]] void Serve(int socket) {
  setsid();  // a Ctrl-C and a group's SIGTERM are for the program, which still tidies up
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
  // What a process asked for that died meanwhile is still answered: each looks for its own number.
  static int64_t count = 0;
  const int64_t number = int64_t{getpid()} * 1'000'000 + ++count;
  const std::string request = std::to_string(number) + " " + std::to_string(deadline.count()) + " " + command;
  if (request.size() > kMessageBytes) return InvalidArgument("the command is too long");
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_len = 1;
  while (fcntl(helper.lock.get(), F_SETLKW, &whole) != 0) {
    if (errno != EINTR) return Status::Errno("fcntl", "commands outside");
  }
  std::string answer;
  ssize_t bytes = send(helper.socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  while (bytes >= 0) {
    answer.resize(kMessageBytes);
    bytes = recv(helper.socket.get(), answer.data(), answer.size(), 0);
    if (bytes < 0 && errno == EINTR) {
      bytes = 0;
      continue;
    }
    if (bytes <= 0) break;
    answer.resize(static_cast<size_t>(bytes));
    if (TakeNumber(answer) == number) break;
  }
  const int error = errno;
  whole.l_type = F_UNLCK;
  (void)fcntl(helper.lock.get(), F_SETLK, &whole);
  if (bytes <= 0) return Status::Errno("recv", "commands outside", bytes == 0 ? EPIPE : error);
  const auto code = static_cast<Code>(TakeNumber(answer));
  return code == Code::kOk ? Status::Ok() : Status(code, command + ": " + answer);
}

}  // namespace layermark
