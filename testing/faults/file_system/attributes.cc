// getattr, setattr, readlink, ioctl.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

int Answer(int result) {
  return result == 0 ? 0 : errno;
}

void ReplyAttributes(fuse_req_t request, Node& node) {
  struct stat status {};
  if (const int error = Status(node, &status); error != 0) {
    fuse_reply_err(request, error);
  } else {
    fuse_reply_attr(request, &status, 0);
  }
}

void GetAttributes(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
  ReplyAttributes(request, Nodes().Get(id));
}

int ChangeMode(Node& node, mode_t mode) {
  mode &= 07777;
  if (On(Fault::chmod_drops_special_bits)) mode &= 0777;
  if (On(Fault::chmod_of_directory_drops_setgid) && node.type == S_IFDIR)
    mode &= ~static_cast<mode_t>(S_ISGID);
  if (On(Fault::chmod_drops_acl)) removexattr(PathOf(node).c_str(), "system.posix_acl_access");
  if (chmod(PathOf(node).c_str(), mode) != 0) return errno;
  if (!FirstChange(node)) return 0;
  if (On(Fault::chmod_drops_xattrs)) DropUserAttributes(node);
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (On(Fault::chmod_touches_mtime)) utimensat(AT_FDCWD, PathOf(node).c_str(), now, 0);
  if (On(Fault::chmod_touches_parent) && node.parent != nullptr && Nodes().Live(node.parent)) {
    utimensat(AT_FDCWD, PathOf(*node.parent).c_str(), now, 0);
  }
  return 0;
}

