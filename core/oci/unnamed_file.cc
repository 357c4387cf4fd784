#include "core/oci/unnamed_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>
#include <string>

namespace layermark {

Result<Fd> UnnamedFile(int64_t expected_bytes) {
  constexpr int64_t kInMemory = int64_t{256} << 20;
  if (expected_bytes > kInMemory) {
    const char* directory = getenv("TMPDIR");
    auto file =
        Open(directory != nullptr && *directory != '\0' ? directory : "/var/tmp", O_TMPFILE | O_RDWR, 0600);
    if (file.ok()) return file;
  }
  Fd memory(memfd_create("layermark", MFD_CLOEXEC));
  if (!memory.valid()) return Status::Errno("memfd_create", "");
  return memory;
}

Result<Fd> Reopen(int fd) {
  return Open("/proc/self/fd/" + std::to_string(fd), O_RDONLY);
}

}  // namespace layermark
