// Google Benchmark JSON of a record, for tools that read that dialect (compare.py, dashboards).
#ifndef LAYERMARK_RESULTS_EXPORT_GBENCH_H_
#define LAYERMARK_RESULTS_EXPORT_GBENCH_H_

#include <string>

#include "results/record.h"

namespace layermark {

// One row per workload, place, params and side, named "workload/instance__k_v/param:value" (with
// "/backing:B/device:D" where the record has that instance in several places, and "/raw" for the raw twin).
// real_time is the median of the latency (else of ready_time) in ns, cpu_time that of cpu_time or 0,
// iterations the number of samples; every other metric is a counter by its name, percentiles and interval are
// counters "p90" "p99" "max" "ci95_low" "ci95_high".
std::string ExportGoogleBenchmark(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXPORT_GBENCH_H_
