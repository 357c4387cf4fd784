// What libFuzzer calls.
#include <cstddef>
#include <cstdint>

#include "testing/fuzz_targets/target.h"

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's names
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  layermark::fuzz_target::SetUp();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > layermark::fuzz_target::kMaxInput) return 0;
  layermark::fuzz_target::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
// NOLINTEND(readability-identifier-naming)
