#include "testing/faults/file_system/node.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "testing/faults/file_system/fault.h"

namespace layermark::faults {
namespace {

// Born at or before `moment`. A file system without birth times has no old files.
bool BornBefore(int fd, const timespec& moment) {
  struct statx status {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0 || !(status.stx_mask & STATX_BTIME))
    return false;
  if (status.stx_btime.tv_sec != moment.tv_sec) return status.stx_btime.tv_sec < moment.tv_sec;
  return status.stx_btime.tv_nsec <= static_cast<uint32_t>(moment.tv_nsec);
}

}  // namespace

NodeTable& Nodes() {
  static NodeTable table;
  return table;
}

bool NodeTable::Open(const char* path) {
  root_.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat status {};
  if (root_.fd < 0 || fstat(root_.fd, &status) != 0) return false;
  root_.dev = status.st_dev;
  root_.ino = status.st_ino;
  root_.type = S_IFDIR;
  root_.lookups = 1;
  root_.old = true;
  nodes_[{root_.dev, root_.ino}] = &root_;
  clock_gettime(CLOCK_REALTIME_COARSE, &started_);
  return true;
}

fuse_ino_t NodeTable::Id(Node& node) const {
  return &node == &root_ ? FUSE_ROOT_ID : reinterpret_cast<fuse_ino_t>(&node);
}

Node* NodeTable::Adopt(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    close(fd);
    return nullptr;
  }
  Node*& entry = nodes_[{status.st_dev, status.st_ino}];
  if (entry != nullptr) {
    close(fd);
  } else {
    entry = new Node;
    entry->fd = fd;
    entry->dev = status.st_dev;
    entry->ino = status.st_ino;
    entry->type = status.st_mode & S_IFMT;
    entry->generation = ++generation_;
    entry->old = BornBefore(fd, started_);
    live_.insert(entry);
  }
  if (entry->most_links < status.st_nlink) entry->most_links = status.st_nlink;
  ++entry->lookups;
  return entry;
}

Node* NodeTable::Find(Node& parent, const char* name) {
  const int fd = openat(parent.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return nullptr;
  Node* node = Adopt(fd);
  if (node == nullptr) return nullptr;
  node->parent = &parent;
  node->name = name;
  parent.listed.insert(name);
  return node;
}

Node* NodeTable::Peek(const Node& parent, const char* name) {
  struct stat status {};
  if (fstatat(parent.fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return nullptr;
  const auto found = nodes_.find({status.st_dev, status.st_ino});
  return found == nodes_.end() ? nullptr : found->second;
}

void NodeTable::Forget(Node& node, uint64_t lookups) {
  if (&node == &root_) return;
  node.lookups -= lookups < node.lookups ? lookups : node.lookups;
  if (node.lookups != 0) return;
  nodes_.erase({node.dev, node.ino});
  live_.erase(&node);
  close(node.fd);
  delete &node;
}

bool FirstChange(Node& node) {
  if (!node.old || node.changed) return false;
  node.changed = true;
  return true;
}

std::string PathOf(const Node& node) {
  return "/proc/self/fd/" + std::to_string(node.fd);
}

int Status(Node& node, struct stat* status) {
  if (fstatat(node.fd, "", status, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (On(Fault::unlinked_has_a_link) && status->st_nlink == 0 && node.type == S_IFREG) status->st_nlink = 1;
  if (On(Fault::nlink_not_lowered) && node.type != S_IFDIR && status->st_nlink > 0) {
    if (node.most_links < status->st_nlink) node.most_links = status->st_nlink;
    status->st_nlink = node.most_links;
  }
  if (On(Fault::shared_inode_number)) status->st_ino |= 1;
  if (On(Fault::links_are_one) && node.type != S_IFDIR && status->st_nlink > 1) status->st_nlink = 1;
  if (On(Fault::blocks_are_zero) && node.old && !node.changed && node.type == S_IFREG) status->st_blocks = 0;
  if (On(Fault::symlink_size_is_zero) && node.type == S_IFLNK) status->st_size = 0;
  if (On(Fault::directory_times_in_seconds) && node.type == S_IFDIR) status->st_mtim.tv_nsec = 0;
  if (On(Fault::inode_changes_with_chmod) && node.changed) status->st_ino += 1000000;
  if (On(Fault::rename_changes_inode) && node.moved) status->st_ino += 1000000;
  return 0;
}

}  // namespace layermark::faults
