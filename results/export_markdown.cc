#include "results/export_markdown.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "results/anchors.h"
#include "results/export_gate.h"
#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

using Key = std::tuple<std::string, Params, Place>;

// A text inside a table cell or a list item.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : OneLine(text)) {
    if (c == '|' || c == '<' || c == '*' || c == '`' || c == '[') out += '\\';
    out += c;
  }
  return out;
}

std::string TableRow(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += " " + cell + " |";
  return out + "\n";
}

std::string Head(const std::vector<std::string>& names, size_t left_columns) {
  std::string out = TableRow(names) + "|";
  for (size_t i = 0; i < names.size(); ++i) out += i < left_columns ? "---|" : "--:|";
  return out + "\n";
}

std::string WorkloadText(const std::string& workload, const Params& params) {
  return params.empty() ? Cell(workload) : Cell(workload + " " + ParamsText(params));
}

std::string Folded(const std::string& summary, const std::string& body) {
  return "<details><summary>" + summary + "</summary>\n\n" + body + "\n</details>\n";
}

std::string VerdictTable(const std::vector<PlaceRows>& places) {
  constexpr std::array<Verdict, 7> kOrder = {Verdict::kPass,   Verdict::kFail, Verdict::kXfail,
                                             Verdict::kXpass,  Verdict::kSkip, Verdict::kError,
                                             Verdict::kTimeout};
  std::vector<std::string> names = {"driver"};
  for (const Verdict verdict : kOrder) names.emplace_back(VerdictName(verdict));
  for (const char* name : {"workloads right", "wrong", "not run"}) names.emplace_back(name);
  std::string out = "## Verdicts\n\n" + Head(names, 1);
  for (const PlaceRows& rows : places) {
    std::map<Verdict, int> cases;
    std::map<WorkloadVerdict, int> workloads;
    for (const ConformanceRow* row : rows.conformance) ++cases[row->verdict];
    for (const WorkloadRow* row : rows.workloads) ++workloads[row->verdict];
    std::vector<std::string> cells = {Cell(PlaceText(rows.place))};
    for (const Verdict verdict : kOrder) cells.push_back(std::to_string(cases[verdict]));
    for (const auto verdict : {WorkloadVerdict::kRight, WorkloadVerdict::kWrong, WorkloadVerdict::kNotRun}) {
      cells.push_back(std::to_string(workloads[verdict]));
    }
    out += TableRow(cells);
  }
  return out + "\n";
}

std::string Findings(const Record& record) {
  std::string out;
  for (const ConformanceRow& row : record.conformance) {
    if (!IsFinding(row.verdict)) continue;
    out += fmt::format("- **{}** {} on {}: {}", VerdictName(row.verdict), Cell(row.case_name),
                       Cell(PlaceText(row.place)), Cell(row.reason));
    if (!row.reproduce.empty()) out += "; again with: " + Cell(row.reproduce);
    out += "\n";
  }
  for (const WorkloadRow& row : record.workloads) {
    if (!IsFinding(row.verdict)) continue;
    out += fmt::format("- **wrong** {} on {}: {}\n", WorkloadText(row.workload, row.params),
                       Cell(PlaceText(row.place)), Cell(row.reason));
  }
  return "## Findings\n\n" + (out.empty() ? "None.\n" : out) + "\n";
}

const Measurement* Find(const std::map<std::pair<Key, Metric>, const Measurement*>& index, const Key& key,
                        Metric metric) {
  const auto it = index.find({key, metric});
  return it == index.end() ? nullptr : it->second;
}

std::string LatencyRow(const Measurement& m, const Measurement* ratio) {
  const std::string_view unit = Row(m.metric).unit;
  const auto shown = [&](const std::optional<double>& value) { return value ? Humanly(*value, unit) : "-"; };
  const std::string interval =
      m.ci95_low && m.ci95_high ? Humanly(*m.ci95_low, unit) + " to " + Humanly(*m.ci95_high, unit) : "-";
  return TableRow({WorkloadText(m.workload, m.params), Cell(PlaceText(m.place)),
                   std::string(Row(m.metric).name), shown(m.p50), interval, shown(m.p99), std::to_string(m.n),
                   ratio != nullptr && ratio->value ? Humanly(*ratio->value, "ratio") : "-"});
}

