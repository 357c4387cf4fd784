// report: the page, the figures and the exports of recorded runs.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/session.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "results/export_gbench.h"
#include "results/export_junit.h"
#include "results/export_ktap.h"
#include "results/export_markdown.h"
#include "results/merge_shards.h"
#include "results/record.h"
#include "results/schema.h"

namespace layermark {
namespace {

namespace fs = std::filesystem;

// The scripts lie beside the source tree of a build, or under share/ of an installation.
Result<std::string> PlotsDirectory() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return NotFound("cannot tell where layermark lies: " + error.message());
  const fs::path bin = program.parent_path();
  for (const fs::path& candidate : {bin / "../share/layermark/plots", bin / "../../../plots"}) {
    if (fs::exists(candidate / "report.py", error)) return fs::weakly_canonical(candidate).string();
  }
  return NotFound(fmt::format("plots/report.py is neither beside {} nor installed", program.string()));
}

Status WriteExports(const Record& record, const std::string& out) {
  LM_TRY(WriteFile(out + "/summary.md", ExportMarkdown(record)));
  LM_TRY(WriteFile(out + "/junit.xml", ExportJunit(record)));
  LM_TRY(WriteFile(out + "/results.ktap", ExportKtap(record)));
  return WriteFile(out + "/benchmark.json", ExportGoogleBenchmark(record));
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

}  // namespace

int MakeReport(const std::vector<std::string>& records, const std::string& out) {
  std::vector<Record> loaded;
  for (const std::string& path : records) {
    Result<Record> record = LoadRecord(path);
    if (!record.ok()) return UsageError(record.status());
    loaded.push_back(*std::move(record));
  }
  Result<std::optional<Record>> merged = MergeShards(loaded);
  if (!merged.ok()) return UsageError(merged.status());
  std::vector<std::string> shown = records;
  if (merged->has_value()) {
    for (const std::string& path : records) {
      std::error_code error;
      const fs::path directory =
          fs::is_directory(path, error) ? fs::path(path) : fs::path(path).parent_path();
      if (fs::equivalent(directory.empty() ? "." : directory, out, error))
        return UsageError(fmt::format("--out {}: holds one of the parts, which would be lost", out));
    }
    const Result<Record> there = LoadRecord(out);
    if (there.ok() && !there->run.id.ends_with("+parts"))
      return UsageError(fmt::format("--out {}: holds the record of another run, which would be lost", out));
    if (Status s = WriteRecordText(out, **merged, ConcatenatedSamples(records)); !s.ok())
      return UsageError(s);
    shown = {out};
    fmt::print(stderr, "report: {} merged into {}/results.json\n", (*merged)->environment.text[kShardKey],
               out);
  }
  if (shown.size() == 1) {
    if (Status s = MakeDirs(out); !s.ok()) return UsageError(s);
    if (Status s = WriteExports(merged->has_value() ? **merged : loaded.front(), out); !s.ok())
      return UsageError(s);
  }
  Result<std::string> plots = PlotsDirectory();
  if (!plots.ok()) return UsageError(plots.status());
  // Debian's Python has matplotlib; another python3 may stand first on PATH.
  std::vector<std::string> argv = {"/usr/bin/python3", *plots + "/report.py"};
  argv.insert(argv.end(), shown.begin(), shown.end());
  argv.insert(argv.end(), {"--out", out});
  CommandOptions options;
  options.deadline = std::chrono::minutes(5);
  // matplotlib keeps a list of fonts in the home directory, which is not ours to write to.
  const std::string fonts = out + "/.matplotlib";
  options.environment = OwnEnvironment();
  std::erase_if(*options.environment, [](const std::string& v) { return v.starts_with("MPLCONFIGDIR="); });
  options.environment->push_back("MPLCONFIGDIR=" + fonts);
  fmt::print(stderr, "report: drawing figures and the page\n");
  Result<std::string> made = RunCommandOk(argv, options);
  const Status removed = RemoveTree(fonts);
  if (!made.ok()) return UsageError(made.status());
  if (!removed.ok()) return UsageError(removed);
  fmt::print("\nThe page: {}\n", fs::path(out).lexically_normal().string() + "/report.html");
  return kExitPass;
}

void AddReportCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "report", "HTML page, figures, Markdown, JUnit, KTAP and Google Benchmark JSON of recorded runs");
  auto records = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>("layermark-out");
  auto schema = std::make_shared<bool>(false);
  command->add_option(
      "RUN", *records,
      "a results.json or a directory that holds one; the parts of a run in shards become one record in DIR");
  command->add_option("--out", *out, "where the page goes")->type_name("DIR")->capture_default_str();
  command->add_flag("--schema", *schema, "print the JSON schema of the record and end");
  command->callback([=, &invocation] {
    invocation.run = [=] {
      if (*schema) {
        fmt::print("{}", SchemaJson());
        return kExitPass;
      }
      if (records->empty()) return UsageError("report: name a results.json or a directory that holds one");
      return MakeReport(*records, *out);
    };
  });
}

}  // namespace layermark
