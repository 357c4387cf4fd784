// Files without a name, for data that must not outlive the process.
#ifndef LAYERMARK_CORE_OCI_UNNAMED_FILE_H_
#define LAYERMARK_CORE_OCI_UNNAMED_FILE_H_

#include <cstdint>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// A new empty file, open for reading and writing: in memory up to a size of 256 MiB, else an O_TMPFILE in
// $TMPDIR (or /var/tmp), in memory again where that cannot be had.
Result<Fd> UnnamedFile(int64_t expected_bytes);

// A descriptor on the same file with an offset of its own, at 0.
Result<Fd> Reopen(int fd);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_UNNAMED_FILE_H_
