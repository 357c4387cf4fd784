#include "scenario/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace layermark {
namespace {

constexpr size_t kMaxAnswerBytes = size_t{64} << 20;

using Deadline = std::chrono::steady_clock::time_point;

Status Await(int fd, short events, Deadline deadline, const std::string& what) {
  for (;;) {
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    pollfd one = {fd, events, 0};
    int ready = poll(&one, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (ready > 0) return {};
    if (ready == 0) return {Code::kDeadlineExceeded, what + ": no answer in time"};
    if (errno != EINTR) return Status::Errno("poll", what);
  }
}

Status Unavailable(const std::string& operation, const std::string& where, int error) {
  return {Code::kUnavailable, operation + " " + where + ": " + ErrnoName(error)};
}

Result<std::pair<int, std::string>> Parse(const std::string& answer, const std::string& where) {
  int code = 0;
  size_t space = answer.find(' ');
  if (!answer.starts_with("HTTP/1.") || space == std::string::npos ||
      std::from_chars(answer.data() + space + 1, answer.data() + answer.size(), code).ec != std::errc()) {
    return DataLoss(where + ": the answer is not HTTP: " + answer.substr(0, 80));
  }
  size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos) return DataLoss(where + ": the answer ends in its header");
  return std::pair<int, std::string>(code, answer.substr(head + 4));
}

}  // namespace

Result<Fd> OpenTcpSocket() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Status::Errno("socket", "AF_INET");
  return Fd(fd);
}

Result<std::pair<int, std::string>> HttpGet(int socket_fd, int port, const std::string& path,
                                            Deadline deadline) {
  std::string where = "http://127.0.0.1:" + std::to_string(port) + path;
  if (port < 1 || port > 65535) return InvalidArgument("no such port: " + std::to_string(port));
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_fd, reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno != EINPROGRESS) return Unavailable("connect", where, errno);
    LM_TRY(Await(socket_fd, POLLOUT, deadline, "connect " + where));
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Unavailable("connect", where, error);
  }
  std::string request = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  for (size_t sent = 0; sent < request.size();) {
    ssize_t n = send(socket_fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      LM_TRY(Await(socket_fd, POLLOUT, deadline, "send " + where));
    } else if (errno != EINTR) {
      return Unavailable("send", where, errno);
    }
  }
  std::string answer;
  char buffer[16384];
  for (;;) {
    ssize_t n = recv(socket_fd, buffer, sizeof(buffer), 0);
    if (n == 0) break;
    if (n > 0) {
      answer.append(buffer, static_cast<size_t>(n));
      if (answer.size() > kMaxAnswerBytes) return DataLoss(where + ": the answer is over 64 MiB");
    } else if (errno == EAGAIN) {
      LM_TRY(Await(socket_fd, POLLIN, deadline, "receive " + where));
    } else if (errno != EINTR) {
      return Unavailable("receive", where, errno);
    }
  }
  if (answer.empty()) return Status(Code::kUnavailable, where + ": closed without an answer");
  return Parse(answer, where);
}

}  // namespace layermark
