#include "cli/gate_session.h"

#include <fmt/core.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "bench/gate/gate.h"
#include "cli/certify.h"
#include "cli/commands.h"
#include "cli/gate_text.h"
#include "cli/new_record.h"
#include "cli/session.h"
#include "cli/terminal_progress.h"
#include "cli/unprivileged.h"
#include "core/sys/namespaces.h"
#include "drivers/registry.h"
#include "results/export_gate.h"
#include "results/export_junit.h"
#include "scenario/environment.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

struct Checked {
  std::vector<InstanceSpec> instances;  // A, B
  std::vector<BackingSpec> backings;
  std::vector<WorkloadChoice> choices;
  std::optional<ImageSource> image;
  double budget_seconds = 0;
  std::string out;
  std::string restriction;  // what the caller, who is not root, may not do; empty for root
};

Result<Checked> Check(const GateCommand& command) {
  const CommonOptions& o = command.options;
  Checked checked;
  std::vector<std::string> sides = command.sides;
  if (command.certify) {
    if (command.state.empty()) return InvalidArgument("--certify needs --state DIR");
    if (sides.empty()) sides = {"overlay2"};
    if (sides.size() == 1) sides.push_back(sides[0]);
    if (sides[0] != sides[1]) return InvalidArgument("--certify: A and B are one instance");
  } else if (sides.size() != 2) {
    return InvalidArgument("gate needs two instances, A and B");
  }
  for (const std::string& side : sides) {
    LM_ASSIGN(InstanceSpec instance, ParseInstance(side));
    LM_ASSIGN(BackingSpec backing, BackingFor(o, instance));
    checked.instances.push_back(std::move(instance));
    checked.backings.push_back(std::move(backing));
  }
  if (!o.budget.empty()) {
    LM_ASSIGN(checked.budget_seconds, ParseDuration(o.budget));
  }
  for (const std::string& filter : o.filters) {
    if (GatedChoices({filter}).empty())
      return InvalidArgument(fmt::format("--filter {}: matches no gated workload", filter));
  }
  checked.choices = GatedChoices(o.filters);
  LM_ASSIGN(checked.image, OpenRunImage(o));
  if (!o.out.empty()) checked.out = std::filesystem::absolute(o.out).lexically_normal().string();
  return checked;
}

// Without root: a user namespace of our own, and a backing that needs no loop device.
Status BeAbleToMount(const GateCommand& command, Checked& checked) {
  LM_ASSIGN(const Restriction restriction, BecomeAbleToMount());
  if (!restriction) return Status::Ok();
  checked.restriction = restriction.text;
  LM_ASSIGN(const BackingSpec in_memory, ParseBacking("tmpfs", "ram"));
  return WithoutLoopDevices(command.options, in_memory, checked.backings);
}

Status EnterWorkspace(const GateCommand& command, const Checked& checked) {
  std::vector<std::string> needed = {std::filesystem::current_path().string()};
  if (!checked.out.empty()) needed.push_back(checked.out);
  if (!command.state.empty()) needed.push_back(std::filesystem::absolute(command.state).string());
  for (const BackingSpec& backing : checked.backings) {
    if (!backing.directory.empty()) needed.push_back(backing.directory);
  }
  for (const InstanceSpec& instance : checked.instances) {
    const std::vector<std::string> named = instance.driver->NeededPaths(instance.options);
    needed.insert(needed.end(), named.begin(), named.end());
  }
  LM_TRY(CreateWorkspace(needed, RamBudgetBytes()));
  SetDiskDirectory(checked.out.empty() ? std::filesystem::temp_directory_path().string() : checked.out);
  return Status::Ok();
}

GateOptions OptionsFor(const GateCommand& command, const Checked& checked) {
  GateOptions options;
  options.bench.profile = command.options.profile;
  options.bench.seed = command.options.seed;
  options.bench.image = &*checked.image;
  const bool one_driver = checked.instances[0].driver == checked.instances[1].driver;
  const std::string rule = command.counts.empty() ? (one_driver ? "equal" : "show") : command.counts;
  options.counts = rule == "no-worse" ? CountRule::kNoWorse
                   : rule == "show"   ? CountRule::kShow
                                      : CountRule::kEqual;
  options.timing = command.tier == "all";
  options.keep_going = command.keep_going;
  options.budget_seconds = checked.budget_seconds;
  options.restriction = checked.restriction;
  return options;
}

