// Commands that are run where the program was started, and not in the namespaces of a run: to end and start a
// daemon that others use too.
//
// A helper process is forked before the namespaces are entered. It ends with the program, or after the
// command that it is in then. What a command leaves running stays, but for one that was killed at its
// deadline.
#ifndef LAYERMARK_CORE_SYS_OUTSIDE_H_
#define LAYERMARK_CORE_SYS_OUTSIDE_H_

#include <chrono>
#include <string>

#include "core/result.h"

namespace layermark {

// Starts the helper; once is enough. REQUIRES: one thread, and no namespace was entered yet.
Status StartOutside();

// Runs `command` by /bin/sh in the helper, and in the processes that were forked since StartOutside through
// the same one, one at a time. Ok: it ended with 0. kFailedPrecondition: there is no helper;
// kDeadlineExceeded: it was killed after `deadline`; kInternal: it ended otherwise, with what it wrote to
// standard error. Threads: one in a process.
Status RunOutside(const std::string& command, std::chrono::milliseconds deadline);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_OUTSIDE_H_
