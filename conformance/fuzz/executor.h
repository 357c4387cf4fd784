// Executor: runs the steps of a fuzz program on one directory tree by plain system calls.
//
// Two of them, one on the driver's mount and one on an ordinary directory, run the same steps; their outcomes
// are compared. An outcome holds nothing that two right file systems may differ in: no inode number (but
// whether it stayed the same), no size of a directory, no order of names, and of a time that the kernel set
// only that it is recent. Threads: one per process, because paths are
// taken from the working directory, which Run() sets, and because setfsuid belongs to the thread.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_
#define LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "conformance/fuzz/program.h"
#include "core/sys/fd.h"

namespace layermark {

struct Outcome {
  int error = 0;      // errno; 0 where it worked
  int64_t value = 0;  // what the call returned, where that means something
  std::string seen;   // what it read; attributes as "key=value" words
  bool operator==(const Outcome&) const = default;
};
// Takes out of both what may differ: the link count of a directory where one side says 1, which means that it
// does not count, and whether an inode number stayed where the ordinary directory's did not.
void DropWhatMayDiffer(Outcome* expected, Outcome* seen);
std::string ToString(const Outcome& outcome);  // "ENOENT", "ok 5 type=file mode=644"

class Executor {
 public:
  Executor() = default;
  // From now on works below `root_fd`, which stays the caller's and must stay open. Slots are closed.
  // Times from `recent_ns` on are told as "recent".
  void Attach(int root_fd, int64_t recent_ns = 0);
  // Closes the slots, takes inode flags off that steps set, and leaves the directory, so that it can be
  // unmounted.
  void Detach();

  // Runs a step that is not kCheck, kRemount or kCommit. REQUIRES: attached; CheckFuzzStep(step) is ok.
  // Never blocks on a fifo. A slot that is not open answers EBADF.
  Outcome Run(const FuzzStep& step);

 private:
  Outcome Dispatch(const FuzzStep& step);
  Outcome OnSlot(const FuzzStep& step);
  Outcome OnPath(const FuzzStep& step);
  Outcome OnAttributes(const FuzzStep& step);
  Outcome OnInodeFlags(const FuzzStep& step);
  Outcome StatPath(const FuzzStep& step);
  void ForgetNumbers(const FuzzStep& step, const Outcome& outcome);

  int root_ = -1;
  int64_t recent_ns_ = 0;
  std::map<std::string, ino_t> numbers_;  // of paths that were looked at, while none was removed
  // Objects with inode flags, which would be in the way of removal, and which no copy of a tree keeps.
  std::vector<Fd> flagged_;
  std::array<Fd, kFuzzSlots> slots_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_EXECUTOR_H_
