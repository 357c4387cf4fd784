#include "results/summarise.h"

#include <algorithm>

#include "results/statistics.h"

namespace layermark {
namespace {

Measurement Named(const SampleSeries& series, Metric metric) {
  Measurement m;
  m.workload = series.workload;
  m.place = series.place;
  m.params = series.params;
  m.metric = metric;
  m.exact = Row(metric).exact;
  m.side = series.side;
  return m;
}

}  // namespace

Measurement Summarise(const SampleSeries& series) {
  Measurement m = Named(series, series.metric);
  m.n = static_cast<int64_t>(series.values.size());
  if (series.values.empty()) return m;
  m.p50 = Median(series.values);
  m.p90 = Quantile(series.values, 0.9);
  m.p99 = Quantile(series.values, 0.99);
  m.max = *std::max_element(series.values.begin(), series.values.end());
  if (const std::optional<Interval> interval = MedianInterval95(series.values)) {
    m.ci95_low = interval->low;
    m.ci95_high = interval->high;
  }
  if (Row(series.metric).unit == "ratio") m.value = m.p50;
  return m;
}

std::vector<Measurement> Summarise(const std::vector<SampleSeries>& series) {
  std::vector<Measurement> rows;
  rows.reserve(series.size());
  for (const SampleSeries& one : series) rows.push_back(Summarise(one));
  return rows;
}

Measurement SummariseRatio(const SampleSeries& driver, const SampleSeries& raw) {
  Measurement m = Named(driver, Metric::ratio_to_raw);
  const size_t pairs = std::min(driver.values.size(), raw.values.size());
  // A clock that did not advance gives no ratio; such a pair is left out on both sides.
  std::vector<double> a, b;
  for (size_t i = 0; i < pairs; ++i) {
    if (raw.values[i] <= 0) continue;
    a.push_back(driver.values[i]);
    b.push_back(raw.values[i]);
  }
  m.n = static_cast<int64_t>(a.size());
  if (a.empty()) return m;
  const RatioSummary ratio = PairedRatio(a, b);
  m.value = ratio.median;
  if (ratio.ci95) {
    m.ci95_low = ratio.ci95->low;
    m.ci95_high = ratio.ci95->high;
  }
  return m;
}

Measurement SingleValue(const std::string& workload, const Place& place, const Params& params, Metric metric,
                        double value, const std::string& side) {
  Measurement m;
  m.workload = workload;
  m.place = place;
  m.params = params;
  m.metric = metric;
  m.exact = Row(metric).exact;
  m.side = side;
  m.n = 1;
  m.value = value;
  return m;
}

}  // namespace layermark
