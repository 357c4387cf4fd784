#include "bench/harness/tree_walk.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "core/sys/fd.h"

namespace layermark {
namespace {

class Walker {
 public:
  Walker(dev_t device, Walk how) : device_(device), how_(how) {
    if (how != Walk::kAttributes) buffer_.resize(size_t{1} << 20);
  }

  Status Directory(int parent_fd, const std::string& name) {
    LM_ASSIGN(Fd fd, OpenAt(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd.get()), closedir);
    if (!stream) return Status::Errno("fdopendir", name);
    (void)fd.Release();  // the stream's now
    const int dir_fd = dirfd(stream.get());
    std::vector<std::string> below;
    for (errno = 0; const dirent* entry = readdir(stream.get()); errno = 0) {
      const std::string_view child = entry->d_name;
      if (child == "." || child == "..") continue;
      struct stat info;
      if (fstatat(dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return Status::Errno("fstatat", entry->d_name);
      ++walk_.entries;
      if (S_ISDIR(info.st_mode) && info.st_dev == device_) below.emplace_back(child);
      if (!S_ISREG(info.st_mode)) continue;
      walk_.file_bytes += info.st_size;
      if (how_ != Walk::kAttributes) LM_TRY(Content(dir_fd, entry->d_name));
    }
    if (errno != 0) return Status::Errno("readdir", name);
    for (const std::string& child : below) LM_TRY(Directory(dir_fd, child));
    return Status::Ok();
  }

  const TreeWalk& walk() const { return walk_; }

 private:
  Status Content(int dir_fd, const char* name) {
    LM_ASSIGN(const Fd fd, OpenAt(dir_fd, name, O_RDONLY | O_NOFOLLOW));
    uint64_t sum = 1469598103934665603ULL;
    for (;;) {
      const ssize_t got = read(fd.get(), buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Status::Errno("read", name);
      if (got == 0) break;
      if (how_ != Walk::kChecksum) continue;
      for (ssize_t i = 0; i < got; ++i)
        sum = (sum ^ static_cast<unsigned char>(buffer_[static_cast<size_t>(i)])) * 1099511628211ULL;
    }
    if (how_ == Walk::kChecksum) walk_.sum += sum;
    return Status::Ok();
  }

  dev_t device_;
  Walk how_;
  std::string buffer_;
  TreeWalk walk_;
};

}  // namespace

Result<TreeWalk> WalkTree(int root_fd, Walk how) {
  struct stat info;
  if (fstat(root_fd, &info) != 0) return Status::Errno("fstat", "the tree's root");
  Walker walker(info.st_dev, how);
  LM_TRY(walker.Directory(root_fd, "."));
  return walker.walk();
}

}  // namespace layermark
