#include "cli/gate_text.h"

#include <fmt/core.h>

#include <map>

#include "cli/table.h"
#include "results/export_gate.h"
#include "results/export_junit.h"
#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

std::string Workload(const GateRow& row) {
  return row.params.empty() ? row.workload : row.workload + " " + ParamsText(row.params);
}

std::string Value(const std::optional<double>& value, const std::string& metric) {
  const auto known = MetricFromName(metric.substr(metric.rfind('.') + 1));
  return value ? Humanly(*value, known ? Row(*known).unit : "count") : "-";
}

std::string Interval(const GateRow& row) {
  if (!row.ci95_low || !row.ci95_high) return "-";
  return fmt::format("{:+.1f} {:+.1f}", 100 * *row.ci95_low, 100 * *row.ci95_high);
}

std::string Times(const std::vector<const GateRow*>& rows) {
  Table table({"verdict", "workload", "A", "B", "change", "95 % interval", "could see", "blocks"});
  for (const GateRow* row : rows) {
    if (row->tier == "counts") continue;
    const std::string verdict = row->underpowered ? "underpowered"
                                : row->improved   ? "pass, faster"
                                                  : row->verdict;
    table.Add({verdict, Workload(*row), Value(row->a_value, row->metric), Value(row->b_value, row->metric),
               PercentText(row->effect_ratio), Interval(*row), PercentText(row->mde_ratio),
               fmt::format("{}{}", row->blocks,
                           row->discarded_blocks > 0 ? fmt::format(" (-{})", row->discarded_blocks) : "")});
  }
  return table.empty() ? "" : table.Text();
}

// The first few of each workload; a change of driver or option can move a hundred.
std::string CountsThatDiffer(const std::vector<const GateRow*>& rows) {
  constexpr int kShown = 6;
  Table table({"verdict", "workload", "count", "A", "B", "why"});
  std::map<std::string, int> said;
  for (const GateRow* row : rows) {
    if (row->tier != "counts" || (row->verdict == "pass" && row->metric == "exact")) continue;
    if (++said[Workload(*row)] > kShown) continue;
    const bool counted = row->metric != "exact";
    const std::string why = counted && row->verdict == "regressed" ? "" : OneLine(row->reason.substr(0, 200));
    table.Add({row->verdict, Workload(*row), row->metric, counted ? Value(row->a_value, row->metric) : "-",
               counted ? Value(row->b_value, row->metric) : "-", why});
  }
  if (table.empty()) return "";
  std::string out = table.Text();
  for (const auto& [workload, n] : said) {
    if (n > kShown) out += fmt::format("{}: and {} more counts\n", workload, n - kShown);
  }
  return out;
}

}  // namespace

std::string GateText(const Record& record) {
  const std::vector<const GateRow*> rows = InReadingOrder(record.gate);
  double agree = 0;
  for (const GateRow* row : rows) {
    if (row->tier == "counts" && row->metric == "exact" && row->verdict == "pass")
      agree += row->a_value.value_or(0);
  }
  std::string out;
  if (!rows.empty()) out += fmt::format("A {}\nB {}\n\n", PlaceText(rows[0]->a), PlaceText(rows[0]->b));
  const std::string counts = CountsThatDiffer(rows);
  out += fmt::format("{:.0f} counts agree{}\n", agree, counts.empty() ? "" : "; these do not:");
  out += counts;
  if (const std::string times = Times(rows); !times.empty()) out += "\n" + times;
  // One line for each reason, however many share it.
  std::map<std::string, std::vector<std::string>> why;
  for (const GateRow* row : rows) {
    if (row->tier != "counts" && row->verdict != "pass")
      why[row->verdict + ": " + OneLine(row->reason.substr(0, 300))].push_back(Workload(*row));
  }
  for (const auto& [reason, workloads] : why) {
    out += fmt::format("{}\n    {}{}\n", reason, workloads[0],
                       workloads.size() > 1 ? fmt::format(" and {} more", workloads.size() - 1) : "");
  }
  for (const std::string& warning : record.warnings) out += fmt::format("note: {}\n", warning);
  return out + "\n" + GateSentence(record.gate) + "\n";
}

void PrintGate(const Record& record, const std::string& format) {
  if (format == "json") {
    fmt::print("{}\n", ToJson(record));
  } else if (format == "junit") {
    fmt::print("{}", ExportJunit(record));
  } else if (format == "markdown") {
    fmt::print("{}", ExportGateMarkdown(record));
  } else {
    fmt::print("\n{}", GateText(record));
  }
  std::fflush(stdout);
}

}  // namespace layermark
