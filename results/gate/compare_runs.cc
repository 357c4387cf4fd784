#include "results/gate/compare_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "results/gate/block_series.h"
#include "results/gate/multiple_tests.h"
#include "results/gate/rank_sum.h"
#include "results/statistics.h"
#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

using Key = std::tuple<std::string, Params, Place, Metric>;
using Series = std::map<Key, std::vector<double>>;

bool IsCompared(const Measurement& m) {
  return m.side == "driver" && m.value && (m.exact || m.metric == Metric::ratio_to_raw) &&
         (m.metric != Metric::ratio_to_raw || *m.value > 0);
}

Series SeriesOf(const std::vector<Record>& records) {
  Series series;
  for (const Record& record : records) {
    for (const Measurement& m : record.measurements) {
      if (IsCompared(m)) series[{m.workload, m.params, m.place, m.metric}].push_back(*m.value);
    }
  }
  return series;
}

GateRow HeadOf(const Key& key, const char* tier) {
  GateRow row;
  row.workload = std::get<0>(key);
  row.params = std::get<1>(key);
  row.a = row.b = std::get<2>(key);
  row.tier = tier;
  row.metric = Row(std::get<3>(key)).name;
  return row;
}

bool AllEqual(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

GateRow CompareCount(const Key& key, const std::vector<double>& base, const std::vector<double>& fresh) {
  GateRow row = HeadOf(key, "counts");
  const MetricRow& metric = Row(std::get<3>(key));
  row.a_value = base[0];
  row.b_value = fresh[0];
  const std::string change =
      fmt::format("{} before, {} after", Humanly(base[0], metric.unit), Humanly(fresh[0], metric.unit));
  if (!AllEqual(base) || !AllEqual(fresh)) {
    row.verdict = "inconclusive";
    row.reason = "not the same in all runs of one side, so that it is not exact here";
  } else if (base[0] == fresh[0]) {
    row.verdict = "pass";
    row.reason = "equal";
  } else if (metric.direction == Direction::kNeutral) {
    row.verdict = "inconclusive";
    row.reason = change + "; neither is better as such";
  } else {
    const bool worse = (fresh[0] > base[0]) == (metric.direction == Direction::kLower);
    row.verdict = worse ? "regressed" : "pass";
    row.improved = !worse;
    row.reason = change;
  }
  return row;
}

// Everything but p_adjusted and the verdict, which need the whole family.
GateRow CompareTime(const Key& key, const std::vector<double>& base, const std::vector<double>& fresh,
                    const GatePlan& plan) {
  GateRow row = HeadOf(key, "runs");
  std::vector<double> a, b;
  for (const double value : base) a.push_back(std::log(value));
  for (const double value : fresh) b.push_back(std::log(value));
  row.a_value = std::exp(Median(a));
  row.b_value = std::exp(Median(b));
  row.blocks = static_cast<int64_t>(b.size());
  row.effect_ratio = std::expm1(ShiftEstimate(a, b));
  if (a.size() < 2 || b.size() < 2) return row;
  row.noise_ratio = std::max(StandardDeviation(a), StandardDeviation(b));
  row.p_regressed = RankSumGreater(a, b, std::log1p(plan.null_slowdown));
  row.p_pass = RankSumLess(a, b, std::log1p(plan.target));
  return row;
}

void JudgeTimes(std::vector<GateRow>& rows, size_t runs, const GatePlan& plan) {
  std::vector<double> p;
  for (const GateRow& row : rows) p.push_back(row.p_regressed.value_or(1));
  const std::vector<double> adjusted = HolmAdjusted(p);
  for (size_t i = 0; i < rows.size(); ++i) {
    GateRow& row = rows[i];
    row.p_adjusted = adjusted[i];
    const std::string change =
        fmt::format("ratio to the raw twin {:.2f} before, {:.2f} after", *row.a_value, *row.b_value);
    if (runs < kRunsForTimes) {
      row.verdict = "inconclusive";
      row.reason = fmt::format(
          "{} of the {} runs a side that it takes: too few to tell a change from what differs "
          "between runs",
          runs, kRunsForTimes);
    } else if (adjusted[i] <= plan.alpha && *row.effect_ratio > plan.effect_floor) {
      row.verdict = "regressed";
      row.reason = change + ", more than the runs differ among themselves";
    } else if (*row.p_pass <= plan.pass_alpha) {
      row.verdict = "pass";
      row.reason = fmt::format("{}; a slowdown of {:.0f} % is excluded", change, 100 * plan.target);
    } else {
      row.verdict = "inconclusive";
      row.reason = change + "; neither shown";
    }
  }
}

void CompareVerdicts(const std::vector<Record>& base, const std::vector<Record>& fresh,
                     std::vector<GateRow>& rows) {
  std::map<std::tuple<std::string, Params, Place>, bool> was_good;
  for (const Record& record : base) {
    for (const ConformanceRow& row : record.conformance) {
      auto [it, first] = was_good.try_emplace({row.case_name, Params{}, row.place}, true);
      it->second = it->second && row.verdict == Verdict::kPass;
    }
    for (const WorkloadRow& row : record.workloads) {
      auto [it, first] = was_good.try_emplace({row.workload, row.params, row.place}, true);
      it->second = it->second && row.verdict == WorkloadVerdict::kRight;
    }
  }
  std::set<std::tuple<std::string, Params, Place>> said;
  const auto judge = [&](const std::string& name, const Params& params, const Place& place, bool bad,
                         const std::string& why) {
    const auto it = was_good.find({name, params, place});
    if (!bad || it == was_good.end() || !it->second || !said.insert(it->first).second) return;
    GateRow row;
    row.workload = name;
    row.params = params;
    row.a = row.b = place;
    row.tier = "counts";
    row.metric = "exact";
    row.verdict = "regressed";
    row.reason = "was right before: " + OneLine(why.substr(0, 300));
    rows.push_back(std::move(row));
  };
  for (const Record& record : fresh) {
    for (const ConformanceRow& row : record.conformance)
      judge(row.case_name, {}, row.place, IsFinding(row.verdict), row.reason);
    for (const WorkloadRow& row : record.workloads)
      judge(row.workload, row.params, row.place, IsFinding(row.verdict), row.reason);
  }
}

std::string Text(const Record& record, const char* name) {
  const auto it = record.environment.text.find(name);
  return it == record.environment.text.end() ? "" : it->second;
}

void NoteMachines(const std::vector<Record>& base, const std::vector<Record>& fresh,
                  std::vector<std::string>& notes) {
  for (const char* name : {"cpu", "hypervisor", "hostname", "kernel", "debug_kernel"}) {
    std::set<std::string> before, after;
    for (const Record& record : base) before.insert(Text(record, name));
    for (const Record& record : fresh) after.insert(Text(record, name));
    if (before != after)
      notes.push_back(fmt::format("{} differs: {} before, {} after", name, fmt::join(before, " and "),
                                  fmt::join(after, " and ")));
  }
  for (const auto* side : {&base, &fresh}) {
    for (const Record& record : *side) {
      if (!record.complete)
        notes.push_back("run " + record.run.id + " was interrupted: what it lacks is not compared");
    }
  }
  std::set<std::string> images;
  for (const auto* side : {&base, &fresh}) {
    for (const Record& record : *side) images.insert(record.image_digest);
  }
  if (images.size() > 1)
    notes.push_back("the runs had different images: counts that depend on it differ for that");
}

}  // namespace

