// TracepointCounter: how often the kernel passed its tracepoints on behalf of this thread and of what it
// starts.
//
// perf events, one ring a processor, inherited by threads and processes that the opening thread starts later.
// Each passing is a record, which a thread of the counter's own takes out of the ring and counts; that thread
// is older than the events, so that it is not counted itself. The kernel counts beside it, and where the two
// differ the answer is an error and no number. Nothing is left behind: the events go with their descriptors,
// and so with the process, however it ends.
//
// Cost: while open, each system call of the tree takes some hundred nanoseconds more, counted or not; an
// event and a descriptor for each tracepoint and processor, copied at each fork. So do not time anything
// meanwhile. Needs CAP_PERFMON (or root) in the first user namespace and a kernel with tracepoints; where
// tracefs is not mounted it is opened without being mounted anywhere (Linux 5.2), which needs CAP_SYS_ADMIN.
#ifndef LAYERMARK_CORE_SYS_TRACEPOINTS_H_
#define LAYERMARK_CORE_SYS_TRACEPOINTS_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"

namespace layermark {

struct Tracepoint {
  std::string system, name;           // "raw_syscalls" "sys_enter"
  std::vector<std::string> fields{};  // at most 3 of its integer fields, to count apart by: {"id", "args[3]"}
  // If not empty: the fields after the first are kept for these values of the first, and are 0 for others.
  std::vector<uint64_t> detailed{};
};

struct TracepointCount {
  size_t tracepoint = 0;                // its place in what Open was given
  pid_t process = 0;                    // that passed it
  std::array<uint64_t, 3> fields = {};  // in the order asked for; signed ones are sign-extended
  int64_t count = 0;
};

class TracepointCounter {
 public:
  // Opens the events, not yet counting. kNotFound names a tracepoint or field that the kernel lacks;
  // kPermissionDenied, kUnimplemented and kResourceExhausted the call that failed.
  static Result<TracepointCounter> Open(std::vector<Tracepoint> tracepoints);
  TracepointCounter(TracepointCounter&&) noexcept;
  TracepointCounter& operator=(TracepointCounter&&) noexcept;
  ~TracepointCounter();

  // Start and Stop bound what is counted. Both are one system call, prctl(2); of these Stop's own is left out
  // of the counts of raw_syscalls:sys_enter with a first field "id". REQUIRES: the thread that opened it, and
  // no other perf event of this thread.
  Status Start();
  // What was counted since Start. kDataLoss where records were lost.
  Result<std::vector<TracepointCount>> Stop();
  // Nothing is counted from here on. The kernel needs tens of milliseconds to be rid of its tracepoints (it
  // waits for all processors), mostly asleep: that goes on in the background, and the destructor waits for
  // it. What costs the system calls of others is gone first.
  void BeginClose();

 private:
  struct State;
  explicit TracepointCounter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What the kernel says of one of its tracepoints: id and where the fields lie in a record of it.
struct TracepointFormat {
  struct Field {
    std::string name;
    size_t offset = 0, size = 0;
    bool is_signed = false;
  };
  uint16_t id = 0;
  std::vector<Field> fields;
};
// The text of a tracefs file events/SYSTEM/NAME/format. kInvalidArgument for what is none.
Result<TracepointFormat> ParseTracepointFormat(const std::string& text);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_TRACEPOINTS_H_
