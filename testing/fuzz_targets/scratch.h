// Where a target may write: a small file system in memory that has no name, so that nothing of it outlives
// the process, with the host's files out of reach.
#ifndef LAYERMARK_TESTING_FUZZ_TARGETS_SCRATCH_H_
#define LAYERMARK_TESTING_FUZZ_TARGETS_SCRATCH_H_

#include <string>

#include "core/sys/fd.h"

namespace layermark::fuzz_target {

// Makes the whole host read-only for this process, in a mount namespace of its own, so that a reader that a
// hostile input leads astray fails instead of doing harm. Directories of the environment variable
// LAYERMARK_FUZZ_WRITABLE (separated by ':') stay writable: libFuzzer's corpus and findings. Ends the program
// where it cannot; needs root.
void CloseHost();

// A new tmpfs of `bytes` bytes and `inodes` inodes, mounted nowhere; its root directory.
Fd NewScratch(int bytes, int inodes);

}  // namespace layermark::fuzz_target

#endif  // LAYERMARK_TESTING_FUZZ_TARGETS_SCRATCH_H_
