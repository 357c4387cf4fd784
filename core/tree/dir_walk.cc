#include "core/tree/dir_walk.h"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

namespace layermark {
namespace {

// linux_dirent64 as getdents64(2) fills it; glibc has no declaration of its own under this name.
struct KernelDirent {
  uint64_t d_ino;
  int64_t d_off;
  uint16_t d_reclen;
  uint8_t d_type;
  char d_name[];
};

constexpr size_t kDirentBytes = size_t{64} << 10;
// Directories kept open on the way down; those above are reopened from the root when it is their turn.
constexpr size_t kMaxOpen = 64;

struct PendingDir {
  std::string name;
  struct stat st;
  uint8_t dirent_type;
  ino_t dirent_ino;
};

struct Frame {
  Fd fd;
  std::string path;  // "" for the root
  std::vector<PendingDir> pending;
};

class Walker {
 public:
  Walker(Fd root, const std::function<bool(const struct stat&)>& enter,
         const std::function<Status(const WalkedName&)>& visit)
      : root_(std::move(root)), enter_(enter), visit_(visit) {}

  Status Run();

 private:
  // Visits what is in the directory; its subdirectories become pending. `fd` stays open.
  Status ReadDirectory(Frame* frame, int fd);
  Status Descend(Frame* frame, int fd);
  Result<Fd> Reopen(const std::string& path);
  int FrameFd(const Frame& frame) const { return frame.path.empty() ? root_.get() : frame.fd.get(); }

  Fd root_;
  const std::function<bool(const struct stat&)>& enter_;
  const std::function<Status(const WalkedName&)>& visit_;
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kDirentBytes);
  std::vector<Frame> stack_;
  size_t lowest_open_ = 0;  // frames below this index have had their descriptor closed
};

std::string Join(const std::string& dir, std::string_view name) {
  std::string path;
  path.reserve(dir.size() + 1 + name.size());
  path = dir;
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

Status Walker::ReadDirectory(Frame* frame, int fd) {
  std::string name;
  while (true) {
    long got = syscall(SYS_getdents64, fd, buffer_.get(), kDirentBytes);
    if (got < 0) return Status::Errno("getdents64", frame->path);
    if (got == 0) return Status::Ok();
    for (long at = 0; at < got;) {
      const auto* dirent = reinterpret_cast<const KernelDirent*>(buffer_.get() + at);
      at += dirent->d_reclen;
      name = dirent->d_name;
      if (name == "." || name == "..") continue;
      struct stat st = {};
      const std::string path = Join(frame->path, name);
      if (fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("fstatat", path);
      if (S_ISDIR(st.st_mode) && enter_(st)) {
        frame->pending.push_back({name, st, dirent->d_type, dirent->d_ino});
      } else {
        LM_TRY(visit_({fd, name, path, st, dirent->d_type, dirent->d_ino, -1}));
      }
    }
  }
}

Result<Fd> Walker::Reopen(const std::string& path) {
  // Piece by piece, because the whole path may be longer than PATH_MAX.
  constexpr size_t kPiece = 3500;
  Fd current;
  size_t start = 0;
  while (start < path.size()) {
    size_t end = path.size();
    if (end - start > kPiece) end = path.rfind('/', start + kPiece);
    LM_ASSIGN(current, OpenForReading(current.valid() ? current.get() : root_.get(),
                                      path.substr(start, end - start), path, O_DIRECTORY));
    start = end + 1;
  }
  return current;
}

Status Walker::Run() {
  stack_.push_back({Fd(), "", {}});
  LM_TRY(ReadDirectory(&stack_.back(), root_.get()));
  while (!stack_.empty()) {
    Frame& top = stack_.back();
    if (top.pending.empty()) {
      stack_.pop_back();
      lowest_open_ = std::min(lowest_open_, stack_.size());
      continue;
    }
    if (!top.path.empty() && !top.fd.valid()) {
      LM_ASSIGN(top.fd, Reopen(top.path));
      lowest_open_ = stack_.size() - 1;
    }
    PendingDir next = std::move(top.pending.back());
    top.pending.pop_back();
    const int parent_fd = FrameFd(top);
    Frame child;
    child.path = Join(top.path, next.name);
    LM_ASSIGN(child.fd, OpenForReading(parent_fd, next.name, child.path, O_DIRECTORY));
    LM_TRY(visit_(
        {parent_fd, next.name, child.path, next.st, next.dirent_type, next.dirent_ino, child.fd.get()}));
    LM_TRY(ReadDirectory(&child, child.fd.get()));
    if (child.pending.empty()) continue;
    // Its last subdirectory taken, the parent is done with: a long chain keeps the stack short.
    if (top.pending.empty()) {
      stack_.pop_back();
      lowest_open_ = std::min(lowest_open_, stack_.size());
    }
    stack_.push_back(std::move(child));
    if (stack_.size() - lowest_open_ > kMaxOpen) stack_[lowest_open_++].fd = Fd();
  }
  return Status::Ok();
}

}  // namespace

Result<Fd> OpenForReading(int dir_fd, const std::string& name, const std::string& path, int extra_flags) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | extra_flags;
  int fd = openat(dir_fd, name.c_str(), flags | O_NOATIME);
  // Only the owner (or CAP_FOWNER) may ask for it, and some FUSE servers know the flag not.
  if (fd < 0 && (errno == EPERM || errno == EINVAL)) fd = openat(dir_fd, name.c_str(), flags);
  if (fd < 0) return Status::Errno("openat", path);
  return Fd(fd);
}

Status WalkTree(Fd root, const std::function<bool(const struct stat&)>& enter,
                const std::function<Status(const WalkedName&)>& visit) {
  return Walker(std::move(root), enter, visit).Run();
}

}  // namespace layermark
