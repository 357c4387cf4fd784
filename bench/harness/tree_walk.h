// Walking a tree as ls -lR and tar do: every directory read, every entry's attributes asked, and, where
// wanted, every file read to its end. For workloads: no allocation per entry beyond its path.
#ifndef LAYERMARK_BENCH_HARNESS_TREE_WALK_H_
#define LAYERMARK_BENCH_HARNESS_TREE_WALK_H_

#include <cstdint>

#include "core/result.h"

namespace layermark {

struct TreeWalk {
  int64_t entries = 0;     // without the root
  int64_t file_bytes = 0;  // sizes of the regular files
  uint64_t sum = 0;        // over the bytes read, whatever the order of the files; 0 where none were
  bool operator==(const TreeWalk&) const = default;
};

enum class Walk { kAttributes, kContent, kChecksum };  // kContent reads; kChecksum sums up besides

// Does not cross mounts, nor follow symlinks. Threads: any.
Result<TreeWalk> WalkTree(int root_fd, Walk how = Walk::kAttributes);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_TREE_WALK_H_
