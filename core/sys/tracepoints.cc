#include "core/sys/tracepoints.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstring>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "core/sys/fd.h"

namespace layermark {
namespace {

constexpr size_t kAllRingsBytes = size_t{32} << 20;
constexpr size_t kMaxRingBytes = size_t{4} << 20;
constexpr size_t kMinRingBytes = size_t{64} << 10;

// tracefs where it is mounted, or a mount of it that has no place. Valid while the descriptor is.
Result<Fd> OpenTracefs() {
  for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    Result<Fd> fd = Open(path, O_RDONLY | O_DIRECTORY);
    if (fd.ok() && ExistsAt(fd->get(), "events")) return fd;
  }
  const Fd context(fsopen("tracefs", FSOPEN_CLOEXEC));
  if (!context.valid()) return Status::Errno("fsopen", "tracefs");
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return Status::Errno("fsconfig", "tracefs");
  Fd mount(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount.valid()) return Status::Errno("fsmount", "tracefs");
  return mount;
}

Result<int> OnlineProcessors() {
  const long count = sysconf(_SC_NPROCESSORS_CONF);
  return count > 0 ? static_cast<int>(count) : 1;
}

// One processor's ring, shared by all events there.
class Ring {
 public:
  Ring() = default;
  Ring(Ring&& other) noexcept : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}
  Ring& operator=(Ring&&) = delete;
  ~Ring() {
    if (base_ != nullptr) munmap(base_, bytes_ + PageSize());
  }

  Status Map(int fd, size_t bytes) {
    void* base = mmap(nullptr, bytes + PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return Status::Errno("mmap", fmt::format("a perf ring of {} bytes", bytes));
    base_ = static_cast<char*>(base);
    bytes_ = bytes;
    return Status::Ok();
  }

  // Calls `take` with each whole record, header included.
  template <typename F>
  void Drain(F take) {
    auto* page = reinterpret_cast<perf_event_mmap_page*>(base_);
    const uint64_t head = std::atomic_ref<__u64>(page->data_head).load(std::memory_order_acquire);
    uint64_t tail = page->data_tail;
    while (tail < head) {
      perf_event_header header;
      Copy(tail, &header, sizeof header);
      std::array<char, 512> record;
      const size_t kept = std::min<size_t>(header.size, record.size());
      Copy(tail, record.data(), kept);
      take(header, record.data(), kept);
      tail += header.size;
    }
    std::atomic_ref<__u64>(page->data_tail).store(tail, std::memory_order_release);
  }

 private:
  static size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
  void Copy(uint64_t from, void* to, size_t size) const {
    const size_t at = from % bytes_;
    const size_t first = std::min(size, bytes_ - at);
    memcpy(to, base_ + PageSize() + at, first);
    memcpy(static_cast<char*>(to) + first, base_ + PageSize(), size - first);
  }

  char* base_ = nullptr;
  size_t bytes_ = 0;
};

struct Key {
  size_t tracepoint;
  pid_t process;
  std::array<uint64_t, 3> fields;
  auto operator<=>(const Key&) const = default;
};

// The tracepoint as it is looked for in the records.
struct Known {
  uint16_t id = 0;
  bool is_sys_enter = false;
  std::vector<TracepointFormat::Field> fields;
  std::vector<uint64_t> detailed;
};

// "args[3]" -> "args", 3.
std::pair<std::string, size_t> SplitIndex(const std::string& field) {
  const size_t bracket = field.find('[');
  size_t index = 0;
  if (bracket != std::string::npos)
    std::from_chars(field.data() + bracket + 1, field.data() + field.size(), index);
  return {field.substr(0, bracket), index};
}

uint64_t FieldOf(const TracepointFormat::Field& field, const char* raw, size_t size) {
  uint64_t value = 0;
  if (field.offset + field.size > size) return 0;
  memcpy(&value, raw + field.offset, field.size);  // little endian, see Resolve
  if (field.is_signed && field.size < sizeof value) {
    const auto shift = static_cast<unsigned>(8 * (sizeof value - field.size));
    value = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
  }
  return value;
}

}  // namespace

struct TracepointCounter::State {
  std::vector<Known> known;
  std::vector<Fd> events;
  std::vector<Ring> rings;
  std::vector<pollfd> ring_fds;
  Fd stop;
  std::thread reader;
  std::mutex mutex;  // of what is below, and of draining
  std::map<Key, int64_t> counts;
  int64_t taken = 0;
  int64_t lost = 0;
  int64_t counted_before = 0;  // by the kernel, at the last Start

  ~State() {
    if (!reader.joinable()) return;
    BeginClose();
    reader.join();
  }

  Status Resolve(const std::vector<Tracepoint>& tracepoints);
  Status OpenEvents();
  Result<int64_t> CountedByKernel() const;

