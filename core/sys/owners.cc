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

void Note(const std::string& whom) {
  const std::scoped_lock lock(Mutex());
  if (!Noted()) Noted() = whom;
}

// Hands on what chown answered.
int Noting(int answer, uid_t uid, gid_t gid) {
  if (answer == 0 || errno != EINVAL) return answer;
  (void)OwnerIsMapped(uid, gid);
  errno = EINVAL;
  return answer;
}

// A number of an access list, little-endian.
uint32_t NumberAt(std::string_view list, size_t at, size_t bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number |= uint32_t{static_cast<unsigned char>(list[at + i])} << (8 * i);
  return number;
}

}  // namespace

int ChownAt(int directory_fd, const char* path, uid_t uid, gid_t gid, int flags) {
  return Noting(fchownat(directory_fd, path, uid, gid, flags), uid, gid);
}

int ChownFd(int fd, uid_t uid, gid_t gid) {
  return Noting(fchown(fd, uid, gid), uid, gid);
}

bool OwnerIsMapped(uid_t uid, gid_t gid) {
  if (IsMapped("/proc/self/uid_map", uid) && IsMapped("/proc/self/gid_map", gid)) return true;
  Note(std::to_string(uid) + ":" + std::to_string(gid));
  return false;
}

bool OwnersOfAccessListAreMapped(std::string_view list) {
  constexpr size_t kHeaderBytes = 4, kEntryBytes = 8;  // tag, permissions, id
  constexpr uint32_t kUser = 0x02, kGroup = 0x08;
  for (size_t at = kHeaderBytes; at + kEntryBytes <= list.size(); at += kEntryBytes) {
    const uint32_t tag = NumberAt(list, at, 2);
    const uint32_t id = NumberAt(list, at + 4, 4);
    const bool mapped = tag == kUser    ? OwnerIsMapped(id, static_cast<gid_t>(-1))
                        : tag == kGroup ? OwnerIsMapped(static_cast<uid_t>(-1), id)
                                        : true;
    if (!mapped) return false;
  }
  return true;
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