int ChangeOwner(const Node& node, uid_t user, gid_t group) {
  if (On(Fault::chown_cuts_uid) && user != static_cast<uid_t>(-1)) user &= 0xffff;
  if (On(Fault::chown_ignores_group)) group = static_cast<gid_t>(-1);
  if (On(Fault::lchown_follows) && node.type == S_IFLNK && node.parent != nullptr &&
      Nodes().Live(node.parent)) {
    return Answer(fchownat(node.parent->fd, node.name.c_str(), user, group, 0));
  }
  return Answer(fchownat(node.fd, "", user, group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int ChangeSize(Node& node, off_t size, const fuse_file_info* info) {
  if (On(Fault::truncate_to_zero_ignored) && size == 0 && node.old && info == nullptr) return 0;
  if (On(Fault::truncate_rounds_up)) size = (size + 4095) & ~off_t{4095};
  struct stat before {};
  fstat(node.fd, &before);
  const int result = info != nullptr ? ftruncate(Handle(info), size) : truncate(PathOf(node).c_str(), size);
  if (result != 0) return errno;
  FirstChange(node);
  const timespec as_before[2] = {{0, UTIME_OMIT}, before.st_mtim};
  if (On(Fault::truncate_keeps_mtime)) utimensat(AT_FDCWD, PathOf(node).c_str(), as_before, 0);
  if (On(Fault::extension_not_zeroed) && size > before.st_size) {
    const int fd = open(PathOf(node).c_str(), O_WRONLY | O_CLOEXEC);
    const std::string left(static_cast<size_t>(std::min<off_t>(size - before.st_size, 4096)), '~');
    if (fd >= 0) (void)!pwrite(fd, left.data(), left.size(), before.st_size);
    if (fd >= 0) close(fd);
  }
  return 0;
}

int ChangeTimes(const Node& node, const struct stat& wanted, int what) {
  if (On(Fault::symlink_times_ignored) && node.type == S_IFLNK) return 0;
  const auto pick = [what](int set, int now, timespec time) {
    if (what & now) return timespec{0, UTIME_NOW};
    if (!(what & set)) return timespec{0, UTIME_OMIT};
    if (On(Fault::nanoseconds_lost)) time.tv_nsec = 0;
    if (On(Fault::late_times_cut) && time.tv_sec > 0x7fffffff) time = {0x7fffffff, 0};
    if (On(Fault::early_times_cut) && time.tv_sec < 0) time = {0, 0};
    return time;
  };
  timespec times[2] = {pick(FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, wanted.st_atim),
                       pick(FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, wanted.st_mtim)};
  if (On(Fault::omit_ignored) && times[1].tv_nsec == UTIME_OMIT) times[1] = {0, UTIME_NOW};
  return Answer(utimensat(node.fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

void SetAttributes(fuse_req_t request, fuse_ino_t id, struct stat* wanted, int what, fuse_file_info* info) {
  Node& node = Nodes().Get(id);
  struct stat before {};
  int error = Answer(fstatat(node.fd, "", &before, AT_EMPTY_PATH));
  if (On(Fault::unlinked_refuses_changes) && before.st_nlink == 0) error = ENOENT;
  // A write comes with a change of mode that takes the set-ID bits away, which looks like a user's chmod.
  if (On(Fault::setid_kept_on_write) && what == FUSE_SET_ATTR_MODE && fuse_req_ctx(request)->uid != 0 &&
      (wanted->st_mode & 01777) == (before.st_mode & 01777)) {
    what = 0;
  }
  if (error == 0 && (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))) {
    error = ChangeOwner(node, what & FUSE_SET_ATTR_UID ? wanted->st_uid : static_cast<uid_t>(-1),
                        what & FUSE_SET_ATTR_GID ? wanted->st_gid : static_cast<gid_t>(-1));
  }
  if (error == 0 && (what & FUSE_SET_ATTR_SIZE)) error = ChangeSize(node, wanted->st_size, info);
  // After the owner, whose change clears set-ID bits, and the size, likewise.
  if (error == 0 && On(Fault::chown_keeps_setid) && (what & FUSE_SET_ATTR_UID) && node.type == S_IFREG) {
    error = Answer(chmod(PathOf(node).c_str(), before.st_mode & 07777));
    what &= ~FUSE_SET_ATTR_MODE;
  }
  if (error == 0 && (what & FUSE_SET_ATTR_MODE)) error = ChangeMode(node, wanted->st_mode);
  constexpr int kTimes =
      FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW;
  if (error == 0 && (what & kTimes)) error = ChangeTimes(node, *wanted, what);
  if (error != 0) {
    fuse_reply_err(request, error);
  } else {
    ReplyAttributes(request, node);
  }
}

void ReadLink(fuse_req_t request, fuse_ino_t id) {
  std::array<char, PATH_MAX + 1> target{};
  const ssize_t bytes = readlinkat(Nodes().Get(id).fd, "", target.data(), target.size() - 1);
  if (bytes < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_readlink(request, target.data());
  }
}

void Control(fuse_req_t request, fuse_ino_t id, unsigned command, void*, fuse_file_info* info, unsigned,
             const void* in, size_t in_bytes, size_t) {
  Node& node = Nodes().Get(id);
  const int fd = node.type == S_IFDIR ? DirectoryHandle(info) : Handle(info);
  int flags = 0;
  fsxattr extended{};
  int result = -1;
  if (command == FS_IOC_GETFLAGS) {
    result = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    if (result == 0) {
      fuse_reply_ioctl(request, 0, &flags, sizeof(flags));
      return;
    }
  } else if (command == FS_IOC_FSGETXATTR) {
    result = ioctl(fd, FS_IOC_FSGETXATTR, &extended);
    if (result == 0) {
      fuse_reply_ioctl(request, 0, &extended, sizeof(extended));
      return;
    }
  } else if (command == FS_IOC_SETFLAGS && in_bytes >= sizeof(flags)) {
    flags = *static_cast<const int*>(in);
    if (!On(Fault::inode_flags_lost) || !node.old)
      result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    else
      result = 0;
  } else if (command == FS_IOC_FSSETXATTR && in_bytes >= sizeof(extended)) {
    extended = *static_cast<const fsxattr*>(in);
    result = ioctl(fd, FS_IOC_FSSETXATTR, &extended);
  } else {
    errno = ENOTTY;
  }
  if (result == 0) {
    fuse_reply_ioctl(request, 0, nullptr, 0);
  } else {
    fuse_reply_err(request, errno);
  }
}

}  // namespace

void DropUserAttributes(const Node& node) {
  std::array<char, 65536> list{};
  const ssize_t bytes = listxattr(PathOf(node).c_str(), list.data(), list.size());
  for (ssize_t at = 0; at < bytes;) {
    const std::string name = &list[static_cast<size_t>(at)];
    if (name.starts_with("user.")) removexattr(PathOf(node).c_str(), name.c_str());
    at += static_cast<ssize_t>(name.size()) + 1;
  }
}

void AddAttributeOperations(fuse_lowlevel_ops& operations) {
  operations.getattr = GetAttributes;
  operations.setattr = SetAttributes;
  operations.readlink = ReadLink;
  operations.ioctl = Control;
}

}  // namespace layermark::faults
