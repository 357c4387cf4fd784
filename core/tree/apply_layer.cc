// ApplyLayer: the tree language performed on a real directory, one system call after the other.
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/owners.h"
#include "core/tree/layer.h"

namespace layermark {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

timespec ToTimespec(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  timespec ts = {};
  ts.tv_sec = seconds;
  ts.tv_nsec = rest;
  return ts;
}

int64_t ToNs(const timespec& ts) {
  return int64_t{ts.tv_sec} * kNsPerSecond + ts.tv_nsec;
}

// Relative, no empty component, no "." and "..". "" is the root.
bool IsPlainPath(const std::string& path) {
  if (path.empty()) return true;
  if (path.find('\0') != std::string::npos) return false;
  size_t start = 0;
  while (start <= path.size()) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string_view part(path.data() + start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = end + 1;
  }
  return true;
}

Status OpenDirNoSymlinks(int dir_fd, const std::string& path, Fd* out) {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  long fd = syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
  if (fd < 0) return Status::Errno("openat2", path);
  *out = Fd(static_cast<int>(fd));
  return Status::Ok();
}

// A path split into the directory it is in, opened without following a symlink, and its last component.
// The root itself is the component "." of the root.
struct Place {
  Fd owned;
  int parent_fd = -1;
  std::string parent;
  std::string name;
  bool is_root = false;
};

Result<Place> Locate(int root_fd, const std::string& path) {
  // Longer paths are resolved piece by piece, so that PATH_MAX is no limit.
  constexpr size_t kPiece = 4000;
  if (!IsPlainPath(path)) return InvalidArgument("not a plain relative path");
  Place place;
  place.parent_fd = root_fd;
  if (path.empty()) {
    place.name = ".";
    place.is_root = true;
    return place;
  }
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    place.name = path;
    return place;
  }
  place.parent = path.substr(0, slash);
  place.name = path.substr(slash + 1);
  size_t start = 0;
  while (start < place.parent.size()) {
    size_t end = place.parent.size();
    if (end - start > kPiece) {
      end = place.parent.rfind('/', start + kPiece);
      if (end == std::string::npos || end <= start)
        return Status::Errno("openat2", place.parent, ENAMETOOLONG);
    }
    Fd next;
    LM_TRY(OpenDirNoSymlinks(place.parent_fd, place.parent.substr(start, end - start), &next));
    place.owned = std::move(next);
    place.parent_fd = place.owned.get();
    start = end + 1;
  }
  return place;
}

class Applier {
 public:
  explicit Applier(int root_fd) : root_fd_(root_fd) {}

  Status Perform(const Step& step, int64_t default_mtime_ns);
  Status RestoreDirectoryTimes();

 private:
  Status MakeDir(const Step& step, const Place& at);
  Status WriteNewFile(const Step& step, const Place& at);
  Status ReplaceOrCreateFile(const Step& step, const Place& at);
  Status ChangeContent(const Step& step, const Place& at);
  Status MakeSymlink(const Step& step, const Place& at);
  Status MakeLink(const Step& step, const Place& at);
  Status MakeNode(const Step& step, const Place& at);
  Status RemoveOne(const Step& step, const Place& at);
  Status RemoveAll(const Step& step, const Place& at);
  Status Rename(const Step& step, const Place& from);
  Status Chmod(const Step& step, const Place& at);
  Status SetTimes(const Step& step, const Place& at);
  static Status SetAttribute(const Step& step, const Place& at);

  Status FinishFile(const Step& step, Fd fd, bool set_mode);
  Status SetDefaultMtime(const Place& at, const std::string& path);
  // Notes what the parent's mtime is to be at the end, if nothing said so yet. Call before changing the
  // parent.
  Status TouchParent(const Place& at);
  void ForgetBelow(const std::string& path);
  void MoveBelow(const std::string& from, const std::string& to);

  int root_fd_;
  int64_t default_mtime_ns_ = 0;
  std::map<std::string, int64_t> directory_mtimes_;
};

