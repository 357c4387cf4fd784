// drivers: what can run here, what each can do, and why not.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/unprivileged.h"
#include "core/sys/namespaces.h"
#include "drivers/registry.h"
#include "scenario/examine.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

struct DriversOptions {
  CommonOptions common;
  bool list = false, why = false, markdown = false;
};

int ListOnly() {
  Table table({"driver", "what it is", "default backing", "options"});
  for (const Driver* d : AllDrivers()) {
    std::string options;
    for (const OptionRow& row : d->options()) options += (options.empty() ? "" : " ") + row.name;
    table.Add({d->name(), d->summary(), d->default_backing(), options});
  }
  fmt::print("{}", table.Text());
  return kExitPass;
}

std::string Joined(const std::vector<Capability>& list) {
  std::string text;
  for (Capability c : list) text += fmt::format("{}{}", text.empty() ? "" : " ", Row(c).name);
  return text;
}

void Print(const std::vector<ExaminedInstance>& examined) {
  Table table({"driver", "backing", "short runs", "runs here", "version", "capabilities, or why not"});
  for (const ExaminedInstance& e : examined) {
    std::vector<Capability> has;
    for (const CapabilityRow& row : AllCapabilities()) {
      if (e.Has(row.id)) has.push_back(row.id);
    }
    table.Add({e.instance.name(), e.backing.name(), e.instance.driver->in_short_runs() ? "yes" : "no",
               e.available ? "yes" : "no", e.version, e.reason.empty() ? Joined(has) : e.reason});
  }
  fmt::print("{}", table.Text());
}

void PrintWhy(const std::vector<ExaminedInstance>& examined) {
  Table table({"driver", "capability", "declared", "probe"});
  for (const ExaminedInstance& e : examined) {
    if (!e.available) continue;
    for (const CapabilityRow& row : AllCapabilities()) {
      if (row.group == CapabilityGroup::kPrivilege) continue;
      const auto why = e.missing.find(row.id);
      if (!e.declared.Has(row.id) && why == e.missing.end() && !e.probed.Has(row.id)) continue;
      table.Add({e.instance.name(), std::string(row.name), e.declared.Has(row.id) ? "yes" : "no",
                 why != e.missing.end() ? why->second : "works"});
    }
  }
  fmt::print("\n{}", table.Text());
}

// The README's table: drivers down, what each can do across.
void PrintMarkdown(const std::vector<ExaminedInstance>& examined) {
  static constexpr Capability kColumns[] = {
      Capability::shares_bytes, Capability::shares_inodes, Capability::shares_page_cache,
      Capability::layers_500,   Capability::xattr_trusted, Capability::acl,
      Capability::rename_dir,   Capability::reflink,       Capability::layer_stack};
  fmt::print("| driver | what it is | backing |");
  for (Capability c : kColumns) fmt::print(" {} |", Row(c).name);
  fmt::print("\n|---|---|---|");
  for (size_t i = 0; i < std::size(kColumns); ++i) fmt::print("---|");
  fmt::print("\n");
  for (const ExaminedInstance& e : examined) {
    // A driver that is not whole without an option depends on it in all that it can do.
    const bool whole = e.instance.WhatIsMissing().empty();
    fmt::print("| `{}{}` | {} | {} |", e.instance.name(), whole ? "" : ":...", e.instance.driver->summary(),
               e.backing.name());
    for (Capability c : kColumns) {
      fmt::print(" {} |", !whole ? "depends" : !e.available ? "?" : e.Has(c) ? "yes" : "-");
    }
    fmt::print("\n");
  }
}

int Examined(const DriversOptions& options) {
  if (options.list) return ListOnly();
  Result<std::vector<InstanceSpec>> instances = InstancesFor(options.common, true);
  if (!instances.ok()) return UsageError(instances.status());
  std::vector<BackingSpec> backings;
  for (const InstanceSpec& instance : *instances) {
    Result<BackingSpec> backing = BackingFor(options.common, instance);
    if (!backing.ok()) return UsageError(backing.status());
    backings.push_back(*backing);
  }
  const Result<Restriction> restriction = BecomeAbleToRun(options.common, "", backings);
  if (!restriction.ok()) return UsageError(restriction.status());
  if (*restriction) fmt::print(stderr, "{}\n", restriction->text);
  Result<int> exit = RunIsolated(IsolationFor(*instances), [&] {
    std::vector<std::string> needed = {std::filesystem::current_path().string()};
    for (const InstanceSpec& instance : *instances) {
      const std::vector<std::string> named = instance.driver->NeededPaths(instance.options);
      needed.insert(needed.end(), named.begin(), named.end());
    }
    if (Status s = CreateWorkspace(needed, RamBudgetBytes()); !s.ok()) {
      return UsageError(s);
    }
    SetDiskDirectory(std::filesystem::temp_directory_path().string());
    std::vector<ExaminedInstance> examined;
    for (size_t i = 0; i < instances->size(); ++i) examined.push_back(Examine((*instances)[i], backings[i]));
    if (options.markdown) {
      PrintMarkdown(examined);
    } else {
      Print(examined);
      if (options.why) PrintWhy(examined);
    }
    std::fflush(stdout);
    for (const ExaminedInstance& e : examined) {
      if (!e.available && IsNamed(options.common, e.instance)) return kExitUsage;
    }
    return kExitPass;
  });
  return exit.ok() ? *exit : UsageError(exit.status());
}

}  // namespace

void AddDriversCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("drivers", "which drivers can run here, what each can do, and why not");
  auto options = std::make_shared<DriversOptions>();
  AddCommonFlags(*command, options->common, kFlagDriver | kFlagBacking);
  command->add_flag("--list", options->list, "only names and options, probing nothing (needs no root)");
  command->add_flag("--why", options->why, "every probe's outcome: call and errno");
  command->add_flag("--markdown", options->markdown, "the table of the README");
  command->callback([=, &invocation] { invocation.run = [=] { return Examined(*options); }; });
}

}  // namespace layermark
