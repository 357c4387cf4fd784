#include "bench/harness/operation_counters.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/kernel_names.h"
#include "core/sys/mount.h"
#include "core/sys/tracepoints.h"
#include "results/accounting.h"
#include "results/kernel_counters.h"

namespace layermark {
namespace {

using Breakdown = std::map<std::string, int64_t>;

constexpr size_t kSysEnter = 0;
constexpr size_t kFuseSend = 1;
constexpr int kTries = 3;

const Tracepoint kSystemCalls = {"raw_syscalls", "sys_enter", {"id", "args[3]"}, {SYS_mount}};
const Tracepoint kFuseRequests = {"fuse", "fuse_request_send", {"opcode"}};

// How often these are called is the scheduler's choice and the C library's, from run to run another.
bool IsRuntime(const std::string& syscall) {
  static const std::set<std::string> names = {"brk",
                                              "clock_getres",
                                              "clock_gettime",
                                              "clock_nanosleep",
                                              "epoll_pwait",
                                              "epoll_wait",
                                              "futex",
                                              "futex_wait",
                                              "futex_waitv",
                                              "futex_wake",
                                              "getrandom",
                                              "gettimeofday",
                                              "madvise",
                                              "mmap",
                                              "mprotect",
                                              "mremap",
                                              "munmap",
                                              "nanosleep",
                                              "poll",
                                              "ppoll",
                                              "pselect6",
                                              "restart_syscall",
                                              "rseq",
                                              "rt_sigreturn",
                                              "sched_yield",
                                              "select",
                                              "set_robust_list",
                                              "time"};
  return names.contains(syscall);
}

// mount(2) also changes mounts that are there.
bool AttachesAMount(uint64_t flags) {
  return (flags & (MS_REMOUNT | MS_MOVE | MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) == 0;
}

int64_t OpenDescriptors(const std::set<pid_t>& processes, int64_t& alive) {
  int64_t open = 0;
  for (const pid_t pid : processes) {
    const Result<std::vector<std::string>> names = ListDir(AT_FDCWD, "/proc/" + std::to_string(pid) + "/fd");
    if (!names.ok() || names->empty()) continue;  // it has ended
    ++alive;
    open += static_cast<int64_t>(names->size());
  }
  return open;
}

// What is there before and after the operation.
struct Surroundings {
  Result<SpaceCount> space = SpaceCount{};
  Result<DeviceCounters> device = DeviceCounters{};          // before a flush
  Result<DeviceCounters> device_flushed = DeviceCounters{};  // and after it
  Result<int64_t> mounts = 0;
  Result<int64_t> dentries = 0;
  Result<SlabBytes> slabs = SlabBytes{};
};

Result<int64_t> CountMounts() {
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  return static_cast<int64_t>(mounts.size());
}

int64_t Total(const Breakdown& breakdown) {
  int64_t sum = 0;
  for (const auto& [name, count] : breakdown) sum += count;
  return sum;
}

class Rows {
 public:
  explicit Rows(std::string side) : side_(std::move(side)) {}
  void Add(Metric metric, int64_t value, Breakdown breakdown = {}) {
    rows_.push_back({metric, side_, static_cast<double>(value), Row(metric).exact, std::move(breakdown), ""});
  }
  void LastIsInexact() { rows_.back().exact = false; }
  void AddNone(Metric metric, const std::string& reason) {
    rows_.push_back({metric, side_, {}, Row(metric).exact, {}, reason});
  }
  // `after` - `before`, or why there is no difference.
  template <typename T, typename F>
  void AddGrowth(Metric metric, const Result<T>& before, const Result<T>& after, F figure) {
    if (!before.ok() || !after.ok()) {
      AddNone(metric, (before.ok() ? after : before).status().ToString());
    } else {
      Add(metric, figure(*after) - figure(*before));
    }
  }
  std::vector<OperationCount> Take() { return std::move(rows_); }

 private:
  std::string side_;
  std::vector<OperationCount> rows_;
};

}  // namespace

struct OperationCounters::State {
  explicit State(const Backing& a_backing) : backing(a_backing) {}

  const Backing& backing;
  std::optional<TracepointCounter> tracer;
  std::string no_tracer, no_fuse;  // reasons
  // Those that an ancestor started bear numbers of another PID namespace.
  const size_t foreign_daemons = StartedFuseDaemons().size();

  std::set<pid_t> Daemons() const {
    const std::vector<pid_t> all = StartedFuseDaemons();
    return {all.begin() + static_cast<std::ptrdiff_t>(foreign_daemons), all.end()};
  }

  void OpenTracer() {
    Result<TracepointCounter> both = TracepointCounter::Open({kSystemCalls, kFuseRequests});
    if (!both.ok() && both.status().code() == Code::kNotFound) {
      no_fuse = both.status().ToString();
      both = TracepointCounter::Open({kSystemCalls});
    }
    if (both.ok()) {
      tracer = std::move(*both);
    } else {
      no_tracer = no_fuse = both.status().ToString();
    }
  }

  Surroundings Look() const {
    Surroundings out;
    out.mounts = CountMounts();
    out.device = ReadDevice(backing.path());
    out.space = CountSpace(backing.path(), {.extents = false, .copied_up = true});  // flushes first
    out.device_flushed = ReadDevice(backing.path());
    out.dentries = ReadDentries();
    out.slabs = ReadSlabs();
    return out;
  }

