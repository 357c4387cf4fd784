#include "core/sys/loop_history.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>

namespace layermark {
namespace {

constexpr int kNumbers = 1024;  // of higher ones it cannot be told

struct Entry {
  std::atomic<uint64_t> order;          // 0: never bound by us; else the place among all bindings
  std::atomic<uint64_t> device, inode;  // of the file
};
struct Table {
  std::atomic<uint64_t> last;
  Entry entries[kNumbers];
};

Table* SharedTable() {
  static Table* const table = [] {
    void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<Table*>(memory);
  }();
  return table;
}

// Whether the device is bound to the file that the entry names.
bool IsBound(int number, const Entry& entry) {
  const Result<Fd> fd = Open(fmt::format("/dev/loop{}", number), O_RDONLY | O_NONBLOCK);
  struct loop_info64 info = {};
  return fd.ok() && ioctl(fd->get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_device == entry.device &&
         info.lo_inode == entry.inode;
}

}  // namespace

void LoopHistory::Touch() {
  (void)SharedTable();
}

void LoopHistory::Record(int number, int backing_fd) {
  Table* table = SharedTable();
  struct stat file = {};
  if (table == nullptr || number < 0 || number >= kNumbers || fstat(backing_fd, &file) != 0) return;
  Entry& entry = table->entries[number];
  entry.device = file.st_dev;
  entry.inode = file.st_ino;
  entry.order = ++table->last;
}

LoopHistory::LoopHistory() {
  Forget();
}

bool LoopHistory::WasOurs(int number) const {
  const Table* table = SharedTable();
  if (table == nullptr || number < 0 || number >= kNumbers) return true;
  return held_.contains(number) || table->entries[number].order > since_;
}

void LoopHistory::Forget() {
  const Table* table = SharedTable();
  if (table == nullptr) return;
  // The newest entry that stands, not the last number given out: that one's entry may be on its way.
  since_ = 0;
  held_.clear();
  for (int number = 0; number < kNumbers; ++number) {
    const Entry& entry = table->entries[number];
    since_ = std::max<uint64_t>(since_, entry.order);
    if (entry.order != 0 && IsBound(number, entry)) held_.insert(number);
  }
}

}  // namespace layermark
