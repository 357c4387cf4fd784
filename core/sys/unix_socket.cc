#include "core/sys/unix_socket.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <utility>

namespace layermark {
namespace {

Result<Fd> NewSocket() {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Status::Errno("socket", "AF_UNIX");
  return fd;
}

}  // namespace

Result<bool> SomebodyListens(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return InvalidArgument(fmt::format("\"{}\" cannot be the path of a socket: it is {}", path,
                                       path.empty() ? "empty" : "too long"));
  struct stat st = {};
  if (lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return false;
    return Status::Errno("lstat", path);
  }
  if (!S_ISSOCK(st.st_mode)) return FailedPrecondition(path + " exists and is no socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  LM_ASSIGN(const Fd fd, NewSocket());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  return Status::Errno("connect", path);
}

Result<std::optional<Fd>> HoldName(const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof(address.sun_path))
    return InvalidArgument(fmt::format("\"{}\" cannot be the name of a socket", name));
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  LM_ASSIGN(Fd fd, NewSocket());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
    return std::optional<Fd>(std::move(fd));
  if (errno == EADDRINUSE) return std::optional<Fd>();
  return Status::Errno("bind", name);
}

}  // namespace layermark
