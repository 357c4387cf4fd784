// The two ways of examining an instance; Examine (examine.h) chooses.
#ifndef LAYERMARK_SCENARIO_EXAMINE_APART_H_
#define LAYERMARK_SCENARIO_EXAMINE_APART_H_

#include "scenario/examine.h"

namespace layermark::internal {

// In this process.
ExaminedInstance ExamineHere(const InstanceSpec& instance, const BackingSpec& backing);
// In a worker, so that no thread of the driver's is left in this process. One that dies or hangs makes the
// instance unavailable, with that reason.
ExaminedInstance ExamineApart(const InstanceSpec& instance, const BackingSpec& backing);

}  // namespace layermark::internal

#endif  // LAYERMARK_SCENARIO_EXAMINE_APART_H_
