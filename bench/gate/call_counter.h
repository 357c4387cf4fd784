// CallCounter: system calls of this process by name, and FUSE requests of it and its children by name.
//
// Left out are the calls by which threads wait for each other, get memory and read clocks: how many of those
// there are is chance. Calls of other processes (a FUSE daemon, a program of the exec protocol) are left out
// too. REQUIRES: as TracepointCounter; one thread.
#ifndef LAYERMARK_BENCH_GATE_CALL_COUNTER_H_
#define LAYERMARK_BENCH_GATE_CALL_COUNTER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/sys/tracepoints.h"

namespace layermark {

class CallCounter {
 public:
  // Opens what can be opened. What cannot be counted here (why_not) is not in the answers; nothing fails for
  // it.
  CallCounter();
  // Empty where all is counted.
  const std::string& why_not() const { return why_not_; }
  Status Start();
  // "syscalls.openat" -> 3, "fuse_requests.LOOKUP" -> 2.
  Result<std::map<std::string, int64_t>> Stop();

 private:
  std::optional<TracepointCounter> counter_;
  bool fuse_ = false;
  std::string why_not_;
};

}  // namespace layermark

#endif  // LAYERMARK_BENCH_GATE_CALL_COUNTER_H_
