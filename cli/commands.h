// The subcommands: each file registers one with the parser and runs it.
#ifndef LAYERMARK_CLI_COMMANDS_H_
#define LAYERMARK_CLI_COMMANDS_H_

#include <CLI/App.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "core/result.h"
#include "scenario/image_source.h"

namespace layermark {

// What main needs to know: the chosen subcommand's work, set by its callback.
struct Invocation {
  std::string command;                           // the whole command line, quoted
  std::vector<std::string> benchmark_arguments;  // --benchmark_* of `bench`
  std::function<int()> run;
};

void AddRunCommand(CLI::App& app, Invocation& invocation);
void AddCheckCommand(CLI::App& app, Invocation& invocation);
void AddBenchCommand(CLI::App& app, Invocation& invocation);
void AddFuzzCommand(CLI::App& app, Invocation& invocation);
void AddReplayCommand(CLI::App& app, Invocation& invocation);
void AddGateCommand(CLI::App& app, Invocation& invocation);
void AddCompareCommand(CLI::App& app, Invocation& invocation);
void AddReportCommand(CLI::App& app, Invocation& invocation);
void AddDriversCommand(CLI::App& app, Invocation& invocation);
void AddCasesCommand(CLI::App& app, Invocation& invocation);
void AddWorkloadsCommand(CLI::App& app, Invocation& invocation);
void AddImageCommand(CLI::App& app, Invocation& invocation);
void AddInspectCommand(CLI::App& app, Invocation& invocation);
void AddServeCommand(CLI::App& app, Invocation& invocation);
void AddCleanCommand(CLI::App& app, Invocation& invocation);

// The run's image: --image, or the synthetic one of the profile. Opened, digests checked, names and sizes
// checked against the bounds, so that a bad image is known before anything is run.
Result<ImageSource> OpenRunImage(const CommonOptions& options);

// Runs the page maker on the records. Exit status.
int MakeReport(const std::vector<std::string>& records, const std::string& out);

}  // namespace layermark

#endif  // LAYERMARK_CLI_COMMANDS_H_
