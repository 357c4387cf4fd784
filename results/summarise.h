// From samples to the rows of a record: the only place that decides which percentiles a number of samples
// supports.
#ifndef LAYERMARK_RESULTS_SUMMARISE_H_
#define LAYERMARK_RESULTS_SUMMARISE_H_

#include <vector>

#include "results/record.h"

namespace layermark {

// n, p50 with its distribution-free 95 % interval, p90, p99 and max of the series; `exact` as the metric's
// row says. A percentile or interval that n does not support stays empty. For a series of ratios the median
// is `value` as well, and the interval is that of `value`. An empty series gives n = 0 and no number.
Measurement Summarise(const SampleSeries& series);
std::vector<Measurement> Summarise(const std::vector<SampleSeries>& series);

// The ratio_to_raw row of a driver's series and its raw twin's, sample by sample as they were taken in pairs;
// only the pairs that both have count. REQUIRES: the same workload, place, params and metric.
Measurement SummariseRatio(const SampleSeries& driver, const SampleSeries& raw);

// A counted or measured-once value: `value` set, n = 1.
Measurement SingleValue(const std::string& workload, const Place& place, const Params& params, Metric metric,
                        double value, const std::string& side = "driver");

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_SUMMARISE_H_
