#include "bench/gate/call_counter.h"

#include <unistd.h>

#include <set>

#include "core/sys/kernel_names.h"

namespace layermark {
namespace {

const std::set<std::string>& Chance() {
  static const std::set<std::string> names = {
      "futex",  "futex_wait", "futex_wake",        "sched_yield",  "mmap",        "munmap",
      "mremap", "mprotect",   "madvise",           "brk",          "nanosleep",   "clock_nanosleep",
      "poll",   "ppoll",      "clock_gettime",     "gettimeofday", "getrandom",   "restart_syscall",
      "wait4",  "waitid",     "rt_sigprocmask",    "rt_sigreturn", "rseq",        "set_robust_list",
      "gettid", "exit",       "sched_getaffinity", "epoll_wait",   "epoll_pwait", "getrusage",
      "getcpu", "prctl"};
  return names;
}

const Tracepoint kCalls = {.system = "raw_syscalls", .name = "sys_enter", .fields = {"id"}};
const Tracepoint kFuse = {.system = "fuse", .name = "fuse_request_send", .fields = {"opcode"}};

}  // namespace

CallCounter::CallCounter() {
  Result<TracepointCounter> both = TracepointCounter::Open({kCalls, kFuse});
  fuse_ = both.ok();
  if (!both.ok() && both.status().code() == Code::kNotFound) both = TracepointCounter::Open({kCalls});
  if (both.ok()) {
    counter_.emplace(std::move(*both));
  } else {
    why_not_ = both.status().ToString();
  }
}

Status CallCounter::Start() {
  return counter_ ? counter_->Start() : Status::Ok();
}

Result<std::map<std::string, int64_t>> CallCounter::Stop() {
  std::map<std::string, int64_t> counts;
  if (!counter_) return counts;
  LM_ASSIGN(const std::vector<TracepointCount> rows, counter_->Stop());
  for (const TracepointCount& row : rows) {
    if (row.tracepoint == 1) {
      counts["fuse_requests." + FuseOpcodeName(row.fields[0])] += row.count;
    } else if (row.process == getpid()) {
      const std::string name = SyscallName(row.fields[0]);
      if (!Chance().contains(name)) counts["syscalls." + name] += row.count;
    }
  }
  return counts;
}

}  // namespace layermark
