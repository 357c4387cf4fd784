#include "results/accounting.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/sys/fd.h"
#include "core/tree/dir_walk.h"
#include "results/extents.h"
#include "results/union_marks.h"

namespace layermark {
namespace {

constexpr ino_t kSubvolumeRoot = 256;

struct InodeId {
  dev_t dev;
  ino_t ino;
  bool operator==(const InodeId&) const = default;
};
struct InodeHash {
  size_t operator()(const InodeId& id) const {
    return std::hash<uint64_t>()(id.ino * 0x9E3779B97F4A7C15u ^ id.dev);
  }
};
using InodeSet = std::unordered_set<InodeId, InodeHash>;

// Marked as copied up with its data. The mark's value is the lower file's handle, longer than UnionMark
// takes.
bool WasCopiedUp(int fd) {
  for (const char* name : {"trusted.overlay.metacopy", "user.overlay.metacopy"}) {
    if (fgetxattr(fd, name, nullptr, 0) >= 0) return false;
  }
  for (const char* name : {"trusted.overlay.origin", "user.overlay.origin", "user.fuseoverlayfs.origin"}) {
    if (fgetxattr(fd, name, nullptr, 0) >= 0) return true;
  }
  return false;
}

class Counter {
 public:
  explicit Counter(const SpaceOptions& options) : options_(options) {
    count_.extents_known = options.extents;
  }
  Status Run(const std::string& directory);
  SpaceCount Sum();

 private:
  bool Belongs(const struct stat& st) const {
    return st.st_dev == device_ || (subvolumes_ && S_ISDIR(st.st_mode) && st.st_ino == kSubvolumeRoot) ||
           devices_.contains(st.st_dev);
  }
  Status Visit(const WalkedName& met);
  // An inode that was not met before.
  Status CountInode(const struct stat& st, int dir_fd, const std::string& name, const std::string& path);
  void CountDirectory(int fd);
  Result<bool> IsWhiteout(const WalkedName& met);
  Status MapFile(const Fd& file);

  const SpaceOptions options_;
  dev_t device_ = 0;
  bool subvolumes_ = false;  // a file system whose directories can have another st_dev and still be its own
  std::unordered_set<dev_t> devices_;  // of subvolumes met
  InodeSet met_;
  InodeSet whiteout_inodes_;
  SpaceCount count_;
  Extents extents_;
};

Status Counter::Run(const std::string& directory) {
  LM_ASSIGN(Fd root, Open(directory, O_RDONLY | O_DIRECTORY | O_NOATIME));
  if (syncfs(root.get()) != 0) return Status::Errno("syncfs", directory);
  struct stat st;
  struct statfs fs;
  if (fstat(root.get(), &st) != 0) return Status::Errno("fstat", directory);
  if (fstatfs(root.get(), &fs) != 0) return Status::Errno("fstatfs", directory);
  device_ = st.st_dev;
  subvolumes_ = fs.f_type == BTRFS_SUPER_MAGIC;
  met_.insert({st.st_dev, st.st_ino});
  LM_TRY(CountInode(st, root.get(), ".", directory));
  CountDirectory(root.get());
  return WalkTree(
      std::move(root),
      [this](const struct stat& entry) {
        if (!Belongs(entry)) return false;
        devices_.insert(entry.st_dev);
        return true;
      },
      [this](const WalkedName& met) { return Visit(met).WithContext(met.path); });
}

Status Counter::Visit(const WalkedName& met) {
  if (!Belongs(met.st)) return Status::Ok();
  LM_ASSIGN(bool whiteout, IsWhiteout(met));
  if (whiteout) {
    ++count_.whiteouts;
    whiteout_inodes_.insert({met.st.st_dev, met.st.st_ino});
  }
  if (!met_.insert({met.st.st_dev, met.st.st_ino}).second) return Status::Ok();
  if (met.opened_fd >= 0) CountDirectory(met.opened_fd);
  return CountInode(met.st, met.dir_fd, met.name, met.path);
}

Status Counter::CountInode(const struct stat& st, int dir_fd, const std::string& name,
                           const std::string& path) {
  ++count_.inodes;
  count_.allocated_bytes += static_cast<int64_t>(st.st_blocks) * 512;
  if (S_ISDIR(st.st_mode)) ++count_.directories;
  if (S_ISLNK(st.st_mode)) ++count_.symlinks;
  if (!S_ISREG(st.st_mode)) return Status::Ok();
  ++count_.files;
  count_.logical_bytes += st.st_size;
  if (st.st_size == 0 && st.st_blocks == 0) return Status::Ok();
  const int64_t stored = std::min<int64_t>(st.st_size, static_cast<int64_t>(st.st_blocks) * 512);
  count_.stored_bytes += stored;
  if (!count_.extents_known && !options_.copied_up) return Status::Ok();
  LM_ASSIGN(Fd file, OpenForReading(dir_fd, name, path));
  if (options_.copied_up && WasCopiedUp(file.get())) count_.copied_up_bytes += stored;
  return MapFile(file);
}

Status Counter::MapFile(const Fd& file) {
  if (!count_.extents_known) return Status::Ok();
  Status mapped = AddExtents(file.get(), extents_);
  if (mapped.code() != Code::kUnimplemented) return mapped;
  count_.extents_known = false;
  return Status::Ok();
}

void Counter::CountDirectory(int fd) {
  if (UnionMark(fd, "opaque") == "y") ++count_.opaques;
}

Result<bool> Counter::IsWhiteout(const WalkedName& met) {
  if (S_ISCHR(met.st.st_mode)) return met.st.st_rdev == makedev(0, 0);
  if (!S_ISREG(met.st.st_mode) || met.st.st_size != 0) return false;
  // The attribute form counts only in a directory that says so; the same rule as the kernel's.
  if (UnionMark(met.dir_fd, "opaque") != "x") return false;
  LM_ASSIGN(Fd file, OpenForReading(met.dir_fd, met.name, met.path));
  return HasUnionMark(file.get(), "whiteout");
}

SpaceCount Counter::Sum() {
  count_.whiteout_inodes = static_cast<int64_t>(whiteout_inodes_.size());
  if (count_.extents_known) {
    count_.own_bytes = extents_.own.UnitedBytes() + extents_.inline_bytes;
    count_.shared_bytes = extents_.shared.UnitedBytes();
  }
  return count_;
}

}  // namespace

Result<SpaceCount> CountSpace(const std::string& directory, const SpaceOptions& options) {
  Counter counter(options);
  LM_TRY(counter.Run(directory));
  return counter.Sum();
}

}  // namespace layermark
