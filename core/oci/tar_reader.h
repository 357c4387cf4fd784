// TarReader: the entries of a layer tar (plain, gzip or zstd, by content), one after the other.
//
// A thin owner over libarchive that gives names byte for byte, whatever the locale, and tells a damaged
// archive (kInvalidArgument), a truncated one (kDataLoss) and a failed read (the errno) apart.
#ifndef LAYERMARK_CORE_OCI_TAR_READER_H_
#define LAYERMARK_CORE_OCI_TAR_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

struct TarHeader {
  std::string path;        // as in the archive
  char type = '0';         // '0' file '1' hard link '2' symlink '3' char '4' block '5' dir '6' fifo
  mode_t permissions = 0;  // the low 12 bits
  uid_t uid = 0;
  gid_t gid = 0;
  int64_t size_bytes = 0;   // of a regular file, holes counted; 0 for the rest
  std::string link_target;  // hard and symbolic links
  unsigned dev_major = 0, dev_minor = 0;
  int64_t mtime_ns = 0;
  std::vector<Xattr> xattrs;  // sorted by name, each name once
};

// Threads: one at a time. Does not own the descriptor; reads from its current offset on.
class TarReader {
 public:
  static Result<TarReader> Open(int fd);
  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;
  ~TarReader();

  // The next entry; false at the end of the archive. Content that was not read is skipped. PAX global headers
  // are passed over (L6). Numbers that no file can have (L7) are kInvalidArgument.
  Result<bool> Next(TarHeader* header);
  // The next piece of the current entry's content and where it lies in the file: a sparse entry leaves gaps.
  // False at its end. `data` is valid until the next call.
  Result<bool> NextBlock(int64_t* offset, std::string_view* data);

 private:
  struct Impl;
  explicit TarReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_TAR_READER_H_