std::string Latencies(const Record& record) {
  std::map<std::pair<Key, Metric>, const Measurement*> index;
  for (const Measurement& m : record.measurements) {
    if (m.side == "driver") index[{Key{m.workload, m.params, m.place}, m.metric}] = &m;
  }
  const std::string head =
      Head({"workload", "driver", "metric", "median", "95 % interval", "p99", "n", "x raw"}, 3);
  std::map<std::string, Params> first_params;
  std::string first, others;
  for (const Measurement& m : record.measurements) {
    if (m.side != "driver" || !m.p50 || (m.metric != Metric::latency && m.metric != Metric::ready_time))
      continue;
    const Params& shown = first_params.emplace(m.workload, m.params).first->second;
    const Key key{m.workload, m.params, m.place};
    const Measurement* ratio = m.metric == Metric::latency ? Find(index, key, Metric::ratio_to_raw) : nullptr;
    (m.params == shown ? first : others) += LatencyRow(m, ratio);
  }
  if (first.empty()) return "";
  std::string out = "## Latency\n\np99 only where ten samples lie beyond it.\n\n" + head + first + "\n";
  if (!others.empty()) out += Folded("other parameters", head + others) + "\n";
  return out;
}

// Of one operation; the first ones have a table of their own, the others are in the record alone.
constexpr Metric kCounters[] = {Metric::syscalls,    Metric::fuse_requests,  Metric::mounts,
                                Metric::inodes_left, Metric::whiteouts_left, Metric::copied_bytes,
                                Metric::flushes,     Metric::device_bytes};
constexpr Metric kOtherCounters[] = {Metric::mounts_left,      Metric::stored_left_bytes,
                                     Metric::runtime_syscalls, Metric::allocated_left_bytes,
                                     Metric::daemon_syscalls,  Metric::daemon_descriptors,
                                     Metric::dentries,         Metric::slab_bytes};

bool IsCounter(Metric metric) {
  return std::find(std::begin(kCounters), std::end(kCounters), metric) != std::end(kCounters) ||
         std::find(std::begin(kOtherCounters), std::end(kOtherCounters), metric) != std::end(kOtherCounters);
}

std::string Counters(const Record& record) {
  std::map<Key, std::map<Metric, std::string>> cells;
  std::vector<Key> order;
  std::set<std::string> reasons;
  for (const Measurement& m : record.measurements) {
    if (m.side != "driver" ||
        std::find(std::begin(kCounters), std::end(kCounters), m.metric) == std::end(kCounters))
      continue;
    const Key key{m.workload, m.params, m.place};
    if (cells.find(key) == cells.end()) order.push_back(key);
    cells[key][m.metric] = m.value ? Humanly(*m.value, Row(m.metric).unit) : "n/a";
    if (!m.reason.empty()) reasons.insert(fmt::format("{}: {}", Row(m.metric).name, m.reason));
  }
  if (order.empty()) return "";
  std::vector<std::string> names = {"workload", "driver"};
  for (const Metric metric : kCounters) names.emplace_back(Row(metric).name);
  std::string table = Head(names, 2);
  for (const Key& key : order) {
    const auto& [workload, params, place] = key;
    std::vector<std::string> row = {WorkloadText(workload, params), Cell(PlaceText(place))};
    for (const Metric metric : kCounters) {
      const auto it = cells[key].find(metric);
      row.push_back(it == cells[key].end() ? "-" : it->second);
    }
    table += TableRow(row);
  }
  std::string out = "## Counts of one operation\n\n" + Folded("counters", table) + "\n";
  for (const std::string& reason : reasons) out += "- n/a: " + Cell(reason) + "\n";
  return out + (reasons.empty() ? "" : "\n");
}

std::string Space(const Record& record) {
  std::map<Key, std::map<Metric, double>> values;
  std::vector<Key> order;
  std::set<Metric> used;
  for (const Measurement& m : record.measurements) {
    const std::string_view unit = Row(m.metric).unit;
    const std::optional<double> value = m.value ? m.value : m.p50;
    if (m.side != "driver" || !value || (unit != "bytes" && unit != "count") ||
        m.metric == Metric::throughput || IsCounter(m.metric))
      continue;
    const Key key{m.workload, m.params, m.place};
    if (values.find(key) == values.end()) order.push_back(key);
    values[key][m.metric] = *value;
    used.insert(m.metric);
  }
  if (order.empty()) return "";
  std::vector<std::string> names = {"workload", "driver"};
  for (const Metric metric : used) names.emplace_back(Row(metric).name);
  std::string out = "## Space and inodes\n\n" + Head(names, 2);
  for (const Key& key : order) {
    const auto& [workload, params, place] = key;
    std::vector<std::string> cells = {WorkloadText(workload, params), Cell(PlaceText(place))};
    for (const Metric metric : used) {
      const auto it = values[key].find(metric);
      cells.push_back(it == values[key].end() ? "-" : Humanly(it->second, Row(metric).unit));
    }
    out += TableRow(cells);
  }
  return out + "\n";
}