  void AddCalls(const std::vector<TracepointCount>& counts, bool is_driver, bool waited_for_daemon,
                Rows& rows) const;
  void AddGrowth(const Surroundings& before, const Surroundings& after, Rows& rows) const;
};

void OperationCounters::State::AddCalls(const std::vector<TracepointCount>& counts, bool is_driver,
                                        bool waited_for_daemon, Rows& rows) const {
  const std::set<pid_t> daemons = Daemons();
  Breakdown calls, runtime, of_daemons, requests, mounts;
  for (const TracepointCount& row : counts) {
    if (row.tracepoint == kFuseSend) {
      requests[FuseOpcodeName(row.fields[0])] += row.count;
      continue;
    }
    const std::string name = SyscallName(row.fields[0]);
    if (daemons.contains(row.process)) {
      of_daemons[name] += row.count;
    } else {
      (IsRuntime(name) ? runtime : calls)[name] += row.count;
    }
    if (row.fields[0] == SYS_move_mount || (row.fields[0] == SYS_mount && AttachesAMount(row.fields[1])))
      mounts[name] += row.count;
  }
  rows.Add(Metric::syscalls, Total(calls), calls);
  if (waited_for_daemon) rows.LastIsInexact();  // how often one looks whether its mount is there
  if (!is_driver) return;
  rows.Add(Metric::runtime_syscalls, Total(runtime), runtime);
  rows.Add(Metric::mounts, Total(mounts), mounts);
  if (!no_fuse.empty()) {
    rows.AddNone(Metric::fuse_requests, no_fuse);
  } else {
    rows.Add(Metric::fuse_requests, Total(requests), requests);
  }
  if (daemons.empty()) return;
  rows.Add(Metric::daemon_syscalls, Total(of_daemons), of_daemons);
}

void OperationCounters::State::AddGrowth(const Surroundings& before, const Surroundings& after,
                                         Rows& rows) const {
  const auto space = [&](Metric metric, int64_t SpaceCount::*figure) {
    rows.AddGrowth(metric, before.space, after.space,
                   [figure](const SpaceCount& count) { return count.*figure; });
  };
  const auto same = [](int64_t value) { return value; };
  rows.AddGrowth(Metric::mounts_left, before.mounts, after.mounts, same);
  space(Metric::inodes_left, &SpaceCount::inodes);
  space(Metric::whiteouts_left, &SpaceCount::whiteouts);
  space(Metric::stored_left_bytes, &SpaceCount::stored_bytes);
  space(Metric::copied_bytes, &SpaceCount::copied_up_bytes);
  space(Metric::allocated_left_bytes, &SpaceCount::allocated_bytes);
  rows.AddGrowth(Metric::flushes, before.device_flushed, after.device,
                 [](const DeviceCounters& device) { return device.flushes; });
  rows.AddGrowth(Metric::device_bytes, before.device_flushed, after.device_flushed,
                 [](const DeviceCounters& device) { return device.written_bytes; });
  rows.AddGrowth(Metric::dentries, before.dentries, after.dentries, same);
  if (before.slabs.ok() && after.slabs.ok()) {
    const SlabBytes growth = Growth(*before.slabs, *after.slabs);
    rows.Add(Metric::slab_bytes, Sum(growth), growth);
  } else {
    rows.AddNone(Metric::slab_bytes, (before.slabs.ok() ? after : before).slabs.status().ToString());
  }
}

OperationCounters::OperationCounters(const Backing& backing) : state_(std::make_unique<State>(backing)) {
  state_->OpenTracer();
}
OperationCounters::~OperationCounters() = default;

void OperationCounters::BeginClose() {
  if (state_->tracer) state_->tracer->BeginClose();
}

Result<std::vector<OperationCount>> OperationCounters::Count(Side& side, const std::string& name) {
  const bool is_driver = name == "driver";
  Rows rows(name);
  for (int attempt = 0;; ++attempt) {
    // The first round warms up; more than two only where the kernel lost records of the second.
    const bool counted = attempt > 0;
    LM_TRY(side.Before());
    Surroundings before, after;
    if (counted && is_driver) before = state_->Look();
    const size_t daemons_before = state_->Daemons().size();
    if (counted && state_->tracer) LM_TRY(state_->tracer->Start());
    Stopwatch watch;
    const Status ran = side.Run(watch);
    Result<std::vector<TracepointCount>> counts = std::vector<TracepointCount>{};
    if (counted && state_->tracer) counts = state_->tracer->Stop();
    LM_TRY(ran);
    int64_t daemons = 0;
    const int64_t descriptors = counted && is_driver ? OpenDescriptors(state_->Daemons(), daemons) : 0;
    if (counted && is_driver) after = state_->Look();
    LM_TRY(side.After());
    if (!counted) continue;
    if (!counts.ok() && attempt < kTries) continue;
    const std::string why = state_->tracer ? counts.status().ToString() : state_->no_tracer;
    if (state_->tracer && counts.ok()) {
      state_->AddCalls(*counts, is_driver, state_->Daemons().size() != daemons_before, rows);
    } else {
      rows.AddNone(Metric::syscalls, why);
      if (is_driver) {
        for (const Metric metric : {Metric::runtime_syscalls, Metric::mounts, Metric::fuse_requests})
          rows.AddNone(metric, why);
      }
    }
    if (is_driver) state_->AddGrowth(before, after, rows);
    if (daemons > 0) rows.Add(Metric::daemon_descriptors, descriptors);
    return rows.Take();
  }
}

}  // namespace layermark