  void Take(const perf_event_header& header, const char* record, size_t size) {
    if (header.type == PERF_RECORD_LOST) {
      uint64_t number = 0;
      memcpy(&number, record + sizeof header + sizeof(uint64_t), sizeof number);
      lost += static_cast<int64_t>(number);
    }
    if (header.type != PERF_RECORD_SAMPLE) return;
    // PERF_SAMPLE_TID | PERF_SAMPLE_RAW: u32 process, u32 thread, u32 size, bytes
    constexpr size_t kRawAt = sizeof header + 3 * sizeof(uint32_t);
    if (size < kRawAt + sizeof(uint16_t)) return;
    uint32_t process = 0;
    uint16_t id = 0;
    memcpy(&process, record + sizeof header, sizeof process);
    memcpy(&id, record + kRawAt, sizeof id);
    for (size_t i = 0; i < known.size(); ++i) {
      if (known[i].id != id) continue;
      Key key{i, static_cast<pid_t>(process), {}};
      for (size_t f = 0; f < known[i].fields.size(); ++f) {
        if (f == 1 && !known[i].detailed.empty() &&
            std::find(known[i].detailed.begin(), known[i].detailed.end(), key.fields[0]) ==
                known[i].detailed.end())
          break;
        key.fields[f] = FieldOf(known[i].fields[f], record + kRawAt, size - kRawAt);
      }
      ++counts[key];
      ++taken;
      return;
    }
  }

  void DrainAll() {
    const std::lock_guard<std::mutex> lock(mutex);
    for (Ring& ring : rings) {
      ring.Drain([this](const perf_event_header& header, const char* record, size_t size) {
        Take(header, record, size);
      });
    }
  }

  void Read() {
    std::vector<pollfd> fds;
    {
      const std::lock_guard<std::mutex> opened(mutex);
      fds = ring_fds;
    }
    fds.push_back({stop.get(), POLLIN, 0});
    for (;;) {
      poll(fds.data(), fds.size(), -1);
      if (fds.back().revents != 0) break;
      DrainAll();
    }
    CloseEvents();
  }

  // First the mappings, which hold their events; then the events of one tracepoint after the other.
  void CloseEvents() {
    const std::lock_guard<std::mutex> lock(mutex);
    rings.clear();
    for (size_t i = 0; i < known.size(); ++i) {
      for (size_t e = i; e < events.size(); e += known.size()) events[e] = Fd();
    }
    events.clear();
  }

  void BeginClose() {
    const uint64_t one = 1;
    (void)!write(stop.get(), &one, sizeof one);
  }
};

Status TracepointCounter::State::Resolve(const std::vector<Tracepoint>& tracepoints) {
  if constexpr (std::endian::native != std::endian::little)
    return Unimplemented("tracepoints are read on little-endian machines only");
  LM_ASSIGN(const Fd tracefs, OpenTracefs());
  for (const Tracepoint& wanted : tracepoints) {
    const std::string path = fmt::format("events/{}/{}/format", wanted.system, wanted.name);
    Result<std::string> text = ReadFileAt(tracefs.get(), path);
    if (!text.ok()) return text.status().WithContext("tracefs");
    LM_ASSIGN(const TracepointFormat format, ParseTracepointFormat(*text));
    Known out;
    out.id = format.id;
    out.is_sys_enter = wanted.system == "raw_syscalls" && wanted.name == "sys_enter" &&
                       !wanted.fields.empty() && wanted.fields.front() == "id";
    if (wanted.fields.size() > std::tuple_size_v<decltype(TracepointCount::fields)>)
      return InvalidArgument(fmt::format("{}:{}: too many fields", wanted.system, wanted.name));
    out.detailed = wanted.detailed;
    for (const std::string& spelled : wanted.fields) {
      const auto [name, index] = SplitIndex(spelled);
      const auto found =
          std::find_if(format.fields.begin(), format.fields.end(),
                       [&name = name](const TracepointFormat::Field& f) { return f.name == name; });
      if (found == format.fields.end()) {
        return NotFound(fmt::format("tracepoint {}:{}: no field '{}'", wanted.system, wanted.name, name));
      }
      TracepointFormat::Field field = *found;
      if (spelled.ends_with(']')) field.size = sizeof(long);  // the arrays that there are hold longs
      field.offset += index * field.size;
      if (field.size > sizeof(uint64_t) || field.offset + field.size > found->offset + found->size) {
        return NotFound(fmt::format("tracepoint {}:{}: no number '{}'", wanted.system, wanted.name, spelled));
      }
      out.fields.push_back(std::move(field));
    }
    known.push_back(std::move(out));
  }
  return Status::Ok();
}

