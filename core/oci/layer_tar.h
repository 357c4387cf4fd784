// OCI layer tars: applying one to a directory, and producing one from two directories.
//
// The rules are those of the OCI image specification's layer page (reference ids L1 to L51 in comments).
// Tars are untrusted: nothing is created, changed or removed outside the root (every directory on the way is
// opened by one name, symlinks of the image are resolved as if the root were "/"), sizes, names and depths
// are bounded, a malformed archive is kInvalidArgument with the entry's name, a truncated one kDataLoss, a
// claim beyond a bound kOutOfRange. What the specification leaves open is decided at the head of
// tar_apply.cc.
#ifndef LAYERMARK_CORE_OCI_LAYER_TAR_H_
#define LAYERMARK_CORE_OCI_LAYER_TAR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/tree/manifest.h"

namespace layermark {

// How whiteouts reach the directory.
enum class WhiteoutStyle {
  kRemove,   // the root shows the lower layers already (a mounted snapshot, a full copy): remove the names
  kOverlay,  // the root is a bare upper directory: char device 0/0 and trusted.overlay.opaque=y
};

struct ApplyOptions {
  WhiteoutStyle whiteouts = WhiteoutStyle::kRemove;
  int64_t max_entry_bytes = int64_t{8} << 30;  // a larger claim in a header is an error before any write
  int64_t max_total_bytes = int64_t{64} << 30;
  int64_t max_entries = 4'000'000;
  bool ignore_unsupported_xattrs = false;  // ENOTSUP of setxattr; counted in the result otherwise an error
};

struct ApplyResult {
  int64_t entries = 0;
  int64_t bytes = 0;  // content written
  int64_t whiteouts = 0;
  int64_t opaques = 0;
  int64_t ignored_xattrs = 0;
};

// Reads the archive (plain, gzip or zstd, by content) from `tar_fd` and applies it below `root_fd`.
// A whiteout hides only what lower layers brought: entries of the same archive survive in any order (L19,
// L27). Directory mtimes are set last (L15); ids before mode before capabilities (L16); hard links need their
// target in the root (L37, L38). On error the root is left as far as it got: the caller discards the
// snapshot.
Result<ApplyResult> ApplyLayerTar(int tar_fd, int root_fd, const ApplyOptions& options = {});

struct DiffOptions {
  // Xattr names not written (host-internal ones, L35). user.* and trusted.* are written, unlike containerd.
  std::vector<std::string> dropped_xattr_prefixes = {"trusted.overlay.",  "user.overlay.",
                                                     "security.selinux",  "user.fuseoverlayfs.",
                                                     "btrfs.compression", "trusted.SGI_ACL_"};
};

struct DiffResult {
  int64_t entries = 0;
  int64_t whiteouts = 0;
  int64_t skipped_sockets = 0;  // L4: sockets have no tar type
  std::string digest;           // "sha256:..." of the tar written: the diff ID
};

// Writes to `tar_fd` the uncompressed layer that turns the tree `lower_fd` into the tree `upper_fd` (both are
// complete, visible trees; lower_fd < 0: the empty tree). Entries in byte order of their paths, parents first
// (L32, L47), one per path (L1), no host names (L2), PAX times to the nanosecond: equal trees give equal
// bytes. Two files are equal where type, mode, ids, size, mtime, xattrs and (where mtime has no nanoseconds
// on one side, L45) content agree; a directory is listed if its own attributes changed or something below it
// did.
Result<DiffResult> DiffToTar(int lower_fd, int upper_fd, int tar_fd, const DiffOptions& options = {});

// A tar made by code, for tests and corpora: exact control over each header.
struct TarEntry {
  std::string path;
  char typeflag = '0';  // '0' file '1' hard link '2' symlink '3' char '4' block '5' dir '6' fifo
                        // 'g' PAX global header (data: records)
  mode_t mode = 0644;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string data;
  std::string link_target;
  unsigned dev_major = 0, dev_minor = 0;
  int64_t mtime_ns = 1'000'000'000'000'000'000;
  std::vector<Xattr> xattrs;  // written as SCHILY.xattr.NAME
  int64_t claimed_size = -1;  // >= 0: the header claims this size whatever `data` holds
};
// The bytes of a PAX tar with exactly these entries in this order, end blocks included. Written by hand, so
// that it can hold what a tar library refuses to write.
std::string BuildTar(const std::vector<TarEntry>& entries);

// The archive's entries as declared, without touching a file system (for the model and for the inode census).
// A regular file's data is kept with `keep_data`, its digest always. Of `bounds` the limits count: what a
// hostile archive may cost (a sparse entry of some bytes can claim any size, which has to be hashed).
struct TarListEntry {
  TarEntry entry;
  int64_t size_bytes = 0;
  std::string digest;
};
Result<std::vector<TarListEntry>> ListTar(int tar_fd, bool keep_data = false,
                                          const ApplyOptions& bounds = {});

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_LAYER_TAR_H_
