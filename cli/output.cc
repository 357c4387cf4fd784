#include "cli/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cli/table.h"
#include "results/anchors.h"
#include "results/export_junit.h"
#include "results/export_ktap.h"

namespace layermark {
namespace {

std::string PlaceText(const Place& place) {
  return fmt::format("{} on {} ({})", place.instance, place.backing, place.device);
}

std::string FirstLine(const std::string& text, size_t limit = 300) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() > limit) line = line.substr(0, limit) + "...";
  return line;
}

// Nothing of it was done: it has taken no time.
bool WasNotRun(const ConformanceRow& row) {
  return row.verdict == Verdict::kError && row.seconds == 0;
}

std::string Number(size_t n) {
  return n == 0 ? "-" : std::to_string(n);
}

}  // namespace

std::string DriversText(const Record& record) {
  Table table({"driver", "backing", "runs here", "version", "why not"});
  for (const DriverRow& row : record.drivers) {
    table.Add({row.place.instance, fmt::format("{}/{}", row.place.backing, row.place.device),
               row.available ? "yes" : "no", row.version, row.reason});
  }
  return table.Text();
}

std::string VerdictsText(const Record& record) {
  if (record.conformance.empty()) return "";
  std::map<Place, std::map<Verdict, size_t>> counts;
  for (const ConformanceRow& row : record.conformance) ++counts[row.place][row.verdict];
  Table table(
      {"conformance", "cases", "pass", "xfail", "skip", "fail", "xpass", "error", "timeout", "skipped"});
  for (auto& [place, count] : counts) {
    size_t total = 0;
    for (const auto& [verdict, n] : count) total += n;
    table.Add({PlaceText(place), std::to_string(total), Number(count[Verdict::kPass]),
               Number(count[Verdict::kXfail]), Number(count[Verdict::kSkip]), Number(count[Verdict::kFail]),
               Number(count[Verdict::kXpass]), Number(count[Verdict::kError]),
               Number(count[Verdict::kTimeout]),
               fmt::format("{:.1f} %",
                           100.0 * static_cast<double>(count[Verdict::kSkip]) / static_cast<double>(total))});
  }
  return table.Text();
}

std::string FindingsText(const Record& record) {
  std::string out;
  // What could not be begun for one reason (an interrupt, no backing store) can be every case of an instance:
  // such a row stands for all that are like it.
  std::map<std::pair<Place, std::string>, size_t> not_run;
  for (const ConformanceRow& row : record.conformance) {
    if (WasNotRun(row)) ++not_run[{row.place, row.reason}];
  }
  for (const ConformanceRow& row : record.conformance) {
    if (row.verdict == Verdict::kPass || row.verdict == Verdict::kXfail || row.verdict == Verdict::kSkip)
      continue;
    size_t others = 0;
    if (WasNotRun(row)) {
      size_t& like_it = not_run[{row.place, row.reason}];
      if (like_it == 0) continue;
      others = std::exchange(like_it, 0) - 1;
    }
    out += fmt::format("{}: {}{} {}\n    {}\n    again: {}\n", VerdictName(row.verdict), row.case_name,
                       others > 0 ? fmt::format(" and {} more", others) : "", PlaceText(row.place),
                       FirstLine(row.reason), row.reproduce);
  }
  for (const WorkloadRow& row : record.workloads) {
    const bool unexpected =
        row.verdict == WorkloadVerdict::kRight && row.reason.starts_with(kRightAgainstExpectation);
    if (row.verdict != WorkloadVerdict::kWrong && !unexpected) continue;
    out += fmt::format("{}: {} {} {}\n    {}\n", unexpected ? "xpass" : "wrong", row.workload,
                       ParamsText(row.params), PlaceText(row.place), FirstLine(row.reason));
  }
  return out;
}

