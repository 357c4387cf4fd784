#include "cli/program.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>

#include "cli/commands.h"
#include "cli/session.h"
#include "layermark_version.h"

namespace layermark {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 only passes, expected failures and skips; 1 a finding; 2 usage or environment;\n"
    "3 inconclusive; 130 interrupted, with the record written and marked incomplete. --bisect: 125 for 2 and "
    "3.";

}  // namespace

int StatusOfRefusal(int argc, const char* const* argv) {
  const bool bisect = std::any_of(argv + 1, argv + argc,
                                  [](const char* word) { return std::string_view(word) == "--bisect"; });
  return bisect ? BisectExit(kExitUsage) : kExitUsage;
}

int RunProgram(int argc, const char* const* argv) {
  Invocation invocation;
  // Google Benchmark's own flags go through untouched.
  std::vector<const char*> words;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]).starts_with("--benchmark_")) {
      invocation.benchmark_arguments.emplace_back(argv[i]);
    } else {
      words.push_back(argv[i]);
    }
  }
  invocation.command = QuotedCommand(argc, argv);

  CLI::App app{"layermark: benchmark and conformance suite for layered container storage", "layermark"};
  app.set_version_flag("--version", std::string("layermark ") + kToolVersion);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  AddRunCommand(app, invocation);
  AddCheckCommand(app, invocation);
  AddBenchCommand(app, invocation);
  AddFuzzCommand(app, invocation);
  AddReplayCommand(app, invocation);
  AddGateCommand(app, invocation);
  AddCompareCommand(app, invocation);
  AddReportCommand(app, invocation);
  AddDriversCommand(app, invocation);
  AddCasesCommand(app, invocation);
  AddWorkloadsCommand(app, invocation);
  AddImageCommand(app, invocation);
  AddInspectCommand(app, invocation);
  AddServeCommand(app, invocation);
  AddCleanCommand(app, invocation);
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    // A mistyped subcommand is first of all a missing one to the parser: name the word that was given.
    const std::vector<std::string> unexpected = app.remaining(true);
    if (dynamic_cast<const CLI::RequiredError*>(&e) != nullptr && !unexpected.empty()) {
      (void)UsageError(
          fmt::format("unexpected \"{}\": {}; see layermark --help", unexpected.front(), e.what()));
    } else {
      (void)UsageError(e.what());
    }
    return StatusOfRefusal(argc, argv);
  }
  if (!invocation.run) return UsageError("no subcommand");
  if (!invocation.benchmark_arguments.empty() && !app.got_subcommand("bench")) {
    (void)UsageError(fmt::format("unexpected \"{}\": only bench passes flags to Google Benchmark",
                                 invocation.benchmark_arguments.front()));
    return StatusOfRefusal(argc, argv);
  }
  return invocation.run();
}

}  // namespace layermark
