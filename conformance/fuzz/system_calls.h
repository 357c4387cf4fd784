// What the parts of the executor share: outcomes made from what a system call answered. Nobody else includes
// this.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_
#define LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_

#include <sys/stat.h>

#include <cerrno>
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
std::string AttributesOf(const struct stat& st);
// At most 2 MiB from `offset` on.
Outcome ReadFrom(int fd, int64_t offset, int64_t size);
// The names and types in a directory, sorted; in pieces: with a small buffer, and the second half read twice.
Outcome ListNames(int fd, bool in_pieces);

// "" is the root.
inline const char* At(const std::string& path) {
  return path.empty() ? "." : path.c_str();
}

}  // namespace layermark::fuzz_internal

#endif  // LAYERMARK_CONFORMANCE_FUZZ_SYSTEM_CALLS_H_
