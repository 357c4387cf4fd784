// FailingDisk: a disk that fails on command: one file of a FUSE file system of our own, for a loop device to
// stand on.
//
// A child process serves the file from memory by the kernel's FUSE protocol. Reads and writes answer EIO from
// the moment that the owner asks for it, until it asks for the opposite. The child dies with its owner,
// whereupon the kernel fails all that is outstanding, so that nothing waits for ever.
//
// Threads: one. REQUIRES: a workspace, and no other thread in this process when it is made (fork). Needs
// CAP_SYS_ADMIN and /dev/fuse.
#ifndef LAYERMARK_SCENARIO_FAILING_DISK_H_
#define LAYERMARK_SCENARIO_FAILING_DISK_H_

#include <cstdint>
#include <memory>

#include "core/result.h"

namespace layermark {

class FailingDisk {
 public:
  // kNotFound: no /dev/fuse. The file is all holes, in the workspace's memory.
  static Result<FailingDisk> Create(int64_t size_bytes);
  FailingDisk(FailingDisk&&) noexcept;
  FailingDisk& operator=(FailingDisk&&) noexcept;
  ~FailingDisk();  // what stands on it must be unmounted before

  // The file, for BackingSpec::on_file.
  int file_fd() const;
  int64_t size_bytes() const;

  // Lets so many more of them through and fails the others. Reads that the page cache has are not asked for:
  // see DropCache.
  void FailReadsAfter(int64_t requests);
  void FailWritesAfter(int64_t requests);
  void Heal();
  // How many requests were failed since it was made.
  int64_t failed_count() const;
  // Forgets what the page cache holds of the file.
  Status DropCache();

 private:
  struct State;
  explicit FailingDisk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_FAILING_DISK_H_
