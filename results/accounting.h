// What a driver's store takes on its backing file system: by walking it, and by asking the file system.
//
// Three views, because none alone is true: the sizes that files show, the blocks and extents that they hold,
// and what the file system has less of. Reflinks and snapshots make block counts too high (each file counts a
// shared extent as its own), so extents are united by their physical place; metadata is in the pool alone.
//
// Threads: any; the functions keep no state. What is counted must not change meanwhile.
#ifndef LAYERMARK_RESULTS_ACCOUNTING_H_
#define LAYERMARK_RESULTS_ACCOUNTING_H_

#include <cstdint>
#include <string>

#include "core/result.h"

namespace layermark {

struct SpaceCount {
  int64_t logical_bytes = 0;    // sizes of regular files
  int64_t allocated_bytes = 0;  // st_blocks of everything; an extent that two files share counts twice
  int64_t own_bytes = 0;        // data in extents that one file holds alone; data kept in the inode too
  int64_t shared_bytes = 0;     // data in extents that several files hold, each extent once
  bool extents_known = true;    // false: the file system has no FIEMAP, and the two before are 0
  int64_t inodes = 0;           // all kinds; directories + files + symlinks + devices, fifos and sockets
  int64_t directories = 0;
  int64_t files = 0;
  int64_t symlinks = 0;
  int64_t whiteouts = 0;        // names: 0/0 character devices, and overlayfs's attribute form
  int64_t whiteout_inodes = 0;  // inodes behind them; overlayfs links whiteouts to one inode
  int64_t opaques = 0;          // directories marked opaque for overlayfs or fuse-overlayfs
  int64_t stored_bytes = 0;     // sizes of regular files as far as blocks stand behind them
  int64_t copied_up_bytes = 0;  // the part of it in files that a union marked as copied from a lower layer
  bool operator==(const SpaceCount&) const = default;
};

struct SpaceOptions {
  bool extents = true;     // false: no FIEMAP, which is most of the cost; own_bytes and shared_bytes are 0
  bool copied_up = false;  // look for the marks; costs an open for each file with data
};

// Walks `directory`, itself included; each inode counts once, however many names it has. Goes into btrfs
// subvolumes (whose inodes are inodes of their own, as a walk sees them) and not into other mounts. Flushes
// the file system first, so that every extent has a place. Cost: one lstat per name, and for each file with
// data an open and FIEMAP. A compressed btrfs extent counts with its uncompressed length. Needs to read every
// file; root for trusted.*. Unions mark what they copy up (overlay.origin), but not a file that had several
// names below, whose bytes are then missing from copied_up_bytes.
Result<SpaceCount> CountSpace(const std::string& directory, const SpaceOptions& options = {});

struct PoolState {
  int64_t used_bytes = 0;   // data and metadata of the whole file system
  int64_t used_inodes = 0;  // -1 where the file system keeps no count
};

// What the file system of `directory` has in use, after a flush. Deferred work is done first: on XFS the
// freeing of unlinked inodes and of blocks preallocated behind the end of files, on btrfs the cleaning of
// deleted subvolumes (up to a minute, then kDeadlineExceeded) - there used_bytes is the sum over block
// groups, a DUP profile twice, without the global reserve, which breathes. Other writers of the file system
// are in the numbers as well.
Result<PoolState> ReadPool(const std::string& directory);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_ACCOUNTING_H_
