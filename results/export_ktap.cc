#include "results/export_ktap.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/skip_code.h"
#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

constexpr std::string_view kIndent = "  ";

// A description ends where a '#' begins the directive, so it may hold none.
std::string Description(std::string_view text) {
  std::string out = OneLine(text);
  std::replace(out.begin(), out.end(), '#', '_');
  return out;
}

std::string Diagnostics(std::string_view name, std::string_view text) {
  std::string out;
  for (const std::string& line : Lines(text))
    out += fmt::format("{}# {}: {}\n", kIndent, Description(name), line);
  return out;
}

std::string ResultLine(bool ok, size_t number, std::string_view name, std::string_view directive,
                       std::string_view reason) {
  std::string out = fmt::format("{} {} - {}", ok ? "ok" : "not ok", number, Description(name));
  if (!directive.empty()) out += fmt::format(" # {} {}", directive, OneLine(reason));
  while (out.back() == ' ') out.pop_back();
  return out + "\n";
}

// "CODE: sentence"; records of earlier versions have no code.
std::string SkipText(std::string_view code, const std::string& sentence) {
  return code.empty() ? sentence : fmt::format("{}: {}", code, sentence);
}

std::string CaseLines(const ConformanceRow& row, size_t number) {
  const std::string& name = row.case_name;
  const std::string again = row.reproduce.empty() ? "" : Diagnostics(name, "reproduce: " + row.reproduce);
  const auto result = [&](bool ok, std::string_view directive) {
    return std::string(kIndent) + ResultLine(ok, number, name, directive, row.reason);
  };
  switch (row.verdict) {
    case Verdict::kPass:
      return result(true, "");
    case Verdict::kSkip:
      return std::string(kIndent) +
             ResultLine(true, number, name, "SKIP", SkipText(row.skip_code, row.reason));
    case Verdict::kXfail:
      return result(true, "XFAIL");
    case Verdict::kXpass:
      return Diagnostics(name, "unexpected pass: " + row.reason) + again + result(false, "");
    case Verdict::kFail:
      return Diagnostics(name, row.reason) + again + result(false, "");
    case Verdict::kTimeout:
      return Diagnostics(name, row.reason) + again + result(false, "TIMEOUT");
    case Verdict::kError:
      return Diagnostics(name, row.reason) + again + result(false, "ERROR");
  }
  return "";
}

std::string WorkloadLines(const WorkloadRow& row, size_t number) {
  const std::string name = row.params.empty() ? row.workload : row.workload + "/" + ParamsText(row.params);
  const bool skipped = row.verdict == WorkloadVerdict::kNotRun;
  const bool wrong = row.verdict == WorkloadVerdict::kWrong;
  return (wrong ? Diagnostics(name, row.reason) : "") + std::string(kIndent) +
         ResultLine(!wrong, number, name, skipped ? "SKIP" : "",
                    skipped ? SkipText(row.skip_code, row.reason) : "");
}

std::string PlaceLines(const PlaceRows& rows, size_t number) {
  const std::string name = PlaceText(rows.place);
  const size_t count = rows.conformance.size() + rows.workloads.size();
  if (count == 0) {
    const bool gone = rows.driver != nullptr && !rows.driver->available;
    return ResultLine(true, number, name, "SKIP",
                      gone ? SkipText(SkipCodeName(SkipCode::driver_unavailable), rows.driver->reason)
                           : SkipText(SkipCodeName(SkipCode::not_applicable), "nothing of it was selected"));
  }
  std::string out =
      fmt::format("{0}KTAP version 1\n{0}# Subtest: {1}\n{0}1..{2}\n", kIndent, Description(name), count);
  size_t inner = 0;
  bool ok = true;
  for (const ConformanceRow* row : rows.conformance) {
    out += CaseLines(*row, ++inner);
    ok = ok && !IsFinding(row->verdict);
  }
  for (const WorkloadRow* row : rows.workloads) {
    out += WorkloadLines(*row, ++inner);
    ok = ok && !IsFinding(row->verdict);
  }
  return out + ResultLine(ok, number, name, "", "");
}

}  // namespace

std::string ExportKtap(const Record& record) {
  const std::vector<PlaceRows> places = ByPlace(record);
  std::string out = fmt::format("KTAP version 1\n1..{}\n", places.size());
  if (!record.complete) out += "# the run was interrupted: what follows is what ran until then\n";
  for (const std::string& warning : record.warnings) {
    for (const std::string& line : Lines(warning)) out += fmt::format("# warning: {}\n", line);
  }
  size_t number = 0;
  for (const PlaceRows& rows : places) out += PlaceLines(rows, ++number);
  return out;
}

}  // namespace layermark
