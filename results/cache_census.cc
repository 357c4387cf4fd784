#include "results/cache_census.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <charconv>
#include <functional>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/page_cache.h"
#include "core/tree/dir_walk.h"

namespace layermark {
namespace {

constexpr ino_t kSubvolumeRoot = 256;
constexpr uint64_t kBtrfsTree = 1;

// Calls `visit` with each regular file below `directory`, open for reading, each inode once.
Status EachFile(const std::string& directory,
                const std::function<Status(int fd, const struct stat&)>& visit) {
  LM_ASSIGN(Fd root, Open(directory, O_RDONLY | O_DIRECTORY | O_NOATIME));
  struct stat top;
  struct statfs fs;
  if (fstat(root.get(), &top) != 0) return Status::Errno("fstat", directory);
  if (fstatfs(root.get(), &fs) != 0) return Status::Errno("fstatfs", directory);
  std::set<dev_t> devices = {top.st_dev};
  std::set<std::pair<dev_t, ino_t>> met;
  return WalkTree(
      std::move(root),
      [&](const struct stat& entry) {
        const bool subvolume = fs.f_type == BTRFS_SUPER_MAGIC && entry.st_ino == kSubvolumeRoot;
        if (!subvolume && !devices.contains(entry.st_dev)) return false;
        devices.insert(entry.st_dev);
        return true;
      },
      [&](const WalkedName& name) {
        if (!S_ISREG(name.st.st_mode) || !devices.contains(name.st.st_dev)) return Status::Ok();
        if (!met.insert({name.st.st_dev, name.st.st_ino}).second) return Status::Ok();
        LM_ASSIGN(const Fd file, OpenForReading(name.dir_fd, name.name, name.path));
        return visit(file.get(), name.st).WithContext(name.path);
      });
}

Result<int64_t> NumberOf(const std::string& vmstat, const std::string& name) {
  const size_t at = vmstat.starts_with(name + " ") ? 0 : vmstat.find("\n" + name + " ");
  if (at == std::string::npos) return NotFound(fmt::format("vmstat: no {}", name));
  const char* begin = vmstat.data() + vmstat.find(' ', at + 1) + 1;
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(begin, vmstat.data() + vmstat.size(), number);
  if (error != std::errc()) return InvalidArgument(fmt::format("vmstat: {} is no number", name));
  return number;
}

}  // namespace

Result<int64_t> CachedBytes(int fd, int64_t size) {
  Result<int64_t> bytes = CachedBytesByCachestat(fd);
  if (bytes.ok() || bytes.status().code() != Code::kUnimplemented) return bytes;
  return CachedBytesByMincore(fd, size);
}

Result<int64_t> CachedBytesBelow(const std::string& directory) {
  int64_t sum = 0;
  LM_TRY(EachFile(directory, [&](int fd, const struct stat& st) -> Status {
    LM_ASSIGN(const int64_t bytes, CachedBytes(fd, st.st_size));
    sum += bytes;
    return Status::Ok();
  }));
  return sum;
}

Status DropCacheBelow(const std::string& directory) {
  LM_ASSIGN(const Fd root, Open(directory, O_RDONLY | O_DIRECTORY));
  if (syncfs(root.get()) != 0) return Status::Errno("syncfs", directory);
  return EachFile(directory, [](int fd, const struct stat&) { return DropCache(fd); });
}

std::vector<Tracepoint> CacheTracepoints() {
  return {{"filemap", "mm_filemap_add_to_page_cache", {"s_dev", "i_ino", "order"}},
          {"filemap", "mm_filemap_delete_from_page_cache", {"s_dev", "i_ino", "order"}}};
}

int64_t CachedBytesByEvents(const std::vector<TracepointCount>& counts, const std::set<dev_t>& devices,
                            size_t first_tracepoint) {
  int64_t pages = 0;
  for (const TracepointCount& row : counts) {
    const auto device = static_cast<dev_t>(row.fields[0]);
    if (row.tracepoint < first_tracepoint || !devices.contains(device) || row.fields[1] == kBtrfsTree)
      continue;
    const int64_t of_row = row.count << row.fields[2];
    pages += row.tracepoint == first_tracepoint ? of_row : -of_row;
  }
  return pages * sysconf(_SC_PAGESIZE);
}

Result<dev_t> DeviceOfMount(const std::string& path) {
  // Not stat's: on btrfs each subvolume shows a device of its own. The kernel has 20 bits for the minor
  // number.
  const auto in_kernel = [](dev_t dev) { return (static_cast<dev_t>(major(dev)) << 20) | minor(dev); };
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  const MountInfo* best = nullptr;
  for (const MountInfo& mount : mounts) {
    const std::string& point = mount.mount_point;
    const bool above = point == "/" || path == point || path.starts_with(point + "/");
    if (above && (best == nullptr || point.size() >= best->mount_point.size())) best = &mount;
  }
  if (best == nullptr) return NotFound(fmt::format("mountinfo: no mount above {}", path));
  return in_kernel(best->dev);
}

Result<int64_t> ParseFilePages(const std::string& vmstat, int64_t page_size) {
  LM_ASSIGN(const int64_t file, NumberOf(vmstat, "nr_file_pages"));
  LM_ASSIGN(const int64_t shmem, NumberOf(vmstat, "nr_shmem"));
  return (file - shmem) * page_size;
}

Result<int64_t> MachineFileBytes() {
  (void)ReadFile("/proc/sys/vm/stat_refresh");  // an older kernel has none, and its numbers lag a little
  LM_ASSIGN(const std::string text, ReadFile("/proc/vmstat"));
  return ParseFilePages(text, sysconf(_SC_PAGESIZE));
}

}  // namespace layermark
