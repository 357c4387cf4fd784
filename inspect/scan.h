// One walk over a storage root: every inode and every extent once, with the layers that hold them.
//
// A hard link is one inode with several names, a reflink several inodes with one extent. Both may lie in
// several layers; here each is one thing with a set of holders, so that no sum counts it twice. A holder is a
// layer (its index in Root::layers) or, from Root::layers.size() on, a part (bookkeeping, content store,
// other).
//
// Threads: one. Nothing is written, symlinks are not followed and access times are left alone where that is
// allowed. The walk stays on the root's file system; another one that is mounted within is entered only where
// layers lie below its mount point (a disk under a snapshotter's directory), not where a container's root or
// shared memory is mounted.
#ifndef LAYERMARK_INSPECT_SCAN_H_
#define LAYERMARK_INSPECT_SCAN_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/result.h"
#include "inspect/root.h"

namespace layermark::inspect {

// Paths within layers, each once: a number stands for a name and the number of its directory. 0 is a layer's
// root.
class PathTable {
 public:
  uint32_t Add(uint32_t directory, std::string_view name);
  uint32_t Parent(uint32_t path) const { return nodes_[path].first; }
  std::string Text(uint32_t path) const;  // "usr/bin/env"; "" for 0
  size_t size() const { return nodes_.size(); }

 private:
  struct Key {
    uint32_t directory;
    std::string_view name;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.name) ^ (key.directory * 0x9E3779B97F4A7C15u);
    }
  };
  std::deque<std::pair<uint32_t, std::string>> nodes_ = {{0, ""}};  // stays in place: the keys point into it
  std::unordered_map<Key, uint32_t, KeyHash> index_;
};

struct Inode {
  mode_t mode = 0;
  dev_t rdev = 0;
  int64_t size_bytes = 0;
  int64_t block_bytes = 0;    // st_blocks, as du counts them
  int64_t mapped_bytes = 0;   // of these, what is in Scan::extents
  bool inline_data = false;   // in the file system's metadata: its blocks are no blocks of its own
  int holder = -1;            // the first one met
  std::string path;           // relative to the root; the first one met
  uint32_t link_target = 0;   // of a symlink: equal targets have equal numbers
  uint64_t extents_hash = 0;  // equal: the same extents at the same places; 0: not known
};

enum NameFlag : uint8_t {
  kWhiteout = 1,  // hides the name below
  kOpaque = 2,    // a directory: what lower layers have at its path is hidden
  kMetaCopy = 4,  // a file's attributes; its data are those of the lower file
};

// A name in a layer; directories come before what is in them.
struct Name {
  uint32_t path;  // of a whiteout: the name that it hides
  uint32_t inode;
  uint8_t flags;
};

// A place in a file system. Ranges of different spaces never overlap.
struct Extent {
  uint32_t space;
  uint32_t inode;
  uint64_t start;
  uint64_t end;
};

struct Scan {
  PathTable paths;
  std::vector<Inode> inodes;
  std::vector<std::vector<Name>> names;  // by layer
  std::vector<Extent> extents;
  // What a directory of an upper layer was called below (overlay's redirect_dir): layer, the path that it
  // names.
  std::vector<std::pair<int, uint32_t>> redirects;
  bool extents_known = true;  // false: a file system that can share extents does not tell them
  std::string file_system;    // of the root: "ext4", "btrfs", ...

  // Holders of an inode, sorted; most have one.
  std::vector<int> Holders(uint32_t inode) const;
  std::unordered_map<uint32_t, std::vector<int>> further_holders;  // beyond the first, sorted
};

// kUnavailable: the root changed under each of three walks. Cost: one lstat for each name, and FIEMAP for
// each file where the file system can share extents; about 200 bytes of memory for each inode, 12 for each
// name.
Result<Scan> ScanRoot(const Root& root);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_SCAN_H_
