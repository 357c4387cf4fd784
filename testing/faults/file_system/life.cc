// init, destroy, lookup, forget, statfs; and what the replies of several groups share.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

void Init(void*, fuse_conn_info* connection) {
  const auto want = [connection](unsigned capability, bool yes) {
    if (yes) {
      connection->want |= connection->capable & capability;
    } else {
      connection->want &= ~capability;
    }
  };
  const bool checked = !On(Fault::permissions_unchecked);
  want(FUSE_CAP_POSIX_ACL, checked);
  want(FUSE_CAP_DONT_MASK, true);
  want(FUSE_CAP_EXPORT_SUPPORT, true);
  want(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO, false);
  want(FUSE_CAP_ATOMIC_O_TRUNC, On(Fault::open_trunc_ignored));
  want(FUSE_CAP_HANDLE_KILLPRIV, false);
  want(FUSE_CAP_WRITEBACK_CACHE, false);
  want(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE, false);
}

void Destroy(void*) {
  BringBackHidden();
}

void Lookup(fuse_req_t request, fuse_ino_t parent_id, const char* name) {
  Node& parent = Nodes().Get(parent_id);
  if (const int error = CheckName(name); error != 0) return ReplyEntry(request, nullptr, error);
  if (IsHidden(name)) return ReplyEntry(request, nullptr, ENOENT);
  if (On(Fault::negative_entry_stays) && parent.absent.contains(name)) {
    return ReplyEntry(request, nullptr, ENOENT);
  }
  Node* node = Nodes().Find(parent, StoredName(name).c_str());
  int error = errno;
  if (node == nullptr && error == ENOENT && On(Fault::lookup_folds_case)) {
    std::string folded = name;
    for (char& c : folded) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    node = Nodes().Find(parent, folded.c_str());
  }
  if (node == nullptr && error == ENOENT) {
    if (Node* removed = RemovedChild(parent, name); removed != nullptr) {
      node = Nodes().Adopt(fcntl(removed->fd, F_DUPFD_CLOEXEC, 0));
    } else {
      parent.absent.insert(name);
    }
  }
  if (node != nullptr) node->moved = false;
  ReplyEntry(request, node, error);
}

void Forget(fuse_req_t request, fuse_ino_t id, uint64_t lookups) {
  Nodes().Forget(Nodes().Get(id), lookups);
  fuse_reply_none(request);
}

void ForgetMany(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) Nodes().Forget(Nodes().Get(forgets[i].ino), forgets[i].nlookup);
  fuse_reply_none(request);
}

void StatFs(fuse_req_t request, fuse_ino_t id) {
  struct statvfs status {};
  if (fstatvfs(Nodes().Get(id).fd, &status) != 0) {
    fuse_reply_err(request, errno);
  } else {
    if (On(Fault::statfs_names_shorter)) status.f_namemax = 143;
    fuse_reply_statfs(request, &status);
  }
}

}  // namespace

int FillEntry(Node& node, fuse_entry_param* entry) {
  *entry = {};
  entry->ino = Nodes().Id(node);
  entry->generation = node.generation;
  // No timeouts: what is cached is asked for again, so that nothing is ever stale.
  return Status(node, &entry->attr);
}

void ReplyEntry(fuse_req_t request, Node* node, int error) {
  fuse_entry_param entry;
  if (node != nullptr) {
    error = FillEntry(*node, &entry);
    if (error != 0) Nodes().Forget(*node, 1);
  }
  if (node == nullptr || error != 0) {
    fuse_reply_err(request, error);
  } else if (fuse_reply_entry(request, &entry) == -ENOENT) {
    Nodes().Forget(*node, 1);  // the caller was interrupted
  }
}

std::string StoredName(const char* name) {
  std::string stored = name;
  if (On(Fault::odd_name_mangled)) {
    for (char& c : stored) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '_';
    }
  }
  while (On(Fault::trailing_space_stripped) && stored.size() > 1 && stored.back() == ' ') stored.pop_back();
  return stored;
}

int CheckName(const char* name) {
  const size_t limit = On(Fault::long_name_refused) ? 250 : 255;
  return strlen(name) > limit ? ENAMETOOLONG : 0;
}

FrozenDirectory::FrozenDirectory(const Node& directory) : directory_(directory) {
  if (On(Fault::directory_mtime_frozen)) fstat(directory.fd, &before_);
}

FrozenDirectory::~FrozenDirectory() {
  if (!On(Fault::directory_mtime_frozen)) return;
  const timespec times[2] = {{0, UTIME_OMIT}, before_.st_mtim};
  utimensat(AT_FDCWD, PathOf(directory_).c_str(), times, 0);
}

void AddLifeOperations(fuse_lowlevel_ops& operations) {
  operations.init = Init;
  operations.destroy = Destroy;
  operations.lookup = Lookup;
  operations.forget = Forget;
  operations.forget_multi = ForgetMany;
  operations.statfs = StatFs;
}

}  // namespace layermark::faults
