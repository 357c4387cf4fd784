// One HTTP GET over a given socket: just enough to ask a web server in a container whether it serves.
#ifndef LAYERMARK_SCENARIO_HTTP_GET_H_
#define LAYERMARK_SCENARIO_HTTP_GET_H_

#include <chrono>
#include <string>
#include <utility>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// A non-blocking TCP socket in the calling thread's network namespace.
Result<Fd> OpenTcpSocket();

// Connects to 127.0.0.1:port and asks for `path` with HTTP/1.0. Status code and body. kUnavailable: connect
// or the answer failed (nobody listens yet); kDeadlineExceeded; kDataLoss: what came back is not HTTP, or
// over 64 MiB.
Result<std::pair<int, std::string>> HttpGet(int socket_fd, int port, const std::string& path,
                                            std::chrono::steady_clock::time_point deadline);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_HTTP_GET_H_
