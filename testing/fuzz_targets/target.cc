#include "testing/fuzz_targets/target.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace layermark::fuzz_target {

void Promise(bool held, const char* what) {
  if (held) return;
  fmt::print(stderr, "broken promise: {}\n", what);
  std::abort();
}

std::string WithTarChecksums(std::string_view bytes) {
  constexpr size_t kBlock = 512;
  constexpr size_t kChecksum = 148;
  constexpr size_t kChecksumSize = 8;
  std::string out(bytes);
  for (size_t at = 0; at + kBlock <= out.size(); at += kBlock) {
    if (out.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      const bool own = i >= kChecksum && i < kChecksum + kChecksumSize;
      sum += own ? ' ' : static_cast<unsigned char>(out[at + i]);
    }
    const std::string text = fmt::format("{:06o}", sum) + std::string("\0 ", 2);
    out.replace(at + kChecksum, kChecksumSize, text);
  }
  return out;
}

Fd MemoryFile(std::string_view bytes) {
  Fd file(memfd_create("input", MFD_CLOEXEC));
  Promise(file.valid() && PWriteAll(file.get(), bytes, 0).ok(), "a file in memory can be made");
  return file;
}

}  // namespace layermark::fuzz_target
