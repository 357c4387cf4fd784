// What was removed, for the faults that bring it back.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

constexpr char kHiddenPrefix[] = ".kept-aside.";

struct Hidden {
  int directory;
  std::string name;
};

// Directory of the removed file, by place: the inode of the parent's parent is not known, so a place is the
// name of the directory and the name in it.
std::map<std::pair<std::string, std::string>, Node*> removed_files;
std::vector<Hidden> hidden_files;

bool BringsBack() {
  return On(Fault::removed_child_found) || On(Fault::removed_child_listed);
}

}  // namespace

void Remember(Node& parent, const char* name, bool directory) {
  parent.removed.insert(name);
  if (!BringsBack() || directory || &parent == &Nodes().root()) return;
  const int fd = openat(parent.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  // The lookup that this takes is never given back: the node stays until the end.
  if (Node* node = fd < 0 ? nullptr : Nodes().Adopt(fd); node != nullptr && node->old) {
    removed_files[{parent.name, name}] = node;
  }
}

Node* RemovedChild(const Node& parent, const char* name) {
  if (!On(Fault::removed_child_found) || parent.old) return nullptr;
  const auto found = removed_files.find({parent.name, name});
  return found == removed_files.end() ? nullptr : found->second;
}

std::set<std::string> RemovedNames(const Node& parent) {
  std::set<std::string> names;
  if (!On(Fault::removed_child_listed) || parent.old) return names;
  for (const auto& [place, node] : removed_files) {
    if (place.first == parent.name &&
        faccessat(parent.fd, place.second.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
      names.insert(place.second);
    }
  }
  return names;
}

bool HideInstead(Node& parent, const char* name) {
  if (!On(Fault::unlink_undone)) return false;
  const Node* node = Nodes().Peek(parent, name);
  if (node == nullptr || !node->old || node->type != S_IFREG || strlen(name) > 200) return false;
  const std::string aside = kHiddenPrefix + std::string(name);
  if (renameat(parent.fd, name, parent.fd, aside.c_str()) != 0) return false;
  hidden_files.push_back({fcntl(parent.fd, F_DUPFD_CLOEXEC, 0), name});
  return true;
}

bool IsHidden(const char* name) {
  return strncmp(name, kHiddenPrefix, strlen(kHiddenPrefix)) == 0;
}

void RemoveHidden(Node& parent, const char* name) {
  if (!On(Fault::unlink_undone)) return;
  const int directory = openat(parent.fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return;
  for (const Hidden& hidden : hidden_files) unlinkat(directory, (kHiddenPrefix + hidden.name).c_str(), 0);
  close(directory);
}

void BringBackHidden() {
  for (const Hidden& hidden : hidden_files) {
    const std::string aside = kHiddenPrefix + hidden.name;
    if (renameat2(hidden.directory, aside.c_str(), hidden.directory, hidden.name.c_str(), RENAME_NOREPLACE) !=
        0) {
      unlinkat(hidden.directory, aside.c_str(), 0);
    }
  }
}

}  // namespace layermark::faults
