// A fuzz target: one reader of bytes that somebody else wrote, fed with anything.
//
// Each target is one file that defines the three functions below. It becomes two programs: with clang++ and
// libFuzzer (libfuzzer_entry.cc), which searches for as long as it is let, and with any compiler the short
// form (replay_main.cc), which replays the seeds and some thousand fixed mutations of them and is a test of
// CI. Threads: one.
#ifndef LAYERMARK_TESTING_FUZZ_TARGETS_TARGET_H_
#define LAYERMARK_TESTING_FUZZ_TARGETS_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/sys/fd.h"

namespace layermark::fuzz_target {

// Longer inputs find nothing that shorter ones do not, and cost more.
inline constexpr size_t kMaxInput = size_t{64} << 10;

// Inputs that are valid, or nearly so, made by code.
std::vector<std::string> Seeds();
// Once, before the first input; ends the program where it cannot work.
void SetUp();
// One input. Returning is the good end whatever the reader answered; a crash, a sanitizer's report or a
// broken promise is the bad one.
void Run(std::string_view input);

// Prints what was promised and aborts, where that does not hold.
void Promise(bool held, const char* what);

// Sets the checksum of each block that looks like a tar header: otherwise nearly every change of one is
// refused by its checksum, and nothing behind it is reached.
std::string WithTarChecksums(std::string_view bytes);

// A descriptor without a name that holds these bytes, at offset 0.
Fd MemoryFile(std::string_view bytes);

}  // namespace layermark::fuzz_target

#endif  // LAYERMARK_TESTING_FUZZ_TARGETS_TARGET_H_
