// The files that the kernel knows of: each is a node with an O_PATH descriptor of the file behind it.
//
// A node's address is its FUSE node id. Nodes live until the kernel forgets them; the descriptor keeps a file
// that was removed alive, so that its inode number cannot be given to another one meanwhile. Threads: one.
#ifndef LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_NODE_H_
#define LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_NODE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "testing/faults/file_system/fuse_api.h"

namespace layermark::faults {

struct Node {
  int fd = -1;
  dev_t dev = 0;
  ino_t ino = 0;
  mode_t type = 0;          // S_IFMT bits
  uint64_t lookups = 0;     // that the kernel will forget
  uint64_t generation = 0;  // no two nodes have the same
  bool old = false;         // was there before the mount, as a file of a lower layer is
  bool changed = false;     // see FirstChange
  Node* parent = nullptr;   // where it was last seen; see Live
  std::string name;
  int open_count = 0;
  bool replaced = false;  // a rename put another file in its place while it was open
  bool moved = false;     // a directory that was renamed and not looked up since
  nlink_t most_links = 0;
  std::set<std::string> listed;   // names that a lookup found in this directory
  std::set<std::string> absent;   // names that were looked for in vain
  std::set<std::string> removed;  // names that were removed from this directory
};

class NodeTable {
 public:
  // The root of the file system: the directory behind `path`. False with errno.
  bool Open(const char* path);
  Node& root() { return root_; }
  Node& Get(fuse_ino_t id) { return id == FUSE_ROOT_ID ? root_ : *reinterpret_cast<Node*>(id); }
  fuse_ino_t Id(Node& node) const;
  // The node of parent/name, with one more lookup; null with errno.
  Node* Find(Node& parent, const char* name);
  // The node of a file that `fd` names, which is taken over.
  Node* Adopt(int fd);
  void Forget(Node& node, uint64_t lookups);
  // Whether `node` is one that the kernel has not forgotten.
  bool Live(const Node* node) const { return node == &root_ || live_.contains(node); }
  // The live node of parent/name without a lookup, or null.
  Node* Peek(const Node& parent, const char* name);

 private:
  Node root_;
  std::map<std::pair<dev_t, ino_t>, Node*> nodes_;
  std::set<const Node*> live_;
  uint64_t generation_ = 0;
  timespec started_{};
};

NodeTable& Nodes();

// Whether this is the first change of a file that was there before the mount: the moment of a copy-up.
bool FirstChange(Node& node);
// The path by which the file behind a node can be opened, changed and linked, whatever its name is now.
std::string PathOf(const Node& node);
// lstat of the file behind, as the mount shows it.
int Status(Node& node, struct stat* status);

}  // namespace layermark::faults

#endif  // LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_NODE_H_