std::string SkipsText(const Record& record) {
  // What could not run for want of something, each reason once.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> skipped, not_run;
  for (const ConformanceRow& row : record.conformance) {
    if (row.verdict != Verdict::kSkip) continue;
    skipped[{row.skip_code, FirstLine(row.reason)}].insert(
        fmt::format("{} {}", row.case_name, row.place.instance));
  }
  for (const WorkloadRow& row : record.workloads) {
    if (row.verdict != WorkloadVerdict::kNotRun) continue;
    not_run[{row.skip_code, FirstLine(row.reason)}].insert(
        fmt::format("{} {} {}", row.workload, ParamsText(row.params), row.place.instance));
  }
  std::string out;
  for (const auto& [heading, entries] : {std::pair{"skip", &skipped}, std::pair{"not run", &not_run}}) {
    for (const auto& [why, what] : *entries) {
      out += fmt::format("{}: {}{}\n    {}{}{}\n", heading, *what.begin(),
                         what.size() > 1 ? fmt::format(" and {} more", what.size() - 1) : "", why.first,
                         why.first.empty() ? "" : ": ", why.second);
    }
  }
  return out;
}

std::string MeasurementsText(const Record& record) {
  if (record.measurements.empty()) return "";
  // One line for each workload, parameters and metric; one column for each instance.
  std::vector<std::string> instances;
  for (const DriverRow& row : record.drivers) {
    if (row.available) instances.push_back(row.place.instance);
  }
  std::vector<std::string> headings = {"median", "what"};
  headings.insert(headings.end(), instances.begin(), instances.end());
  struct Key {
    std::string workload, params;
    Metric metric;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, std::map<std::string, std::string>> cells;
  static const std::set<Metric> kShown = {
      Metric::latency,       Metric::ratio_to_raw, Metric::pool_bytes,        Metric::inodes,
      Metric::whiteouts,     Metric::ready_time,   Metric::cache_duplication, Metric::storage_share,
      Metric::leaked_inodes, Metric::link_failures};
  for (const Measurement& m : record.measurements) {
    if (m.side != "driver" || !kShown.contains(m.metric)) continue;
    const std::optional<double> value = m.p50 ? m.p50 : m.value;
    if (!value) continue;
    cells[{m.workload, ParamsText(m.params), m.metric}][m.place.instance] =
        FormatMetric(*value, Row(m.metric).unit);
  }
  Table table(headings);
  for (const auto& [key, by_instance] : cells) {
    std::vector<std::string> row = {key.params.empty() ? key.workload : key.workload + " " + key.params,
                                    std::string(Row(key.metric).name)};
    for (const std::string& instance : instances) {
      const auto it = by_instance.find(instance);
      row.push_back(it == by_instance.end() ? "-" : it->second);
    }
    table.Add(std::move(row));
  }
  return table.Text();
}

std::string AnchorsText(const Record& record) {
  Table table({"published result", "published", "today", "95 % interval", "verdict"});
  size_t not_runnable = 0;
  const auto times = [](double factor) { return fmt::format("{:.3g}x", factor); };
  for (const AnchorRow& row : record.anchors) {
    if (!row.factor) {
      ++not_runnable;
      continue;
    }
    table.Add({fmt::format("{}: {}", row.id, row.claim), row.published ? times(*row.published) : "more",
               times(*row.factor),
               row.ci95_low ? fmt::format("{} to {}", times(*row.ci95_low), times(*row.ci95_high)) : "-",
               std::string(AnchorVerdictText(row.verdict))});
  }
  if (record.anchors.empty()) return "";
  std::string out = table.empty() ? "" : table.Text(120);
  if (not_runnable > 0)
    out += fmt::format("{} published results were not runnable here; the record says why\n", not_runnable);
  return out;
}

void PrintRecord(const Record& record, const std::string& format) {
  if (format == "json") {
    fmt::print("{}\n", ToJson(record));
  } else if (format == "ktap") {
    fmt::print("{}", ExportKtap(record));
  } else if (format == "junit") {
    fmt::print("{}", ExportJunit(record));
  } else {
    for (const std::string& part : {DriversText(record), VerdictsText(record), FindingsText(record),
                                    SkipsText(record), MeasurementsText(record), AnchorsText(record)}) {
      if (!part.empty()) fmt::print("\n{}", part);
    }
    if (!record.complete) fmt::print("\nThe run is incomplete.\n");
  }
  std::fflush(stdout);
}

}  // namespace layermark
