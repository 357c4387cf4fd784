// QueueIo: reads and writes of blocks with several in flight at once, through io_uring (liburing).
#ifndef LAYERMARK_CORE_SYS_QUEUE_IO_H_
#define LAYERMARK_CORE_SYS_QUEUE_IO_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/result.h"

namespace layermark {

// Owner of a ring and of one aligned buffer for each request in flight. One thread at a time; not to be used
// in a child of fork().
class QueueIo {
 public:
  // `depth` requests in flight of `block_bytes` each (a multiple of 4096 where O_DIRECT is wanted).
  // kUnimplemented (ENOSYS) or kPermissionDenied (EPERM) where the kernel has no io_uring or forbids it.
  static Result<QueueIo> Create(unsigned depth, size_t block_bytes);
  QueueIo(QueueIo&&) noexcept;
  QueueIo& operator=(QueueIo&&) noexcept;
  ~QueueIo();

  // One request for each offset; a short transfer is kDataLoss, an error names its offset. All requests have
  // ended when it returns. Blocks written hold `byte`; `sum` (may be null) gets the sum of all bytes read.
  Status Read(int fd, const std::vector<int64_t>& offsets, uint64_t* sum = nullptr);
  Status Write(int fd, const std::vector<int64_t>& offsets, char byte);

 private:
  struct State;
  explicit QueueIo(std::unique_ptr<State> state);
  Status Transfer(int fd, const std::vector<int64_t>& offsets, bool write, uint64_t* sum);

  std::unique_ptr<State> state_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_QUEUE_IO_H_
