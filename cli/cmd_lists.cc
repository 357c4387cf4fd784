// cases, workloads: what can be run.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/harness/engine.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/table.h"
#include "conformance/support/harness.h"
#include "conformance/support/sources.h"
#include "results/anchors.h"

namespace layermark {
namespace {

std::string NeedsText(const std::vector<Capability>& needs) {
  std::string text;
  for (Capability c : needs) text += fmt::format("{}{}", text.empty() ? "" : " ", Row(c).name);
  return text;
}

// All that is known of each case, for programs.
void PrintCasesJson(const std::vector<const Case*>& cases) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Case* c : cases) {
    const CaseInfo& info = c->info;
    nlohmann::ordered_json needs = nlohmann::ordered_json::array();
    for (const Capability need : info.needs) needs.push_back(Row(need).name);
    list.push_back({{"case", info.full_name()},
                    {"area", info.area},
                    {"claim", info.claim},
                    {"sources", SplitSources(info.source)},
                    {"needs", needs},
                    {"deadline_seconds", info.deadline_seconds}});
  }
  fmt::print("{}\n", list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

// An entry of three lines each: claims are sentences, which the columns of a table would break up.
// `one_line`: for programs, the name and the source with a tab between them.
int ListCases(const CommonOptions& options, bool one_line) {
  const std::vector<const Case*> cases = SelectCases(options.filters);
  if (cases.empty()) return UsageError(fmt::format("--filter {}: matches no case", options.filters.front()));
  if (options.format == "json") {
    PrintCasesJson(cases);
    return kExitPass;
  }
  for (const Case* c : cases) {
    const CaseInfo& info = c->info;
    if (one_line) {
      fmt::print("{}\t{}\n", info.full_name(), info.source);
      continue;
    }
    fmt::print("{}\n    {}\n    source: {}\n", info.full_name(), info.claim, info.source);
    if (!info.needs.empty()) fmt::print("    needs: {}\n", NeedsText(info.needs));
  }
  if (!one_line) fmt::print("\n{} cases\n", cases.size());
  return kExitPass;
}

// The published results that a workload is held against.
std::string AnchorsOf(const std::string& workload) {
  std::string ids;
  for (const Anchor& anchor : AllAnchors()) {
    if (anchor.workload == workload) ids += fmt::format("{}{}", ids.empty() ? "" : ",", anchor.id);
  }
  return ids;
}

// `one_line`: for programs, name, profiles, source and anchors with a tab between them.
int ListWorkloads(const CommonOptions& options, bool one_line) {
  Table table(
      {"workload", "runs in", "parameters (" + options.profile + ")", "operation", "raw twin", "from"});
  // All of them, also those that the profile leaves out.
  const std::vector<std::string> all = {"*"};
  const auto choices = SelectWorkloads(options.filters.empty() ? all : options.filters, options.profile);
  if (choices.empty())
    return UsageError(fmt::format("--filter {}: matches no workload", options.filters.front()));
  const WorkloadEntry* last = nullptr;
  for (const WorkloadChoice& choice : choices) {
    if (choice.entry == last) continue;
    last = choice.entry;
    if (one_line) {
      fmt::print("{}\t{}\t{}\t{}\n", last->info.name, ProfilesOf(last->info), last->info.source,
                 AnchorsOf(last->info.name));
      continue;
    }
    std::string params;
    for (const auto& [name, values] : last->info.params) {
      const std::vector<std::string>& chosen = ValuesOf(values, options.profile);
      params += fmt::format("{}{}=", params.empty() ? "" : " ", name);
      for (size_t i = 0; i < chosen.size(); ++i) params += (i == 0 ? "" : ",") + chosen[i];
    }
    table.Add({last->info.name, ProfilesOf(last->info), params, last->info.operation,
               last->info.raw_twin.empty() ? "none" : last->info.raw_twin, last->info.source});
  }
  if (!one_line) fmt::print("{}", table.Text(140));
  return kExitPass;
}

}  // namespace

void AddCasesCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("cases", "the conformance cases: what each claims, needs and comes from");
  auto options = std::make_shared<CommonOptions>();
  AddCommonFlags(*command, *options, kFlagFilter);
  auto one_line = std::make_shared<bool>(false);
  CLI::Option* list = command->add_flag("--list", *one_line, "one line each: the name, a tab, the source");
  command->add_option("--format", options->format, "text, or json: name, claim, sources and needs of each")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->excludes(list);
  auto sources = std::make_shared<bool>(false);
  command
      ->add_flag("--sources", *sources,
                 "Markdown: every source that the cases are held to, with the cases that cover it")
      ->excludes(list);
  command->callback([=, &invocation] {
    invocation.run = [=] {
      if (!*sources) return ListCases(*options, *one_line);
      fmt::print("{}", SourcesMarkdown(AllSources(), AllCases()));
      return static_cast<int>(kExitPass);
    };
  });
}

void AddWorkloadsCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("workloads", "the workloads: what each does, when it runs, and where it comes from");
  auto options = std::make_shared<CommonOptions>();
  AddCommonFlags(*command, *options, kFlagFilter | kFlagProfile);
  auto one_line = std::make_shared<bool>(false);
  command->add_flag("--list", *one_line, "one line each: name, profiles, source, anchors, with tabs between");
  command->callback(
      [=, &invocation] { invocation.run = [=] { return ListWorkloads(*options, *one_line); }; });
}

}  // namespace layermark
