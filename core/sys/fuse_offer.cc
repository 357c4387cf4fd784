#include "core/sys/fuse_offer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"

namespace layermark {
namespace {

// Bits of the second word of flags, newer than the headers.
constexpr uint32_t kInitExt = 1U << 30;
constexpr uint32_t kPassthrough2 = 1U << (37 - 32);
constexpr uint32_t kOverIoUring2 = 1U << (41 - 32);
constexpr size_t kLeastBuffer = 8192;  // FUSE_MIN_READ_BUFFER

struct InitIn {
  uint32_t major, minor, max_readahead, flags, flags2;
};

Result<FuseOffer> ReadOffer(int device) {
  pollfd waiting = {device, POLLIN, 0};
  if (poll(&waiting, 1, 5000) != 1) return Status(Code::kDeadlineExceeded, "no request on /dev/fuse");
  std::vector<char> buffer(kLeastBuffer);
  const ssize_t got = read(device, buffer.data(), buffer.size());
  if (got < 0) return Status::Errno("read", "/dev/fuse");
  fuse_in_header header;
  InitIn init = {};
  if (static_cast<size_t>(got) < sizeof header + 16)
    return DataLoss("the first request on /dev/fuse is too short");
  std::memcpy(&header, buffer.data(), sizeof header);
  std::memcpy(&init, buffer.data() + sizeof header,
              std::min(sizeof init, static_cast<size_t>(got) - sizeof header));
  if (header.opcode != FUSE_INIT) return DataLoss(fmt::format("the first request is {}", header.opcode));
  FuseOffer offer;
  offer.major = init.major;
  offer.minor = init.minor;
  const bool second = (init.flags & kInitExt) != 0;
  offer.passthrough = second && (init.flags2 & kPassthrough2) != 0;
  offer.io_uring = second && (init.flags2 & kOverIoUring2) != 0;
  return offer;
}

}  // namespace

Result<FuseOffer> AskFuseOffer(const std::string& target) {
  LM_ASSIGN(const Fd device, Open("/dev/fuse", O_RDWR));
  const std::string data =
      fmt::format("fd={},rootmode=40000,user_id={},group_id={}", device.get(), geteuid(), getegid());
  if (mount("layermark", target.c_str(), "fuse", MS_NOSUID | MS_NODEV, data.c_str()) != 0)
    return Status::Errno("mount fuse", target);
  Result<FuseOffer> offer = ReadOffer(device.get());
  LM_TRY(UnmountPath(target, MNT_DETACH));
  return offer;
}

}  // namespace layermark