Result<struct stat> Lstat(const Place& at, const std::string& path) {
  struct stat st = {};
  if (fstatat(at.parent_fd, at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return Status::Errno("fstatat", path);
  return st;
}

// The errno for an object that is not a regular file where one is needed.
int NotRegularErrno(mode_t mode) {
  if (S_ISDIR(mode)) return EISDIR;
  if (S_ISLNK(mode)) return ELOOP;
  return EINVAL;
}

Status Applier::TouchParent(const Place& at) {
  if (directory_mtimes_.contains(at.parent)) return Status::Ok();
  struct stat st = {};
  // "." and not AT_EMPTY_PATH: the root descriptor may be any directory descriptor.
  if (fstatat(at.parent_fd, ".", &st, 0) != 0) return Status::Errno("fstatat", at.parent);
  directory_mtimes_[at.parent] = ToNs(st.st_mtim);
  return Status::Ok();
}

void Applier::ForgetBelow(const std::string& path) {
  directory_mtimes_.erase(path);
  const std::string prefix = path + "/";
  auto it = directory_mtimes_.lower_bound(prefix);
  while (it != directory_mtimes_.end() && it->first.starts_with(prefix)) it = directory_mtimes_.erase(it);
}

void Applier::MoveBelow(const std::string& from, const std::string& to) {
  const std::string prefix = from + "/";
  std::map<std::string, int64_t> moved;
  if (auto own = directory_mtimes_.extract(from)) moved[to] = own.mapped();
  auto it = directory_mtimes_.lower_bound(prefix);
  while (it != directory_mtimes_.end() && it->first.starts_with(prefix)) {
    moved[to + it->first.substr(from.size())] = it->second;
    it = directory_mtimes_.erase(it);
  }
  directory_mtimes_.merge(moved);
}

Status Applier::RestoreDirectoryTimes() {
  Status first;
  // Deepest first: on some unions the change of a child's attributes shows on its parent.
  for (auto it = directory_mtimes_.rbegin(); it != directory_mtimes_.rend(); ++it) {
    // "x" is only there to get the directory itself as the parent.
    auto place = Locate(root_fd_, it->first.empty() ? "x" : it->first + "/x");
    Status status = place.status();
    if (status.ok()) {
      timespec times[2] = {{0, UTIME_OMIT}, ToTimespec(it->second)};
      if (utimensat(place->parent_fd, ".", times, 0) != 0) status = Status::Errno("utimensat", it->first);
    }
    if (first.ok()) first = status;
  }
  return first;
}

Status Applier::SetDefaultMtime(const Place& at, const std::string& path) {
  timespec times[2] = {ToTimespec(default_mtime_ns_), ToTimespec(default_mtime_ns_)};
  if (utimensat(at.parent_fd, at.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return Status::Errno("utimensat", path);
  }
  return Status::Ok();
}

Status Applier::MakeDir(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("mkdirat", step.path, EEXIST);
  LM_TRY(TouchParent(at));
  if (mkdirat(at.parent_fd, at.name.c_str(), step.mode & 07777) != 0)
    return Status::Errno("mkdirat", step.path);
  if (fchmodat(at.parent_fd, at.name.c_str(), step.mode & 07777, 0) != 0)
    return Status::Errno("fchmodat", step.path);
  directory_mtimes_[step.path] = default_mtime_ns_;
  return Status::Ok();
}

Status Applier::FinishFile(const Step& step, Fd fd, bool set_mode) {
  if (set_mode && fchmod(fd.get(), step.mode & 07777) != 0) return Status::Errno("fchmod", step.path);
  timespec times[2] = {ToTimespec(default_mtime_ns_), ToTimespec(default_mtime_ns_)};
  if (futimens(fd.get(), times) != 0) return Status::Errno("futimens", step.path);
  return fd.Close();
}

Status Applier::WriteNewFile(const Step& step, const Place& at) {
  LM_TRY(TouchParent(at));
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  LM_ASSIGN(Fd fd, OpenAt(at.parent_fd, at.name, kFlags, step.mode & 07777));
  if (step.op == StepOp::kSparse) {
    if (ftruncate(fd.get(), step.size) != 0) return Status::Errno("ftruncate", step.path);
    LM_TRY(PWriteAll(fd.get(), step.data, step.offset));
  } else {
    LM_TRY(WriteAll(fd.get(), step.data));
  }
  return FinishFile(step, std::move(fd), true);
}

Status Applier::ReplaceOrCreateFile(const Step& step, const Place& at) {
  struct stat st = {};
  if (fstatat(at.parent_fd, at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return Status::Errno("fstatat", step.path);
    return WriteNewFile(step, at);
  }
  if (!S_ISREG(st.st_mode)) return Status::Errno("open", step.path, NotRegularErrno(st.st_mode));
  LM_ASSIGN(Fd fd, OpenAt(at.parent_fd, at.name, O_WRONLY | O_TRUNC | O_NOFOLLOW));
  LM_TRY(WriteAll(fd.get(), step.data));
  return FinishFile(step, std::move(fd), true);
}

Status Applier::ChangeContent(const Step& step, const Place& at) {
  LM_ASSIGN(struct stat st, Lstat(at, step.path));
  if (!S_ISREG(st.st_mode)) return Status::Errno("open", step.path, NotRegularErrno(st.st_mode));
  LM_ASSIGN(Fd fd, OpenAt(at.parent_fd, at.name, O_WRONLY | O_NOFOLLOW));
  if (step.op == StepOp::kTruncate) {
    if (ftruncate(fd.get(), step.size) != 0) return Status::Errno("ftruncate", step.path);
  } else {
    LM_TRY(PWriteAll(fd.get(), step.data, step.offset));
  }
  return FinishFile(step, std::move(fd), false);
}

Status Applier::MakeSymlink(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("symlinkat", step.path, EEXIST);
  LM_TRY(TouchParent(at));
  if (symlinkat(step.target.c_str(), at.parent_fd, at.name.c_str()) != 0) {
    return Status::Errno("symlinkat", step.path);
  }
  return SetDefaultMtime(at, step.path);
}

Status Applier::MakeLink(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("linkat", step.path, EEXIST);
  LM_ASSIGN(Place existing, Locate(root_fd_, step.target));
  LM_TRY(TouchParent(at));
  if (linkat(existing.parent_fd, existing.name.c_str(), at.parent_fd, at.name.c_str(), 0) != 0) {
    return Status::Errno("linkat", step.path);
  }
  return Status::Ok();
}

Status Applier::MakeNode(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("mknodat", step.path, EEXIST);
  LM_TRY(TouchParent(at));
  if (mknodat(at.parent_fd, at.name.c_str(), step.mode, step.rdev) != 0)
    return Status::Errno("mknodat", step.path);
  if (fchmodat(at.parent_fd, at.name.c_str(), step.mode & 07777, 0) != 0)
    return Status::Errno("fchmodat", step.path);
  return SetDefaultMtime(at, step.path);
}

Status Applier::RemoveOne(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("unlinkat", step.path, EBUSY);
  LM_ASSIGN(struct stat st, Lstat(at, step.path));
  LM_TRY(TouchParent(at));
  if (unlinkat(at.parent_fd, at.name.c_str(), S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) {
    return Status::Errno("unlinkat", step.path);
  }
  ForgetBelow(step.path);
  return Status::Ok();
}

Status Applier::RemoveAll(const Step& step, const Place& at) {
  if (at.is_root) return Status::Errno("unlinkat", step.path, EBUSY);
  LM_ASSIGN(struct stat st, Lstat(at, step.path));
  LM_TRY(TouchParent(at));
  if (S_ISDIR(st.st_mode)) {
    LM_TRY(RemoveTreeAt(at.parent_fd, at.name));
  } else if (unlinkat(at.parent_fd, at.name.c_str(), 0) != 0) {
    return Status::Errno("unlinkat", step.path);
  }
  ForgetBelow(step.path);
  return Status::Ok();
}

Status Applier::Rename(const Step& step, const Place& from) {
  LM_ASSIGN(Place to, Locate(root_fd_, step.target));
  if (from.is_root || to.is_root) return Status::Errno("renameat", step.path, EBUSY);
  LM_ASSIGN(struct stat st, Lstat(from, step.path));
  LM_TRY(TouchParent(from));
  LM_TRY(TouchParent(to));
  if (renameat(from.parent_fd, from.name.c_str(), to.parent_fd, to.name.c_str()) != 0) {
    return Status::Errno("renameat", step.path);
  }
  if (S_ISDIR(st.st_mode) && step.path != step.target) {
    ForgetBelow(step.target);
    // The moved directory's ".." changed: file systems differ in whether that shows in its mtime.
    directory_mtimes_.try_emplace(step.path, ToNs(st.st_mtim));
    MoveBelow(step.path, step.target);
  }
  return Status::Ok();
}

Status Applier::SetAttribute(const Step& step, const Place& at) {
  const Status set = SetXattrAt(at.parent_fd, at.name, step.target, step.data);
  if (set.error_number() == EINVAL && step.target.starts_with("system.posix_acl_"))
    (void)OwnersOfAccessListAreMapped(step.data);
  return set;
}

Status Applier::Chmod(const Step& step, const Place& at) {
  LM_ASSIGN(struct stat st, Lstat(at, step.path));
  // Linux has no mode on symlinks; fchmodat would change what it points to.
  if (S_ISLNK(st.st_mode)) return Status::Errno("fchmodat", step.path, EOPNOTSUPP);
  if (fchmodat(at.parent_fd, at.name.c_str(), step.mode & 07777, 0) != 0)
    return Status::Errno("fchmodat", step.path);
  return Status::Ok();
}

Status Applier::SetTimes(const Step& step, const Place& at) {
  LM_ASSIGN(struct stat st, Lstat(at, step.path));
  timespec times[2] = {ToTimespec(step.atime_ns), ToTimespec(step.mtime_ns)};
  if (utimensat(at.parent_fd, at.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return Status::Errno("utimensat", step.path);
  }
  if (S_ISDIR(st.st_mode)) directory_mtimes_[step.path] = step.mtime_ns;
  return Status::Ok();
}

Status Applier::Perform(const Step& step, int64_t default_mtime_ns) {
  default_mtime_ns_ = default_mtime_ns;
  // Before anything is made: the kernel would notice only when half of the step is done.
  if (step.offset < 0 || step.size < 0) return Status::Errno("check", step.path, EINVAL);
  LM_ASSIGN(Place at, Locate(root_fd_, step.path));
  switch (step.op) {
    case StepOp::kDir:
      return MakeDir(step, at);
    case StepOp::kFile:
      return ReplaceOrCreateFile(step, at);
    case StepOp::kWrite:
    case StepOp::kTruncate:
      return ChangeContent(step, at);
    case StepOp::kSparse:
      if (at.is_root) return Status::Errno("openat", step.path, EEXIST);
      return WriteNewFile(step, at);
    case StepOp::kSymlink:
      return MakeSymlink(step, at);
    case StepOp::kLink:
      return MakeLink(step, at);
    case StepOp::kMknod:
      return MakeNode(step, at);
    case StepOp::kRemove:
      return RemoveOne(step, at);
    case StepOp::kRemoveAll:
      return RemoveAll(step, at);
    case StepOp::kRename:
      return Rename(step, at);
    case StepOp::kChmod:
      return Chmod(step, at);
    case StepOp::kChown:
      if (ChownAt(at.parent_fd, at.name.c_str(), step.uid, step.gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return Status::Errno("fchownat", step.path);
      }
      return Status::Ok();
    case StepOp::kSetXattr:
      return SetAttribute(step, at);
    case StepOp::kRemoveXattr:
      return RemoveXattrAt(at.parent_fd, at.name, step.target);
    case StepOp::kTimes:
      return SetTimes(step, at);
  }
  return InvalidArgument("unknown step");
}

}  // namespace

Status ApplyLayer(const Layer& layer, int root_fd) {
  Applier applier(root_fd);
  int64_t mtime_ns = kDefaultMtimeNs;
  Status status;
  for (const Step& step : layer.steps()) {
    status = applier.Perform(step, mtime_ns);
    if (!status.ok()) {
      status = status.WithContext(ToString(step));
      break;
    }
    mtime_ns += 1'000;
  }
  // Also after a failure, so that what stands does not depend on the clock.
  Status restored = applier.RestoreDirectoryTimes();
  if (status.ok() && !restored.ok()) status = restored.WithContext("put back directory times");
  return status;
}

}  // namespace layermark
