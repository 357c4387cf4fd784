// What the parts of the executor share: outcomes made from what a system call answered. Nobody else includes
// this.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_
#define LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "conformance/fuzz/executor.h"

namespace layermark::fuzz_internal {

// -1 with errno, or a value that means nothing.
inline Outcome Done(long answer) {
  return {answer < 0 ? errno : 0, 0, ""};
}
// -1 with errno, or a count.
inline Outcome Counted(long answer) {
  return {answer < 0 ? errno : 0, answer < 0 ? 0 : answer, ""};
}

// Bytes as they are where they are few and plain, else their length and a hash.
std::string Shown(std::string_view bytes);
// Times from `recent_ns` on, which the kernel may have set, are "recent".
std::string TimeText(const timespec& time, int64_t recent_ns);
std::string AttributesOf(const struct stat& st, int64_t recent_ns);
// At most 2 MiB from `offset` on.
Outcome ReadFrom(int fd, int64_t offset, int64_t size);
// The names and types in a directory, sorted; in pieces: with a small buffer, and the second half read twice.
Outcome ListNames(int fd, bool in_pieces);
// Which names have another inode number in the directory than in stat.
Outcome ListInodes(int fd);
// Unlinks each name that is no directory's as it comes, with a small buffer; what is left over is told.
Outcome ListRemove(int fd);
// Makes files after the first names came; what was there before must come once.
Outcome ListCreate(int fd);

// kTimeOmit and kTimeNow as utimensat wants them.
timespec TimeOf(int64_t ns);

// "" is the root.
inline const char* At(const std::string& path) {
  return path.empty() ? "." : path.c_str();
}

}  // namespace layermark::fuzz_internal

#endif  // LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_
