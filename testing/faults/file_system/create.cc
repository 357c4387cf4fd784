// mknod, mkdir, symlink, link, create.
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "testing/faults/file_system/caller.h"
#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

// The errno with which nothing can be made in `parent`, or 0.
int Refuse(const Node& parent, const char* name) {
  if (On(Fault::dirfd_dead_after_rename) && parent.moved) return ENOENT;
  return CheckName(name);
}

// The faults that spoil what was just made as parent/name.
void Spoil(fuse_req_t request, Node& parent, const std::string& name) {
  struct stat above {
  }, made{};
  if (fstat(parent.fd, &above) != 0 || fstatat(parent.fd, name.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0)
    return;
  if (On(Fault::setgid_directory_ignored) && (above.st_mode & S_ISGID)) {
    (void)!fchownat(parent.fd, name.c_str(), static_cast<uid_t>(-1), fuse_req_ctx(request)->gid,
                    AT_SYMLINK_NOFOLLOW);
  }
  if (On(Fault::mkdir_not_setgid) && S_ISDIR(made.st_mode) && (made.st_mode & S_ISGID))
    fchmodat(parent.fd, name.c_str(), made.st_mode & 05777, 0);
  if (On(Fault::symlinks_are_roots) && S_ISLNK(made.st_mode))
    (void)!fchownat(parent.fd, name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW);
  if (On(Fault::fifo_mode_is_0600) && S_ISFIFO(made.st_mode)) fchmodat(parent.fd, name.c_str(), 0600, 0);
  if (On(Fault::new_file_over_removed_is_0600) && S_ISREG(made.st_mode) && parent.removed.contains(name))
    fchmodat(parent.fd, name.c_str(), 0600, 0);
  if (On(Fault::acl_default_not_inherited) && !S_ISLNK(made.st_mode)) {
    const std::string path = PathOf(parent) + "/" + name;
    removexattr(path.c_str(), "system.posix_acl_access");
    removexattr(path.c_str(), "system.posix_acl_default");
  }
}

void Made(fuse_req_t request, Node& parent, const char* asked, const std::string& name, int result) {
  const int error = errno;
  if (result != 0) return ReplyEntry(request, nullptr, error);
  Spoil(request, parent, name);
  parent.absent.erase(asked);
  Node* node = Nodes().Find(parent, name.c_str());
  ReplyEntry(request, node, errno);
}

void MakeNode(fuse_req_t request, fuse_ino_t parent_id, const char* asked, mode_t mode, dev_t device) {
  Node& parent = Nodes().Get(parent_id);
  if (const int error = Refuse(parent, asked); error != 0) return ReplyEntry(request, nullptr, error);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  if (On(Fault::device_minor_cut)) device = makedev(major(device), minor(device) & 255);
  if (On(Fault::socket_becomes_fifo) && S_ISSOCK(mode))
    mode = (mode & ~static_cast<mode_t>(S_IFMT)) | S_IFIFO;
  if (On(Fault::block_device_becomes_character) && S_ISBLK(mode))
    mode = (mode & ~static_cast<mode_t>(S_IFMT)) | S_IFCHR;
  int result = 0;
  {
    const AsCaller as(request);
    result = mknodat(parent.fd, name.c_str(), mode, device);
  }
  Made(request, parent, asked, name, result);
}

void MakeDirectory(fuse_req_t request, fuse_ino_t parent_id, const char* asked, mode_t mode) {
  Node& parent = Nodes().Get(parent_id);
  if (const int error = Refuse(parent, asked); error != 0) return ReplyEntry(request, nullptr, error);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  int result = 0;
  {
    const AsCaller as(request);
    result = mkdirat(parent.fd, name.c_str(), mode);
  }
  Made(request, parent, asked, name, result);
}

void MakeSymlink(fuse_req_t request, const char* target, fuse_ino_t parent_id, const char* asked) {
  Node& parent = Nodes().Get(parent_id);
  if (const int error = Refuse(parent, asked); error != 0) return ReplyEntry(request, nullptr, error);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  std::string kept = target;
  if (On(Fault::symlink_cut)) kept = kept.substr(0, 255);
  int result = 0;
  {
    const AsCaller as(request);
    result = symlinkat(kept.c_str(), parent.fd, name.c_str());
  }
  Made(request, parent, asked, name, result);
}

int CopyFile(const Node& from, int directory, const char* name) {
  struct stat status {};
  if (fstat(from.fd, &status) != 0) return -1;
  const int in = open(PathOf(from).c_str(), O_RDONLY | O_CLOEXEC);
  const int out = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 07777);
  int result = in < 0 || out < 0 ? -1 : 0;
  for (off_t left = status.st_size; result == 0 && left > 0;) {
    const ssize_t copied = copy_file_range(in, nullptr, out, nullptr, static_cast<size_t>(left), 0);
    if (copied <= 0) break;
    left -= copied;
  }
  if (result == 0) {
    const timespec times[2] = {status.st_atim, status.st_mtim};
    result = fchown(out, status.st_uid, status.st_gid);
    fchmod(out, status.st_mode & 07777);
    futimens(out, times);
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return result;
}

void Link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent_id, const char* asked) {
  Node& node = Nodes().Get(id);
  Node& parent = Nodes().Get(parent_id);
  if (const int error = Refuse(parent, asked); error != 0) return ReplyEntry(request, nullptr, error);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  const int result = On(Fault::link_makes_copy) && node.type == S_IFREG
                         ? CopyFile(node, parent.fd, name.c_str())
                         : linkat(node.fd, "", parent.fd, name.c_str(), AT_EMPTY_PATH);
  if (result == 0 && node.old && node.type == S_IFREG) {
    struct stat status {};
    const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    if (On(Fault::link_touches_mtime)) utimensat(AT_FDCWD, PathOf(node).c_str(), now, 0);
    if (On(Fault::link_drops_setid) && fstat(node.fd, &status) == 0)
      chmod(PathOf(node).c_str(), status.st_mode & 01777);
  }
  if (On(Fault::negative_entry_stays) && result == 0 && parent.absent.contains(asked)) {
    return ReplyEntry(request, Nodes().Find(parent, name.c_str()), errno);
  }
  Made(request, parent, asked, name, result);
}

void Create(fuse_req_t request, fuse_ino_t parent_id, const char* asked, mode_t mode, fuse_file_info* info) {
  Node& parent = Nodes().Get(parent_id);
  if (const int error = Refuse(parent, asked); error != 0) return ReplyEntry(request, nullptr, error);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  const int flags = (info->flags & ~(O_APPEND | O_DIRECT)) | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  int fd = 0;
  {
    const AsCaller as(request);
    fd = openat(parent.fd, name.c_str(), flags, mode);
  }
  if (fd < 0) return ReplyEntry(request, nullptr, errno);
  Spoil(request, parent, name);
  parent.absent.erase(asked);
  Node* node = Nodes().Find(parent, name.c_str());
  fuse_entry_param entry;
  const int error = node == nullptr ? errno : FillEntry(*node, &entry);
  if (error != 0) {
    close(fd);
    fuse_reply_err(request, error);
    return;
  }
  info->fh = static_cast<uint64_t>(fd);
  ++node->open_count;
  if (fuse_reply_create(request, &entry, info) == -ENOENT) {
    --node->open_count;
    close(fd);
    Nodes().Forget(*node, 1);
  }
}

}  // namespace

void AddCreateOperations(fuse_lowlevel_ops& operations) {
  operations.mknod = MakeNode;
  operations.mkdir = MakeDirectory;
  operations.symlink = MakeSymlink;
  operations.link = Link;
  operations.create = Create;
}

}  // namespace layermark::faults