Status TracepointCounter::State::OpenEvents() {
  LM_ASSIGN(const int processors, OnlineProcessors());
  size_t ring_bytes = kMaxRingBytes;
  while (ring_bytes > kMinRingBytes && ring_bytes * static_cast<size_t>(processors) > kAllRingsBytes)
    ring_bytes /= 2;
  for (int processor = 0; processor < processors; ++processor) {
    int first = -1;
    for (const Known& tracepoint : known) {
      perf_event_attr attr = {};
      attr.size = sizeof attr;
      attr.type = PERF_TYPE_TRACEPOINT;
      attr.config = tracepoint.id;
      attr.sample_period = 1;
      attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_RAW;
      attr.disabled = 1;
      attr.inherit = 1;
      attr.watermark = 1;
      attr.wakeup_watermark = static_cast<uint32_t>(ring_bytes / 8);
      Fd fd(static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, processor, -1,
                                     static_cast<unsigned long>(PERF_FLAG_FD_CLOEXEC))));
      if (!fd.valid()) {
        if (errno == ENODEV) break;  // a processor that is not there
        return Status::Errno("perf_event_open", fmt::format("tracepoint {}", tracepoint.id));
      }
      if (first < 0) {
        first = fd.get();
        LM_TRY(rings.emplace_back().Map(first, ring_bytes));
        ring_fds.push_back({first, POLLIN, 0});
      } else if (ioctl(fd.get(), PERF_EVENT_IOC_SET_OUTPUT, first) != 0) {
        return Status::Errno("ioctl PERF_EVENT_IOC_SET_OUTPUT", "a perf event");
      }
      events.push_back(std::move(fd));
    }
  }
  if (events.empty()) return Unimplemented("perf_event_open: no processor took an event");
  return Status::Ok();
}

Result<int64_t> TracepointCounter::State::CountedByKernel() const {
  int64_t sum = 0;
  for (const Fd& event : events) {
    uint64_t count = 0;
    if (read(event.get(), &count, sizeof count) != sizeof count) return Status::Errno("read", "a perf event");
    sum += static_cast<int64_t>(count);
  }
  return sum;
}

TracepointCounter::TracepointCounter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TracepointCounter::TracepointCounter(TracepointCounter&&) noexcept = default;
TracepointCounter& TracepointCounter::operator=(TracepointCounter&&) noexcept = default;
TracepointCounter::~TracepointCounter() = default;

Result<TracepointCounter> TracepointCounter::Open(std::vector<Tracepoint> tracepoints) {
  auto state = std::make_unique<State>();
  LM_TRY(state->Resolve(tracepoints));
  state->stop = Fd(eventfd(0, EFD_CLOEXEC));
  if (!state->stop.valid()) return Status::Errno("eventfd", "");
  // The reader is started first and waits for its rings: what is started after the events is counted.
  Status opened;
  {
    const std::lock_guard<std::mutex> wait(state->mutex);
    try {
      state->reader = std::thread([s = state.get()] { s->Read(); });
    } catch (const std::system_error& e) {
      return Status::Errno("start a thread", "", e.code().value());
    }
    opened = state->OpenEvents();
    if (!opened.ok()) state->ring_fds.clear();
  }
  LM_TRY(opened);
  return TracepointCounter(std::move(state));
}

void TracepointCounter::BeginClose() {
  state_->BeginClose();
}

Status TracepointCounter::Start() {
  state_->DrainAll();
  LM_ASSIGN(state_->counted_before, state_->CountedByKernel());
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->counts.clear();
    state_->taken = state_->lost = 0;
  }
  if (prctl(PR_TASK_PERF_EVENTS_ENABLE, 0, 0, 0, 0) != 0)
    return Status::Errno("prctl", "PR_TASK_PERF_EVENTS_ENABLE");
  return Status::Ok();
}

Result<std::vector<TracepointCount>> TracepointCounter::Stop() {
  if (prctl(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0) != 0)
    return Status::Errno("prctl", "PR_TASK_PERF_EVENTS_DISABLE");
  state_->DrainAll();
  LM_ASSIGN(const int64_t counted, state_->CountedByKernel());
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const int64_t passed = counted - state_->counted_before;
  if (state_->lost != 0 || state_->taken != passed) {
    return DataLoss(fmt::format("perf ring: {} of {} records were lost", passed - state_->taken, passed));
  }
  std::vector<TracepointCount> out;
  for (const auto& [key, count] : state_->counts) {
    int64_t own = 0;
    if (state_->known[key.tracepoint].is_sys_enter && key.process == getpid() && key.fields[0] == SYS_prctl)
      own = 1;
    if (count > own) out.push_back({key.tracepoint, key.process, key.fields, count - own});
  }
  return out;
}

}  // namespace layermark
