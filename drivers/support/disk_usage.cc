#include "drivers/support/disk_usage.h"

#include <fcntl.h>

#include <set>
#include <utility>
#include <vector>

#include "core/sys/fd.h"

namespace layermark {
namespace {

// One directory on the way down. Only the deepest one has a descriptor; the way up goes through "..", so that
// the depth is not limited by the number of open files.
struct Level {
  std::vector<std::string> names;
  size_t next = 0;
  dev_t dev = 0;
  ino_t ino = 0;
};

Result<Level> EnterLevel(int fd, const struct stat& stat) {
  Level level;
  level.dev = stat.st_dev;
  level.ino = stat.st_ino;
  LM_ASSIGN(level.names, ListDir(fd));
  return level;
}

Result<Fd> OpenParent(int fd, const Level& expected, const std::string& root) {
  LM_ASSIGN(Fd parent, OpenAt(fd, "..", O_RDONLY | O_DIRECTORY));
  struct stat stat = {};
  if (fstat(parent.get(), &stat) != 0) return Status::Errno("fstat", root);
  if (stat.st_dev != expected.dev || stat.st_ino != expected.ino) {
    return Status(Code::kAborted, root + ": a directory was moved while it was walked");
  }
  return parent;
}

}  // namespace

Status VisitTree(const std::string& directory, const TreeVisitor& visit) {
  LM_ASSIGN(Fd fd, Open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat stat = {};
  if (fstat(fd.get(), &stat) != 0) return Status::Errno("fstat", directory);
  const dev_t device = stat.st_dev;
  LM_TRY(visit(fd.get(), ".", stat));
  std::vector<Level> levels;
  LM_ASSIGN(Level top, EnterLevel(fd.get(), stat));
  levels.push_back(std::move(top));
  while (true) {
    Level& level = levels.back();
    if (level.next == level.names.size()) {
      levels.pop_back();
      if (levels.empty()) return Status::Ok();
      LM_ASSIGN(fd, OpenParent(fd.get(), levels.back(), directory));
      continue;
    }
    const std::string name = level.names[level.next++];
    if (fstatat(fd.get(), name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return Status::Errno("fstatat", directory + ": " + name);
    }
    LM_TRY(visit(fd.get(), name, stat));
    if (!S_ISDIR(stat.st_mode) || stat.st_dev != device) continue;
    auto child = OpenAt(fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!child.ok() && child.status().error_number() == ENOENT) continue;
    if (!child.ok()) return child.status();
    fd = std::move(*child);
    LM_ASSIGN(Level below, EnterLevel(fd.get(), stat));
    levels.push_back(std::move(below));
  }
}

Result<Usage> DiskUsage(const std::string& directory) {
  Usage usage;
  std::set<std::pair<dev_t, ino_t>> seen;
  LM_TRY(VisitTree(directory, [&](int, const std::string&, const struct stat& stat) {
    // Only what has several names can come twice.
    if (stat.st_nlink > 1 && !seen.emplace(stat.st_dev, stat.st_ino).second) return Status::Ok();
    ++usage.inodes;
    usage.size_bytes += static_cast<int64_t>(stat.st_blocks) * 512;
    return Status::Ok();
  }));
  return usage;
}

}  // namespace layermark
