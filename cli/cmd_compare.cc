// compare: two recorded runs (or two sets of them), or the history of many.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/gate_session.h"
#include "cli/gate_text.h"
#include "cli/new_record.h"
#include "cli/session.h"
#include "cli/table.h"
#include "core/sys/fd.h"
#include "results/export_gate.h"
#include "results/export_junit.h"
#include "results/gate/compare_runs.h"

namespace layermark {
namespace {

namespace fs = std::filesystem;

struct ComparePlan {
  std::vector<std::string> sides;
  std::string history, format = "text", inconclusive, out, command;
  bool bisect = false;
};

// The record at `path`, or those of the directories in it.
Result<std::vector<Record>> RecordsAt(const std::string& path) {
  std::vector<Record> records;
  std::error_code error;
  if (!fs::is_directory(path, error) || fs::exists(path + "/results.json", error)) {
    LM_ASSIGN(Record record, LoadRecord(path));
    records.push_back(std::move(record));
    return records;
  }
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (fs::exists(entry.path() / "results.json", error)) files.push_back(entry.path() / "results.json");
    if (entry.is_regular_file(error) && entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (files.empty()) return NotFound(path + ": no results.json in it, nor in a directory in it");
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    LM_ASSIGN(Record record, LoadRecord(file));
    records.push_back(std::move(record));
  }
  return records;
}

int History(const ComparePlan& plan) {
  const Result<std::vector<Record>> records = RecordsAt(plan.history);
  if (!records.ok()) return UsageError(records.status());
  constexpr size_t kFewest = 14;  // of fewer no split of a series can have a p of a thousandth
  const std::vector<HistoryChange> changes = HistoryChanges(*records);
  Table table({"workload", "instance", "metric", "before", "after", "change", "first run after", "version"});
  for (const HistoryChange& c : changes) {
    const std::string workload = c.params.empty() ? c.workload : c.workload + " " + ParamsText(c.params);
    table.Add({workload, c.instance, c.metric, fmt::format("{:.4g}", c.change.before),
               fmt::format("{:.4g}", c.change.after),
               c.change.before == 0 ? "-" : PercentText(c.change.after / c.change.before - 1), c.started,
               c.tool_version});
  }
  if (!table.empty()) fmt::print("{}\n", table.Text());
  fmt::print("{} runs, {} change points (advisory: p at most 0.001 for each series, not over all of them)\n",
             records->size(), changes.size());
  if (records->size() < kFewest)
    fmt::print("note: {} runs are too few for a change point; {} are the least, 30 are better\n",
               records->size(), kFewest);
  return kExitPass;
}

int Compare(const ComparePlan& plan) {
  if (!plan.history.empty()) {
    return plan.sides.empty() ? History(plan) : UsageError("compare: --history takes no BASE and NEW");
  }
  if (plan.sides.size() != 2) return UsageError("compare needs two records, BASE and NEW, or --history DIR");
  const Result<std::vector<Record>> base = RecordsAt(plan.sides[0]);
  if (!base.ok()) return UsageError(base.status());
  const Result<std::vector<Record>> fresh = RecordsAt(plan.sides[1]);
  if (!fresh.ok()) return UsageError(fresh.status());
  Comparison comparison = CompareRuns(*base, *fresh, {});
  if (comparison.rows.empty())
    return UsageError(
        "compare: the two sides have no workload on one instance, backing and device in common");
  Record record = BeginRecord(plan.command, fresh->front().run.seed, fresh->front().run.profile);
  record.environment = fresh->front().environment;
  record.image_name = fresh->front().image_name;
  record.image_digest = fresh->front().image_digest;
  record.complete = true;
  record.gate = std::move(comparison.rows);
  record.warnings = std::move(comparison.notes);
  if (!plan.out.empty()) {
    Status s = WriteRecord(plan.out, record, {});
    if (s.ok()) s = WriteFile(plan.out + "/gate.md", ExportGateMarkdown(record));
    if (s.ok()) s = WriteFile(plan.out + "/junit.xml", ExportJunit(record));
    if (!s.ok()) return UsageError(s);
  }
  PrintGate(record, plan.format);
  return GateExit(GateVerdictOf(record.gate), plan.inconclusive);
}

}  // namespace

void AddCompareCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("compare", "two recorded runs, or a history: what has changed");
  auto plan = std::make_shared<ComparePlan>();
  command
      ->add_option("RUNS", plan->sides,
                   "BASE and NEW: a results.json, a directory with one, or a directory of several runs")
      ->type_name("BASE NEW")
      ->expected(0, 2);
  command->add_option("--history", plan->history, "look for change points over all runs in DIR; advisory")
      ->type_name("DIR");
  command->add_option("--format", plan->format, "what standard output carries")
      ->check(CLI::IsMember({"text", "json", "junit", "markdown"}))
      ->capture_default_str();
  command
      ->add_option("--inconclusive", plan->inconclusive,
                   "what INCONCLUSIVE ends with: pass (0) or fail (1); default: 3")
      ->check(CLI::IsMember({"pass", "fail"}));
  command->add_option("--out", plan->out, "directory for the record, gate.md and junit.xml")
      ->type_name("DIR");
  command->add_flag("--bisect", plan->bisect, "for `git bisect run`: exit 125 in place of 2 and 3");
  command->footer(
      "Exact counts are compared for equality; times by their ratios to the raw twin, with the run as the "
      "unit:\n"
      "with fewer than 6 runs a side they stay INCONCLUSIVE. Exit status as of gate; --history always ends "
      "0.");
  command->callback([plan, &invocation] {
    invocation.run = [plan, &invocation] {
      plan->command = invocation.command;
      const int status = Compare(*plan);
      return plan->bisect ? BisectExit(status) : status;
    };
  });
}

}  // namespace layermark
