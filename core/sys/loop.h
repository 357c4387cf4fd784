// LoopDevice: a block device over a file, with autoclear: the kernel detaches it when the last user (this
// object or a file system mounted on it) goes, so that a kill -9 leaves nothing bound.
#ifndef LAYERMARK_CORE_SYS_LOOP_H_
#define LAYERMARK_CORE_SYS_LOOP_H_

#include <cstdint>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

class LoopDevice {
 public:
  // Binds `backing_fd` (kept open by the kernel) with LOOP_CONFIGURE. Races for a free number are retried.
  // Where the node of the free number is missing the other nodes in /dev are tried, and if none is free the
  // error names the missing one; no node is made. `direct_io` is a wish: a backing file system that cannot do
  // it gets buffered I/O. Needs CAP_SYS_ADMIN.
  static Result<LoopDevice> Attach(int backing_fd, bool direct_io);

  LoopDevice(LoopDevice&&) noexcept = default;
  LoopDevice& operator=(LoopDevice&&) noexcept = default;

  const std::string& path() const { return path_; }  // "/dev/loop3"
  int number() const { return number_; }
  int fd() const { return fd_.get(); }
  // Closes our descriptor; with autoclear a mounted file system keeps the device until it is unmounted.
  void CloseDescriptor() { fd_ = Fd(); }

 private:
  LoopDevice() = default;
  std::string path_;
  int number_ = -1;
  Fd fd_;
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_LOOP_H_
