#include "core/sys/owners.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <sstream>
#include <utility>

#include "core/sys/fd.h"

namespace layermark {
namespace {

std::mutex& Mutex() {
  static std::mutex mutex;
  return mutex;
}

std::optional<std::string>& Noted() {
  static std::optional<std::string> noted;
  return noted;
}

bool IsMapped(const char* map_file, uid_t id) {
  const Result<std::string> map = ReadFile(map_file);
  return !map.ok() || MapHolds(*map, id);
}

// Hands on what chown answered.
int Noting(int answer, uid_t uid, gid_t gid) {
  if (answer == 0 || errno != EINVAL) return answer;
  if (!IsMapped("/proc/self/uid_map", uid) || !IsMapped("/proc/self/gid_map", gid)) {
    NoteUnmappedOwner(std::to_string(uid) + ":" + std::to_string(gid));
  }
  errno = EINVAL;
  return answer;
}

}  // namespace

int ChownAt(int directory_fd, const char* path, uid_t uid, gid_t gid, int flags) {
  return Noting(fchownat(directory_fd, path, uid, gid, flags), uid, gid);
}

int ChownFd(int fd, uid_t uid, gid_t gid) {
  return Noting(fchown(fd, uid, gid), uid, gid);
}

void NoteUnmappedOwner(const std::string& whom) {
  const std::scoped_lock lock(Mutex());
  if (!Noted()) Noted() = whom;
}

std::optional<std::string> TakeUnmappedOwner() {
  const std::scoped_lock lock(Mutex());
  return std::exchange(Noted(), std::nullopt);
}

bool MapHolds(std::string_view map, uid_t id) {
  if (id == static_cast<uid_t>(-1)) return true;
  std::istringstream rows{std::string(map)};
  for (int64_t inside = 0, outside = 0, count = 0; rows >> inside >> outside >> count;) {
    if (id >= inside && id < inside + count) return true;
  }
  return false;
}

}  // namespace layermark
