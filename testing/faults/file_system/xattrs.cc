// Extended attributes; ACLs are among them.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <string>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

// The probes look at an answer's size first, so that one buffer of the largest size serves both questions.
void Reply(fuse_req_t request, const std::vector<char>& answer, ssize_t bytes, size_t room) {
  if (bytes < 0) {
    fuse_reply_err(request, errno);
  } else if (room == 0) {
    fuse_reply_xattr(request, static_cast<size_t>(bytes));
  } else if (static_cast<size_t>(bytes) > room) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, answer.data(), static_cast<size_t>(bytes));
  }
}

void Set(fuse_req_t request, fuse_ino_t id, const char* name, const char* value, size_t bytes, int flags) {
  if (On(Fault::xattr_replace_creates) && (flags & XATTR_REPLACE)) flags = 0;
  if (On(Fault::xattr_create_replaces) && (flags & XATTR_CREATE)) flags = 0;
  if (On(Fault::xattr_cut_at_256) && bytes > 256) bytes = 256;
  Node& node = Nodes().Get(id);
  if ((On(Fault::xattr_empty_lost) && bytes == 0) || (On(Fault::xattr_long_lost) && bytes > 2000) ||
      (On(Fault::xattr_of_directory_lost) && node.old && node.type == S_IFDIR)) {
    fuse_reply_err(request, 0);
    return;
  }
  const int result = setxattr(PathOf(node).c_str(), name, value, bytes, flags);
  const int error = errno;
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  if (result == 0 && On(Fault::xattr_set_touches_mtime) && node.old) {
    utimensat(AT_FDCWD, PathOf(node).c_str(), now, 0);
  }
  errno = error;
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void Get(fuse_req_t request, fuse_ino_t id, const char* name, size_t room) {
  std::vector<char> value(65536);
  ssize_t bytes = getxattr(PathOf(Nodes().Get(id)).c_str(), name, value.data(), value.size());
  if (On(Fault::xattr_missing_is_empty) && bytes < 0 && errno == ENODATA &&
      std::string(name).starts_with("user."))
    bytes = 0;
  Reply(request, value, bytes, room);
}

void List(fuse_req_t request, fuse_ino_t id, size_t room) {
  std::vector<char> names(65536);
  ssize_t bytes = listxattr(PathOf(Nodes().Get(id)).c_str(), names.data(), names.size());
  if (On(Fault::xattr_list_incomplete) && bytes > 1) {
    const std::string all(names.data(), static_cast<size_t>(bytes) - 1);
    if (const size_t last = all.rfind('\0'); last != std::string::npos)
      bytes = static_cast<ssize_t>(last) + 1;
  }
  Reply(request, names, bytes, room);
}

void Remove(fuse_req_t request, fuse_ino_t id, const char* name) {
  const bool keep = On(Fault::capability_kept_on_write) && std::string(name) == "security.capability";
  int result = keep ? 0 : removexattr(PathOf(Nodes().Get(id)).c_str(), name);
  if (result == 0 && On(Fault::xattr_remove_takes_all)) DropUserAttributes(Nodes().Get(id));
  if (result != 0 && On(Fault::xattr_remove_missing_ok) && errno == ENODATA) result = 0;
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

}  // namespace

void AddXattrOperations(fuse_lowlevel_ops& operations) {
  operations.setxattr = Set;
  operations.getxattr = Get;
  operations.listxattr = List;
  operations.removexattr = Remove;
}

}  // namespace layermark::faults
