#include "scenario/http_get.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sys/process.h"

namespace layermark {
namespace {

// Serves one request with `answer` from a child on a port of the test's own; an empty answer only closes.
struct OneShotServer {
  explicit OneShotServer(const std::string& answer, bool hang = false) {
    Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<struct sockaddr*>(&address);
    EXPECT_EQ(bind(listener.get(), generic, sizeof(address)), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), generic, &size), 0);
    port = ntohs(address.sin_port);
    auto forked = ChildProcess::Fork([&](int request_fd) {
      int peer = accept(listener.get(), nullptr, nullptr);
      char request[4096];
      ssize_t n = read(peer, request, sizeof(request));
      if (n > 0) (void)WriteAll(request_fd, {request, static_cast<size_t>(n)});
      if (hang) pause();
      (void)WriteAll(peer, answer);
      close(peer);
      return 0;
    });
    EXPECT_TRUE(forked.ok());
    if (forked.ok()) child = std::move(*forked);
  }
  int port = 0;
  ChildProcess child;
};

Result<std::pair<int, std::string>> Get(int port, const std::string& path = "/",
                                        std::chrono::milliseconds patience = std::chrono::seconds(10)) {
  LM_ASSIGN(Fd socket, OpenTcpSocket());
  return HttpGet(socket.get(), port, path, std::chrono::steady_clock::now() + patience);
}

TEST(HttpGetTest, BringsStatusAndBody) {
  std::string body(300000, 'b');
  OneShotServer server("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n" + body);
  auto answer = Get(server.port, "/some/page");
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->first, 404);
  EXPECT_EQ(answer->second, body);
  ASSERT_TRUE(server.child.Wait(std::chrono::seconds(10)).ok());
  EXPECT_EQ(server.child.output().substr(0, 25), "GET /some/page HTTP/1.0\r\n");
}

TEST(HttpGetTest, NobodyListening) {
  int port = 0;
  {
    OneShotServer server("");
    port = server.port;
  }
  Status status = Get(port).status();
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  EXPECT_NE(status.message().find("ECONNREFUSED"), std::string::npos) << status.ToString();
}

TEST(HttpGetTest, ClosedWithoutAnAnswer) {
  OneShotServer server("");
  EXPECT_EQ(Get(server.port).status().code(), Code::kUnavailable);
}

TEST(HttpGetTest, NoHttp) {
  for (const char* answer : {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n"}) {
    OneShotServer server(answer);
    EXPECT_EQ(Get(server.port).status().code(), Code::kDataLoss) << answer;
  }
}

TEST(HttpGetTest, AServerThatHangs) {
  OneShotServer server("late", true);
  Status status = Get(server.port, "/", std::chrono::milliseconds(50)).status();
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded) << status.ToString();
}

TEST(HttpGetTest, NoSuchPort) {
  EXPECT_EQ(Get(70000).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace layermark
