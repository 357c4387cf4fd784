// In which order workloads run where the time may not suffice for all of them.
#ifndef LAYERMARK_BENCH_HARNESS_SCHEDULE_H_
#define LAYERMARK_BENCH_HARNESS_SCHEDULE_H_

#include <cstddef>
#include <vector>

#include "bench/harness/engine.h"

namespace layermark {

// Indices of `choices`, each once: first one choice of each workload, the middle one, so that every workload
// has a figure; then the others, in their order.
std::vector<size_t> MiddleChoicesFirst(const std::vector<WorkloadChoice>& choices);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_SCHEDULE_H_
