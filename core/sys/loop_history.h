// Which loop devices this program and the processes that it forked have bound, so that a message of the
// kernel about one can be told from a message about somebody else's.
//
// The table is memory shared over fork, made by the first call in the parent: call Touch() before forking.
// Threads and processes: any number. Cost: a few stores per device.
#ifndef LAYERMARK_CORE_SYS_LOOP_HISTORY_H_
#define LAYERMARK_CORE_SYS_LOOP_HISTORY_H_

#include <cstdint>
#include <set>

#include "core/sys/fd.h"

namespace layermark {

class LoopHistory {
 public:
  static void Touch();
  // /dev/loopNUMBER was bound to the file `backing_fd`. Called by LoopDevice::Attach.
  static void Record(int number, int backing_fd);

  // Looks at the table as it is now.
  LoopHistory();
  // Whether the device was ours at any time since the last Forget() (or since this object was made). True
  // where it cannot be told.
  bool WasOurs(int number) const;
  // Begins anew with the devices that are ours at this moment.
  void Forget();

 private:
  uint64_t since_ = 0;  // the last entry that was there
  std::set<int> held_;  // bound by us then
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_LOOP_HISTORY_H_
