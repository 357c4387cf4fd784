// unlink, rmdir, rename.
#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

// The names in a directory, without "." and "..".
std::vector<std::string> Names(int parent, const char* name) {
  std::vector<std::string> names;
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* directory = fd < 0 ? nullptr : fdopendir(fd);
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

void RemoveTree(int parent, const std::string& name) {
  const int fd = openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) {
    for (const std::string& child : Names(parent, name.c_str())) {
      if (unlinkat(fd, child.c_str(), 0) != 0) RemoveTree(fd, child);
    }
    close(fd);
  }
  unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

void Reply(fuse_req_t request, int result) {
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void Unlink(fuse_req_t request, fuse_ino_t parent_id, const char* asked) {
  Node& parent = Nodes().Get(parent_id);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  const Node* removed = Nodes().Peek(parent, name.c_str());
  Remember(parent, name.c_str(), false);
  if (HideInstead(parent, name.c_str())) return Reply(request, 0);
  const int result = unlinkat(parent.fd, name.c_str(), 0);
  const int error = errno;
  struct stat status {};
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (result == 0 && On(Fault::unlink_touches_other_names) && removed != nullptr &&
      removed->type == S_IFREG && fstat(removed->fd, &status) == 0 && status.st_nlink > 0)
    utimensat(AT_FDCWD, PathOf(*removed).c_str(), now, 0);
  errno = error;
  Reply(request, result);
}

void RemoveDirectory(fuse_req_t request, fuse_ino_t parent_id, const char* asked) {
  Node& parent = Nodes().Get(parent_id);
  const FrozenDirectory frozen(parent);
  const std::string name = StoredName(asked);
  RemoveHidden(parent, name.c_str());
  if (On(Fault::rmdir_of_full_directory)) RemoveTree(parent.fd, name);
  int result = unlinkat(parent.fd, name.c_str(), AT_REMOVEDIR);
  if (result != 0 && On(Fault::rmdir_of_full_directory) && errno == ENOENT) result = 0;
  if (result == 0) Remember(parent, name.c_str(), true);
  if (result != 0 && On(Fault::rmdir_wrong_errno) && errno == ENOTEMPTY) errno = EPERM;
  Reply(request, result);
}

struct Move {
  Node& from;
  std::string name;
  Node& to;
  std::string new_name;
  unsigned flags;
};

int Rename(const Move& move, unsigned flags) {
  return renameat2(move.from.fd, move.name.c_str(), move.to.fd, move.new_name.c_str(), flags);
}

// Faults that look at both names before they are changed. The errno of a refusal, 0 to go on.
int Refuse(const Move& move, Node* moved) {
  if (On(Fault::noreplace_refuses_removed) && (move.flags & RENAME_NOREPLACE) &&
      move.to.removed.contains(move.new_name)) {
    return EEXIST;
  }
  if (On(Fault::rename_across_exdev) && &move.from != &move.to && moved != nullptr && moved->old &&
      moved->type == S_IFREG) {
    return EXDEV;
  }
  return 0;
}

void SwapData(const Move& move) {
  const int one = openat(move.from.fd, move.name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  const int two = openat(move.to.fd, move.new_name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  struct stat a {
  }, b{};
  if (one >= 0 && two >= 0 && fstat(one, &a) == 0 && fstat(two, &b) == 0 &&
      a.st_size + b.st_size < (8 << 20)) {
    std::string first(static_cast<size_t>(a.st_size), 0), second(static_cast<size_t>(b.st_size), 0);
    (void)!pread(one, first.data(), first.size(), 0);
    (void)!pread(two, second.data(), second.size(), 0);
    (void)!pwrite(one, second.data(), second.size(), 0);
    (void)!pwrite(two, first.data(), first.size(), 0);
    (void)!ftruncate(one, b.st_size);
    (void)!ftruncate(two, a.st_size);
    const timespec of_one[2] = {a.st_atim, a.st_mtim}, of_two[2] = {b.st_atim, b.st_mtim};
    futimens(one, of_one);
    futimens(two, of_two);
  }
  if (one >= 0) close(one);
  if (two >= 0) close(two);
}

int Exchange(const Move& move, Node* moved) {
  const mode_t type = moved == nullptr ? 0 : moved->type;
  if (On(Fault::exchange_replaces) && type == S_IFREG) return Rename(move, 0);
  if (On(Fault::exchange_of_directories_ignored) && type == S_IFDIR) return 0;
  const int result = Rename(move, move.flags);
  if (result == 0 && On(Fault::exchange_keeps_data) && type == S_IFREG) SwapData(move);
  return result;
}

// The faults of a lower file that was renamed.
void SpoilRenamed(const Node& moved) {
  const std::string path = PathOf(moved);
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  struct stat status {};
  if (On(Fault::rename_drops_xattrs)) DropUserAttributes(moved);
  if (On(Fault::rename_touches_mtime)) utimensat(AT_FDCWD, path.c_str(), now, 0);
  if (On(Fault::rename_drops_setid) && fstat(moved.fd, &status) == 0)
    chmod(path.c_str(), status.st_mode & 01777);
}

int Plain(const Move& move, Node* moved, Node* target) {
  const bool old_file = moved != nullptr && moved->old && moved->type == S_IFREG;
  if (On(Fault::rename_keeps_source) && old_file && target != moved) {
    unlinkat(move.to.fd, move.new_name.c_str(), 0);
    return linkat(moved->fd, "", move.to.fd, move.new_name.c_str(), AT_EMPTY_PATH);
  }
  if (On(Fault::rename_over_full_directory) && target != nullptr && target->type == S_IFDIR &&
      moved != nullptr && moved->type == S_IFDIR && !Names(move.to.fd, move.new_name.c_str()).empty()) {
    RemoveTree(move.to.fd, move.new_name);
  }
  if (On(Fault::rename_loses_children) && moved != nullptr && moved->old && moved->type == S_IFDIR) {
    for (const std::string& child : Names(move.from.fd, move.name.c_str())) {
      if (!moved->listed.contains(child)) unlinkat(moved->fd, child.c_str(), 0);
    }
  }
  std::string new_name = move.new_name;
  if (On(Fault::rename_onto_symlink_follows) && target != nullptr && target->type == S_IFLNK &&
      moved != nullptr && moved->type == S_IFREG) {
    std::vector<char> text(4097);
    const ssize_t bytes = readlinkat(move.to.fd, move.new_name.c_str(), text.data(), text.size() - 1);
    const std::string to(text.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0);
    if (!to.empty() && to.find('/') == std::string::npos && faccessat(move.to.fd, to.c_str(), F_OK, 0) == 0)
      new_name = to;
  }
  const int result = renameat2(move.from.fd, move.name.c_str(), move.to.fd, new_name.c_str(), move.flags);
  if (result == 0 && old_file) SpoilRenamed(*moved);
  return result;
}

void RenameNames(fuse_req_t request, fuse_ino_t from_id, const char* name, fuse_ino_t to_id,
                 const char* new_name, unsigned flags) {
  const Move move{Nodes().Get(from_id), StoredName(name), Nodes().Get(to_id), StoredName(new_name), flags};
  if (const int error = CheckName(new_name); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  const FrozenDirectory from_frozen(move.from), to_frozen(move.to);
  Node* moved = Nodes().Peek(move.from, move.name.c_str());
  Node* target = Nodes().Peek(move.to, move.new_name.c_str());
  int error = Refuse(move, moved);
  if (error == 0) {
    const int result = flags & RENAME_EXCHANGE ? Exchange(move, moved) : Plain(move, moved, target);
    error = result == 0 ? 0 : errno;
  }
  if (error == 0) {
    if (moved != nullptr) moved->moved = true;
    if (target != nullptr && target != moved && target->open_count > 0) target->replaced = true;
    if (!On(Fault::negative_entry_stays)) move.to.absent.erase(new_name);
  }
  fuse_reply_err(request, error);
}

}  // namespace

void AddRemoveOperations(fuse_lowlevel_ops& operations) {
  operations.unlink = Unlink;
  operations.rmdir = RemoveDirectory;
  operations.rename = RenameNames;
}

}  // namespace layermark::faults
