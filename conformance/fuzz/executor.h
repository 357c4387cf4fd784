// Executor: runs the steps of a fuzz program on one directory tree by plain system calls.
//
// Two of them, one on the driver's mount and one on an ordinary directory, run the same steps; their outcomes
// are compared. An outcome holds nothing that two right file systems may differ in: no inode number, no size
// of a directory, no time that the kernel set, no order of names. Threads: one per process, because paths are
// taken from the working directory, which Run() sets, and because setfsuid belongs to the thread.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_
#define LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_

#include <array>
#include <cstdint>
#include <string>

#include "conformance/fuzz/program.h"
#include "core/sys/fd.h"

namespace layermark {

struct Outcome {
  int error = 0;      // errno; 0 where it worked
  int64_t value = 0;  // what the call returned, where that means something
  std::string seen;   // what it read; attributes as "key=value" words
  bool operator==(const Outcome&) const = default;
};
std::string ToString(const Outcome& outcome);  // "ENOENT", "ok 5 type=file mode=644"

class Executor {
 public:
  Executor() = default;
  // From now on works below `root_fd`, which stays the caller's and must stay open. Slots are closed.
  void Attach(int root_fd);
  // Closes the slots and leaves the directory, so that it can be unmounted.
  void Detach();

  // Runs a step that is not kCheck, kRemount or kCommit. REQUIRES: attached; CheckFuzzStep(step) is ok.
  // Never blocks on a fifo. A slot that is not open answers EBADF.
  Outcome Run(const FuzzStep& step);

 private:
  Outcome Dispatch(const FuzzStep& step);
  Outcome OnSlot(const FuzzStep& step);
  Outcome OnPath(const FuzzStep& step);
  Outcome OnAttributes(const FuzzStep& step);

  int root_ = -1;
  std::array<Fd, kFuzzSlots> slots_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_
