#include "results/export_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

int Rank(const std::string& verdict) {
  return verdict == "regressed" ? 0 : verdict == "inconclusive" ? 1 : verdict == "not_run" ? 2 : 3;
}

std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : OneLine(text)) {
    if (c == '|' || c == '<' || c == '*' || c == '`' || c == '[') out += '\\';
    out += c;
  }
  return out;
}

std::string Interval(const GateRow& row) {
  if (!row.ci95_low || !row.ci95_high) return "-";
  return PercentText(row.ci95_low) + " to " + PercentText(row.ci95_high);
}

std::string Table(const std::vector<const GateRow*>& rows) {
  std::string out =
      "| verdict | workload | metric | change | 95 % interval | could see | why "
      "|\n|---|---|---|--:|--:|--:|---|\n";
  for (const GateRow* row : rows) {
    const std::string workload =
        row->params.empty() ? row->workload : row->workload + " " + ParamsText(row->params);
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n",
                       row->verdict == "regressed" ? "**regressed**" : row->verdict, Cell(workload),
                       Cell(row->metric), PercentText(row->effect_ratio), Interval(*row),
                       PercentText(row->mde_ratio), Cell(row->reason));
  }
  return out;
}

}  // namespace

std::string PercentText(const std::optional<double>& share) {
  if (!share || !std::isfinite(*share)) return "-";
  return fmt::format("{:+.1f} %", 100 * *share);
}

std::string GateVerdictOf(const std::vector<GateRow>& rows) {
  bool any = false;
  bool doubtful = false;
  for (const GateRow& row : rows) {
    if (row.verdict == "regressed") return "regressed";
    doubtful = doubtful || row.verdict == "inconclusive";
    any = any || row.verdict == "pass";
  }
  return any && !doubtful ? "pass" : "inconclusive";
}

std::string GateSentence(const std::vector<GateRow>& rows) {
  const auto count = [&](const char* verdict) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const GateRow& row) { return row.verdict == verdict; });
  };
  std::string worst = GateVerdictOf(rows);
  std::transform(worst.begin(), worst.end(), worst.begin(),
                 [](char c) { return static_cast<char>(std::toupper(c)); });
  std::string out = fmt::format("{}: {} regressed, {} inconclusive, {} passed", worst, count("regressed"),
                                count("inconclusive"), count("pass"));
  if (const auto n = count("not_run"); n > 0) out += fmt::format(", {} not run", n);
  return out;
}

std::vector<const GateRow*> InReadingOrder(const std::vector<GateRow>& rows) {
  std::vector<const GateRow*> order;
  order.reserve(rows.size());
  for (const GateRow& row : rows) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(),
                   [](const GateRow* a, const GateRow* b) { return Rank(a->verdict) < Rank(b->verdict); });
  return order;
}

std::string ExportGateMarkdown(const Record& record) {
  std::string out = fmt::format("## layermark gate: {}\n\n", Cell(GateSentence(record.gate)));
  if (!record.gate.empty()) {
    out += fmt::format("A (before): {}. B (after): {}.\n\n", Cell(PlaceText(record.gate[0].a)),
                       Cell(PlaceText(record.gate[0].b)));
  }
  std::vector<const GateRow*> open, passed;
  for (const GateRow* row : InReadingOrder(record.gate))
    (row->verdict == "pass" ? passed : open).push_back(row);
  if (!open.empty()) out += Table(open) + "\n";
  if (!passed.empty())
    out += fmt::format("<details><summary>{} passed</summary>\n\n{}\n</details>\n\n", passed.size(),
                       Table(passed));
  for (const std::string& warning : record.warnings) out += "- " + Cell(warning) + "\n";
  return out + fmt::format("\nAgain with: {} (seed {}, {})\n", Cell(record.run.command), record.run.seed,
                           Cell(record.run.tool_version));
}

}  // namespace layermark