std::string Anchors(const Record& record) {
  if (record.anchors.empty()) return "";
  std::string out =
      "## Published results\n\nHow much more the first side takes than the second.\n\n" +
      Head({"claim", "sides", "metric", "published", "today", "95 % interval", "verdict", "source"}, 3);
  for (const AnchorRow& row : record.anchors) {
    const auto side = [](const AnchorSide& s) {
      return s.params.empty() ? s.instance : s.instance + " " + ParamsText(s.params);
    };
    const std::string_view verdict = AnchorVerdictText(row.verdict);
    out += TableRow(
        {Cell(row.claim), Cell(row.workload + ": " + side(row.a) + " / " + side(row.b)),
         std::string(Row(row.metric).name), row.published ? Humanly(*row.published, "ratio") : "more",
         row.factor ? Humanly(*row.factor, "ratio") : "-",
         row.ci95_low ? Humanly(*row.ci95_low, "ratio") + " to " + Humanly(*row.ci95_high, "ratio") : "-",
         row.reason.empty() ? std::string(verdict) : Cell(fmt::format("{}: {}", verdict, row.reason)),
         Cell(row.source + "; " + row.doubt)});
  }
  return out + "\n";
}

std::string NotRun(const Record& record) {
  std::string out;
  for (const DriverRow& row : record.drivers) {
    if (!row.available) out += fmt::format("- driver {}: {}\n", Cell(PlaceText(row.place)), Cell(row.reason));
  }
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> reasons;  // (place, reason) -> what
  for (const ConformanceRow& row : record.conformance) {
    if (row.verdict == Verdict::kSkip)
      reasons[{PlaceText(row.place), row.reason}].push_back(Cell(row.case_name));
  }
  for (const WorkloadRow& row : record.workloads) {
    if (row.verdict == WorkloadVerdict::kNotRun) {
      reasons[{PlaceText(row.place), row.reason}].push_back(WorkloadText(row.workload, row.params));
    }
  }
  for (const auto& [where, what] : reasons) {
    constexpr size_t kShown = 3;
    out += fmt::format("- {}: {} ({}", Cell(where.first), Cell(where.second), what.size());
    for (size_t i = 0; i < std::min(kShown, what.size()); ++i) out += (i == 0 ? ": " : ", ") + what[i];
    out += what.size() > kShown ? ", ...)\n" : ")\n";
  }
  return "## Not run\n\n" + (out.empty() ? "Everything selected ran.\n" : out) + "\n";
}

std::string Machine(const Record& record) {
  std::string out = "## Machine\n\n" + Head({"what", "value"}, 2);
  for (const auto& [name, value] : record.environment.text) out += TableRow({Cell(name), Cell(value)});
  for (const auto& [name, value] : record.environment.numbers) {
    const bool bytes = name.size() > 6 && name.compare(name.size() - 6, 6, "_bytes") == 0;
    out += TableRow({Cell(name), bytes ? Humanly(value, "bytes") : fmt::format("{:g}", value)});
  }
  return out;
}

}  // namespace

std::string ExportMarkdown(const Record& record) {
  std::string out = fmt::format("# layermark {}\n\n", Cell(record.run.id));
  if (!record.complete) out += "**Interrupted: the record holds what ran until then.**\n\n";
  out += fmt::format("Command: {}; seed {}; image {} {}\n\n", Cell(record.run.command), record.run.seed,
                     Cell(record.image_name), Cell(record.image_digest));
  for (const std::string& warning : record.warnings) out += "- warning: " + Cell(warning) + "\n";
  if (!record.warnings.empty()) out += "\n";
  if (!record.gate.empty()) out += ExportGateMarkdown(record) + "\n";
  return out + VerdictTable(ByPlace(record)) + Findings(record) + Latencies(record) + Space(record) +
         Counters(record) + Anchors(record) + NotRun(record) + Machine(record);
}

}  // namespace layermark
