// Breaches: what a driver that is a program of its own did against the terms on which we talk to it (an
// answer that is none, another exit status, no end). That is not a wrong answer of a snapshot store but no
// answer at all, so a harness asks for it after each case and gives a verdict of its own. Drivers that are
// part of this program have none.
//
// The note belongs to the process. Threads: any.
#ifndef LAYERMARK_DRIVERS_BREACH_H_
#define LAYERMARK_DRIVERS_BREACH_H_

#include "core/result.h"

namespace layermark {

// Keeps the first breach since the last TakeBreach. kDeadlineExceeded: the program had to be killed.
// REQUIRES: !breach.ok().
void NoteBreach(const Status& breach);
// The breach noted, ok for none; it is forgotten.
Status TakeBreach();

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_BREACH_H_