Comparison CompareRuns(const std::vector<Record>& base, const std::vector<Record>& fresh,
                       const GatePlan& plan) {
  Comparison result;
  const Series before = SeriesOf(base);
  const Series after = SeriesOf(fresh);
  std::vector<GateRow> times;
  std::map<Place, size_t> agree;
  size_t gone = 0;
  for (const auto& [key, values] : before) {
    const auto it = after.find(key);
    if (it == after.end()) {
      ++gone;
      continue;
    }
    if (std::get<3>(key) == Metric::ratio_to_raw) {
      times.push_back(CompareTime(key, values, it->second, plan));
      continue;
    }
    GateRow row = CompareCount(key, values, it->second);
    if (row.verdict == "pass" && !row.improved) {
      ++agree[std::get<2>(key)];
    } else {
      result.rows.push_back(std::move(row));
    }
  }
  JudgeTimes(times, std::min(base.size(), fresh.size()), plan);
  CompareVerdicts(base, fresh, result.rows);
  for (const auto& [place, n] : agree) {
    GateRow row;
    row.workload = "all";
    row.a = row.b = place;
    row.tier = "counts";
    row.metric = "exact";
    row.verdict = "pass";
    row.reason = fmt::format("{} counts agree", n);
    row.a_value = row.b_value = static_cast<double>(n);
    result.rows.push_back(std::move(row));
  }
  result.rows.insert(result.rows.end(), times.begin(), times.end());
  if (gone > 0) result.notes.push_back(fmt::format("{} figures of the base are not in the new runs", gone));
  NoteMachines(base, fresh, result.notes);
  return result;
}

std::vector<HistoryChange> HistoryChanges(std::vector<Record> records, const ChangePointOptions& options) {
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.run.started < b.run.started; });
  std::map<Key, std::vector<std::pair<double, const Record*>>> series;
  for (const Record& record : records) {
    for (const Measurement& m : record.measurements) {
      if (IsCompared(m)) series[{m.workload, m.params, m.place, m.metric}].emplace_back(*m.value, &record);
    }
  }
  std::vector<HistoryChange> changes;
  for (const auto& [key, points] : series) {
    std::vector<double> values;
    for (const auto& [value, record] : points) values.push_back(value);
    for (const ChangePoint& change : ChangePoints(values, options)) {
      const Record& first = *points[change.index].second;
      changes.push_back({std::get<0>(key), std::get<2>(key).instance, std::string(Row(std::get<3>(key)).name),
                         std::get<1>(key), change, first.run.started, first.run.tool_version});
    }
  }
  return changes;
}

}  // namespace layermark
