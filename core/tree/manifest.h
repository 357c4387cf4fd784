// Manifest: everything about a directory tree that two correct implementations must agree on.
#ifndef LAYERMARK_CORE_TREE_MANIFEST_H_
#define LAYERMARK_CORE_TREE_MANIFEST_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

enum class FileType { kRegular, kDirectory, kSymlink, kFifo, kSocket, kCharDevice, kBlockDevice };
std::string_view FileTypeName(FileType type);  // "regular", "directory", ...
FileType FileTypeFromMode(mode_t mode);

struct Entry {
  FileType type = FileType::kRegular;
  mode_t permissions = 0;  // the low 12 bits of st_mode
  uid_t uid = 0;
  gid_t gid = 0;
  int64_t size_bytes = 0;       // regular files and symlinks; 0 for the rest
  std::string digest;           // "sha256:<hex>" of the content of a regular file
  std::string link_target;      // symlinks
  dev_t rdev = 0;               // devices
  int64_t mtime_ns = 0;         // files, directories and symlinks alike
  std::vector<Xattr> xattrs;    // sorted by name; ACLs and capabilities are xattrs too
  int64_t allocated_bytes = 0;  // st_blocks * 512
  int64_t data_bytes = 0;       // bytes in data segments (SEEK_DATA); size_bytes where there is no hole;
                                // -1: not looked for (ManifestOptions::holes)
  // Hard links: every name of an inode that has two or more names in this tree carries the same group, which
  // is the first of these names in byte order. Empty for a single name. Directories never.
  std::string link_group;
  // Identity, for checks that want it; never part of Compare.
  dev_t dev = 0;
  ino_t ino = 0;
  nlink_t nlink = 0;
  uint8_t dirent_type = 0;  // d_type from readdir; 0 for the root
  ino_t dirent_ino = 0;     // d_ino from readdir; 0 for the root
};

struct Manifest {
  // Path relative to the root without a leading slash; "" is the root itself. Byte order.
  std::map<std::string, Entry> entries;
};

struct ManifestOptions {
  bool digests = true;
  bool xattrs = true;
  bool holes = true;  // fill data_bytes
  // Names of xattrs to leave out. Default: what belongs to the machine or to a union file system.
  std::vector<std::string> ignored_xattr_prefixes = {"trusted.overlay.",  "user.overlay.",
                                                     "security.selinux",  "user.fuseoverlayfs.",
                                                     "btrfs.compression", "trusted.SGI_ACL_"};
  bool cross_mounts = false;  // false: a directory on another st_dev is listed but not entered
                              // (overlay without xino gives files another st_dev: only directories count)
};

// Walks the tree below `root_fd` (not following symlinks). Any depth and any name.
Result<Manifest> ReadManifest(int root_fd, const ManifestOptions& options = {});
Result<Manifest> ReadManifest(const std::string& root, const ManifestOptions& options = {});

// SHA-256 over the canonical text of all compared fields; "sha256:<hex>". Times and hole layout included.
std::string ManifestDigest(const Manifest& manifest);
// Distinct inodes (hard-link groups count once), the root included.
int64_t InodeCount(const Manifest& manifest);
std::string Sha256(std::string_view data);  // "sha256:<hex>"
Result<std::string> Sha256File(int fd);     // from offset 0 to the end; the descriptor's offset moves

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_MANIFEST_H_