// What a reader must know, and how long it took.
void Notes(const GateResult& result, Record& record) {
  record.warnings.insert(record.warnings.end(), result.notes.begin(), result.notes.end());
  record.environment.numbers["gate_counts_seconds"] = result.counts_seconds;
  record.environment.numbers["gate_timing_seconds"] = result.timing_seconds;
}

int Inside(const GateCommand& command, const Checked& checked) {
  InstallInterruptHandler();
  if (Status s = EnterWorkspace(command, checked); !s.ok()) return UsageError(s);
  Record record = BeginRecord(command.command, command.options.seed, command.options.profile);
  record.environment = CollectEnvironment();
  if (!checked.restriction.empty()) record.environment.text["privilege"] = checked.restriction;
  record.warnings = EnvironmentWarnings(record.environment);
  record.image_name = checked.image->name();
  record.image_digest = checked.image->digest();
  std::vector<GateSide> sides;
  for (size_t i = 0; i < 2; ++i) {
    const bool same = i == 1 && checked.instances[0].name() == checked.instances[1].name();
    sides.push_back(same ? sides[0] : GateSide{Examine(checked.instances[i], checked.backings[i]), 0});
    const ExaminedInstance& e = sides.back().instance;
    if (!same) record.drivers.push_back(e.row());
    if (!e.available) return UsageError(fmt::format("{} cannot run here: {}", e.instance.name(), e.reason));
  }
  sides[1].slowdown = command.plant / 100;
  TerminalProgress progress;
  const GateOptions options = OptionsFor(command, checked);
  if (command.certify) return Certify(command, sides[0], checked.choices, options, record, progress);
  const auto began = std::chrono::steady_clock::now();
  GateResult result = RunGate(sides[0], sides[1], checked.choices, options, progress);
  Notes(result, record);
  record.gate = std::move(result.rows);
  record.environment.numbers["load_after"] = LoadAverage();
  record.run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  record.complete = !Interrupted();
  int exit = GateExit(GateVerdictOf(record.gate), command.inconclusive);
  if (Interrupted()) exit = WorseExit(exit, kExitInterrupted);
  if (!checked.out.empty()) {
    Status s = WriteRecord(checked.out, record, {});
    if (s.ok()) s = WriteFile(checked.out + "/gate.md", ExportGateMarkdown(record));
    if (s.ok()) s = WriteFile(checked.out + "/junit.xml", ExportJunit(record));
    if (!s.ok()) return UsageError(s);
  }
  PrintGate(record, command.options.format);
  return exit;
}

}  // namespace

int GateExit(const std::string& verdict, const std::string& inconclusive) {
  if (verdict == "regressed") return kExitFinding;
  if (verdict == "pass") return kExitPass;
  return inconclusive == "pass" ? kExitPass : inconclusive == "fail" ? kExitFinding : kExitInconclusive;
}

int RunGateSession(const GateCommand& command) {
  Result<Checked> checked = Check(command);
  if (!checked.ok()) return UsageError(checked.status());
  if (Status s = BeAbleToMount(command, *checked); !s.ok()) return UsageError(s);
  for (const std::string& directory : {checked->out, command.state}) {
    if (directory.empty()) continue;
    if (Status s = MakeDirs(directory); !s.ok()) return UsageError(s);
  }
  Result<int> exit = RunIsolated(IsolationFor(checked->instances), [&] { return Inside(command, *checked); });
  if (!exit.ok()) return UsageError(exit.status());
  if (*exit > 128 && *exit != kExitInterrupted) {
    fmt::print(stderr, "layermark: the working process was killed by signal {}\n", *exit - 128);
    return kExitFinding;
  }
  return *exit;
}

}  // namespace layermark
