// KernelLog: what the kernel complained about since a point in time.
//
// Reads /dev/kmsg without blocking and without taking messages from other readers. Only the kernel's own
// messages count (a user-space line that says WARNING does not), and of those that name a loop device only
// those about a device of this program: other tests run on the machine too. Threads: one at a time; each
// reader has its own position.
#ifndef LAYERMARK_SCENARIO_KERNEL_LOG_H_
#define LAYERMARK_SCENARIO_KERNEL_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/loop_history.h"

namespace layermark {

// The text of a /dev/kmsg record if it tells of a problem: WARNING, BUG, Oops, general protection, a
// lock-order or sanitizer report, a stall, an error of ext4, XFS, btrfs or EROFS, an I/O error. nullopt for
// all others.
std::optional<std::string> KernelProblem(std::string_view record);

// The numbers of the loop devices that a message names: {3} for "EXT4-fs error (device loop3): ...".
std::vector<int> LoopDevicesIn(std::string_view text);

class KernelLog {
 public:
  // kPermissionDenied without CAP_SYSLOG where dmesg is restricted; kNotFound in a root without /dev/kmsg.
  static Result<KernelLog> OpenAtEnd();
  // For tests: a descriptor that gives one record per read, and a file in place of /proc/sys/kernel/tainted.
  static Result<KernelLog> OpenOver(Fd log, std::string taint_file);

  // Reads what there is and keeps it for NewProblems: called now and then, so that a long time with many
  // messages (each mount of EROFS is one) does not overrun the kernel's buffer. A failure is left to
  // NewProblems.
  void Collect();
  // `all_devices`: with those about devices of others too, for what programs that we did not fork may have
  // bound. The problems logged since the last call (or since opening), in order, without those that hold one
  // of `allowed` and those about loop devices of which none was ours in that time; a change of the kernel's
  // taint is one of them ("taint changed from 0 to 512"). Empty: all is well. Messages that the ring buffer
  // lost are named as one problem, because they may have been any.
  Result<std::vector<std::string>> NewProblems(const std::vector<std::string>& allowed = {},
                                               bool all_devices = false);

 private:
  // Reads to the end of the log; problems go to collected_.
  Status ReadOn();

  Fd log_;
  std::vector<std::string> collected_;  // not asked for yet
  std::string taint_file_;
  uint64_t taint_ = 0;
  LoopHistory loops_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_KERNEL_LOG_H_
