#include "core/sys/loop.h"

#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "core/sys/loop_history.h"

namespace layermark {
namespace {

constexpr int kAttempts = 64;

// Binds the file to an open device. EBUSY: it is bound already, another process was faster.
Status Configure(int loop_fd, int backing_fd, bool direct_io) {
  loop_config config = {};
  config.fd = static_cast<__u32>(backing_fd);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  if (direct_io) config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
  if (ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0) return Status::Ok();
  const int error = errno;
  if (direct_io && error == EINVAL) return Configure(loop_fd, backing_fd, false);
  return Status::Errno("ioctl LOOP_CONFIGURE", "", error);
}

// Opens /dev/loopNUMBER and binds the file to it.
Result<Fd> Bind(const std::string& path, int backing_fd, bool direct_io) {
  LM_ASSIGN(Fd fd, Open(path, O_RDWR));
  if (Status s = Configure(fd.get(), backing_fd, direct_io); !s.ok()) return s.WithContext(path);
  return fd;
}

std::string DevicePath(int number) {
  return fmt::format("/dev/loop{}", number);
}

bool IsMissing(const Status& s) {
  return s.error_number() == ENOENT || s.error_number() == ENXIO;
}

// Numbers of the loop devices that have a node here, ascending.
std::vector<int> ExistingNumbers() {
  std::vector<int> out;
  Result<std::vector<std::string>> names = ListDir(AT_FDCWD, "/dev");
  if (!names.ok()) return out;
  for (const std::string& name : *names) {
    int number = 0;
    const char* end = name.data() + name.size();
    if (!name.starts_with("loop")) continue;
    const auto parsed = std::from_chars(name.data() + 4, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) out.push_back(number);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<LoopDevice> LoopDevice::Attach(int backing_fd, bool direct_io) {
  LM_ASSIGN(const Fd control, Open("/dev/loop-control", O_RDWR));
  LoopDevice device;
  Status last;
  const auto take = [&](int number) {
    Result<Fd> fd = Bind(DevicePath(number), backing_fd, direct_io);
    last = fd.status();
    if (!fd.ok()) return false;
    device.number_ = number;
    device.path_ = DevicePath(number);
    device.fd_ = std::move(*fd);
    LoopHistory::Record(number, backing_fd);
    return true;
  };
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return Status::Errno("ioctl LOOP_CTL_GET_FREE", "/dev/loop-control");
    if (take(number)) return device;
    if (IsMissing(last)) {
      // devtmpfs makes the node of a new number within moments. Another /dev holds only some nodes, and then
      // one of those may be free: making nodes or numbers is not ours to do.
      if (attempt > 2) break;
    } else if (last.error_number() != EBUSY) {
      return last;
    }
    // Whoever won the number is through with it soon; without a pause the losers meet again at the next one.
    std::this_thread::sleep_for(std::chrono::microseconds(200 * (attempt + 1)));
  }
  const Status first = last;
  for (const int number : ExistingNumbers()) {
    if (take(number)) return device;
    if (last.error_number() != EBUSY && !IsMissing(last)) return last;
  }
  return first.WithContext("no free loop device");
}

}  // namespace layermark
