#include "core/sys/queue_io.h"

#include <fmt/core.h>
#include <liburing.h>

#include <cstdlib>
#include <cstring>
#include <numeric>

namespace layermark {
namespace {

constexpr size_t kAlignment = 4096;

struct Release {
  void operator()(char* memory) const { std::free(memory); }
};

}  // namespace

struct QueueIo::State {
  io_uring ring = {};
  bool made = false;
  unsigned depth = 0;
  size_t block_bytes = 0;
  std::unique_ptr<char, Release> buffers;

  ~State() {
    if (made) io_uring_queue_exit(&ring);
  }
  char* buffer(size_t slot) const { return buffers.get() + slot * block_bytes; }
};

QueueIo::QueueIo(std::unique_ptr<State> state) : state_(std::move(state)) {}
QueueIo::QueueIo(QueueIo&&) noexcept = default;
QueueIo& QueueIo::operator=(QueueIo&&) noexcept = default;
QueueIo::~QueueIo() = default;

Result<QueueIo> QueueIo::Create(unsigned depth, size_t block_bytes) {
  if (depth == 0 || block_bytes == 0) return InvalidArgument("a queue needs a depth and a block size");
  auto state = std::make_unique<State>();
  state->depth = depth;
  state->block_bytes = block_bytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, depth * block_bytes) != 0)
    return Status(Code::kResourceExhausted, "posix_memalign of the queue's buffers");
  state->buffers.reset(static_cast<char*>(memory));
  std::memset(memory, 0, depth * block_bytes);
  const int failed = io_uring_queue_init(depth, &state->ring, 0);
  if (failed < 0) return Status::Errno("io_uring_setup", fmt::format("{} entries", depth), -failed);
  state->made = true;
  return QueueIo(std::move(state));
}

Status QueueIo::Read(int fd, const std::vector<int64_t>& offsets, uint64_t* sum) {
  return Transfer(fd, offsets, false, sum);
}

Status QueueIo::Write(int fd, const std::vector<int64_t>& offsets, char byte) {
  std::memset(state_->buffers.get(), byte, state_->depth * state_->block_bytes);
  return Transfer(fd, offsets, true, nullptr);
}

Status QueueIo::Transfer(int fd, const std::vector<int64_t>& offsets, bool write, uint64_t* sum) {
  State& s = *state_;
  if (sum != nullptr) *sum = 0;
  std::vector<size_t> free_slots(s.depth), request_of(s.depth);
  std::iota(free_slots.begin(), free_slots.end(), size_t{0});
  size_t next = 0, in_flight = 0;
  Status first;  // the first failure; what is in flight is waited for all the same
  const auto fail = [&first](Status status) {
    if (first.ok()) first = std::move(status);
  };
  while (in_flight > 0 || (next < offsets.size() && first.ok())) {
    while (first.ok() && next < offsets.size() && !free_slots.empty()) {
      io_uring_sqe* const entry = io_uring_get_sqe(&s.ring);
      if (entry == nullptr) break;
      const size_t slot = free_slots.back();
      free_slots.pop_back();
      request_of[slot] = next;
      const auto offset = static_cast<uint64_t>(offsets[next]);
      const auto bytes = static_cast<unsigned>(s.block_bytes);
      if (write) {
        io_uring_prep_write(entry, fd, s.buffer(slot), bytes, offset);
      } else {
        io_uring_prep_read(entry, fd, s.buffer(slot), bytes, offset);
      }
      io_uring_sqe_set_data64(entry, slot);
      ++next;
      ++in_flight;
    }
    const int submitted = io_uring_submit_and_wait(&s.ring, 1);
    if (submitted < 0 && submitted != -EINTR) {
      fail(Status::Errno("io_uring_enter", "queue", -submitted));
      return first;  // nothing can be waited for any more
    }
    io_uring_cqe* done = nullptr;
    while (io_uring_peek_cqe(&s.ring, &done) == 0) {
      const auto slot = static_cast<size_t>(io_uring_cqe_get_data64(done));
      const std::string what = fmt::format("offset {}", offsets[request_of[slot]]);
      if (done->res < 0) {
        fail(Status::Errno(write ? "write" : "read", what, -done->res));
      } else if (static_cast<size_t>(done->res) != s.block_bytes) {
        fail(DataLoss(fmt::format("{} at {}: {} of {} bytes", write ? "write" : "read", what, done->res,
                                  s.block_bytes)));
      } else if (sum != nullptr) {
        for (size_t i = 0; i < s.block_bytes; ++i) *sum += static_cast<unsigned char>(s.buffer(slot)[i]);
      }
      io_uring_cqe_seen(&s.ring, done);
      free_slots.push_back(slot);
      --in_flight;
    }
  }
  return first;
}

}  // namespace layermark
