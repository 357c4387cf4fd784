// cases, workloads: what can be run.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "bench/harness/engine.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/table.h"
#include "conformance/support/harness.h"

namespace layermark {
namespace {

std::string NeedsText(const std::vector<Capability>& needs) {
  std::string text;
  for (Capability c : needs) text += fmt::format("{}{}", text.empty() ? "" : " ", Row(c).name);
  return text;
}

int ListCases(const CommonOptions& options) {
  const std::vector<const Case*> cases = SelectCases(options.filters);
  if (cases.empty()) return UsageError(fmt::format("--filter {}: matches no case", options.filters.front()));
  Table table({"case", "claim", "needs", "source"});
  for (const Case* c : cases)
    table.Add({c->info.full_name(), c->info.claim, NeedsText(c->info.needs), c->info.source});
  fmt::print("{}\n{} cases\n", table.Text(), cases.size());
  return kExitPass;
}

int ListWorkloads(const CommonOptions& options) {
  Table table({"workload", "family", "parameters (" + options.profile + ")", "operation", "raw twin"});
  const auto choices = SelectWorkloads(options.filters, options.profile);
  if (choices.empty())
    return UsageError(fmt::format("--filter {}: matches no workload", options.filters.front()));
  const WorkloadEntry* last = nullptr;
  for (const WorkloadChoice& choice : choices) {
    if (choice.entry == last) continue;
    last = choice.entry;
    std::string params;
    for (const auto& [name, values] : last->info.params) {
      const auto& chosen = options.profile == "smoke"  ? values.smoke
                           : options.profile == "full" ? values.full
                                                       : values.quick;
      params += fmt::format("{}{}=", params.empty() ? "" : " ", name);
      for (size_t i = 0; i < chosen.size(); ++i) params += (i == 0 ? "" : ",") + chosen[i];
    }
    table.Add({last->info.name, last->info.family, params, last->info.operation,
               last->info.raw_twin.empty() ? "none" : last->info.raw_twin});
  }
  fmt::print("{}", table.Text());
  return kExitPass;
}

}  // namespace

void AddCasesCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("cases", "the conformance cases: what each claims, needs and comes from");
  auto options = std::make_shared<CommonOptions>();
  AddCommonFlags(*command, *options, kFlagFilter);
  command->callback([=, &invocation] { invocation.run = [=] { return ListCases(*options); }; });
}

void AddWorkloadsCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("workloads", "the workloads: what each does, its parameters and its raw twin");
  auto options = std::make_shared<CommonOptions>();
  AddCommonFlags(*command, *options, kFlagFilter | kFlagProfile);
  command->callback([=, &invocation] { invocation.run = [=] { return ListWorkloads(*options); }; });
}

}  // namespace layermark
