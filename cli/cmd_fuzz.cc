// fuzz and replay: random differential testing, and one saved program again.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/terminal_progress.h"
#include "conformance/fuzz/calls.h"
#include "conformance/fuzz/fuzz.h"
#include "conformance/fuzz/program_text.h"
#include "core/sys/fd.h"
#include "core/sys/namespaces.h"
#include "scenario/examine.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

struct FuzzPlan {
  CommonOptions options;
  size_t steps = 120;
  std::string file;       // of replay
  std::string c_program;  // of replay: where to write it
  std::string command;
};

struct Checked {
  InstanceSpec instance;
  BackingSpec backing;
  FuzzOptions fuzz;
  FuzzProgram program;
  std::string calls;      // instead of it
  std::string wanted;     // the signature at the head of the file
  std::string out;        // absolute; empty: nothing is saved
  std::string c_program;  // the same
};

Result<Checked> Check(FuzzPlan plan, bool replay) {
  Checked checked;
  std::string text;  // of the program to be replayed
  if (replay) {
    LM_ASSIGN(text, ReadFile(plan.file, size_t{64} << 20));
    const std::string named = InstanceNamedIn(text);
    if (plan.options.drivers.empty() && !named.empty()) plan.options.drivers = {named};
  }
  if (plan.options.drivers.empty())
    return InvalidArgument("--driver SPEC is missing: fuzzing is done on one instance");
  LM_ASSIGN(const std::vector<InstanceSpec> instances, InstancesFor(plan.options));
  if (instances.size() != 1) return InvalidArgument("--driver: one instance at a time");
  checked.instance = instances[0];
  if (plan.options.backing.empty()) {
    // A fresh file system in memory where the driver can work there: fuzzing is bound by the calls.
    checked.backing = DefaultBacking(checked.instance, plan.options.device);
    if (checked.backing.kind == "ext4") checked.backing.kind = "tmpfs";
  } else {
    LM_ASSIGN(checked.backing, BackingFor(plan.options, checked.instance));
  }
  checked.fuzz.seed = plan.options.seed;
  checked.fuzz.steps = plan.steps;
  if (!plan.options.budget.empty()) {
    LM_ASSIGN(checked.fuzz.budget_seconds, ParseDuration(plan.options.budget));
  }
  LM_ASSIGN(checked.fuzz.expected, LoadExpectedFailures(plan.options.expected));
  if (replay) {
    if (text.starts_with("# ")) checked.wanted = text.substr(2, text.find('\n') - 2);
    if (IsCallProgram(text)) {
      if (Status s = ParseCallProgram(text).status(); !s.ok()) return s.WithContext(plan.file);
      checked.calls = text;
    } else {
      Result<FuzzProgram> program = ParseFuzzProgram(text);
      if (!program.ok()) return program.status().WithContext(plan.file);
      checked.program = std::move(*program);
    }
  }
  if (!plan.options.out.empty()) {
    checked.out = std::filesystem::absolute(plan.options.out).lexically_normal().string();
  }
  if (!plan.c_program.empty()) {
    checked.c_program = std::filesystem::absolute(plan.c_program).lexically_normal().string();
  }
  return checked;
}

Status EnterWorkspace(const Checked& checked) {
  InstallInterruptHandler();
  std::vector<std::string> needed = {std::filesystem::current_path().string()};
  if (!checked.out.empty()) needed.push_back(checked.out);
  if (!checked.c_program.empty()) {
    needed.push_back(std::filesystem::path(checked.c_program).parent_path().string());
  }
  if (!checked.backing.directory.empty()) needed.push_back(checked.backing.directory);
  const std::vector<std::string> named = checked.instance.driver->NeededPaths(checked.instance.options);
  needed.insert(needed.end(), named.begin(), named.end());
  LM_TRY(CreateWorkspace(needed, RamBudgetBytes()));
  SetDiskDirectory(checked.out.empty() ? std::filesystem::temp_directory_path().string() : checked.out);
  return Status::Ok();
}

std::string FindingText(const FuzzFinding& finding) {
  return fmt::format("{}\n{}{}", finding.signature.ToText(), finding.detail, finding.Text());
}

Status Save(const Checked& checked, const FuzzPlan& plan, const FuzzFinding& finding) {
  const std::string base = checked.out + "/findings/" + finding.file_name();
  LM_TRY(MakeDirs(checked.out + "/findings"));
  std::string head =
      fmt::format("# {}\n# {} on {}; found by program {} of: {}\n", finding.signature.ToText(),
                  checked.instance.name(), checked.backing.name(), finding.index, plan.command);
  return WriteFile(base + ".fuzz", head + finding.Text());
}

// What stands at the head of the C program of a finding.
std::string CProgramOf(const ExaminedInstance& instance, const FuzzFinding& finding,
                       const UnionMount& mount) {
  const std::string comment = fmt::format("{}\nfound with {} {} on {}\n\n{}\n{}", finding.signature.ToText(),
                                          instance.instance.name(), instance.version, instance.backing.name(),
                                          finding.detail, finding.Text());
  return ToC(finding.program, mount, comment, finding.signature.seen.find("dirlinks") != std::string::npos);
}

// The findings by what they show, so that one bug seen through many operations is read once.
std::string Grouped(const std::vector<FuzzFinding>& findings) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const FuzzFinding& finding : findings) {
    const Signature& s = finding.signature;
    groups[s.Group()].push_back(
        fmt::format("{} {} ({} steps)", s.operation, s.target.origin, finding.steps()));
  }
  std::string text;
  for (const auto& [group, ways] : groups) {
    text += fmt::format("finding {}\n   ", group);
    for (size_t i = 0; i < ways.size(); ++i) text += (i == 0 ? " by " : ", ") + ways[i];
    text += "\n";
  }
  return text + fmt::format("{} findings in {} groups\n", findings.size(), groups.size());
}

std::string MedianSteps(const std::vector<FuzzFinding>& findings) {
  if (findings.empty()) return "";
  std::vector<size_t> steps;
  for (const FuzzFinding& finding : findings) steps.push_back(finding.steps());
  std::sort(steps.begin(), steps.end());
  return fmt::format("median length of a finding's program: {} steps\n", steps[steps.size() / 2]);
}

int FuzzInside(const FuzzPlan& plan, const Checked& checked) {
  if (Status s = EnterWorkspace(checked); !s.ok()) return UsageError(s);
  const ExaminedInstance instance = Examine(checked.instance, checked.backing);
  if (!instance.available)
    return UsageError(instance.instance.name() + " cannot run here: " + instance.reason);
  TerminalProgress progress;
  Status saved;
  Result<FuzzResult> result = Fuzz(instance, checked.fuzz, progress, [&](const FuzzFinding& finding) {
    progress.Note("finding " + FindingText(finding));
    if (!checked.out.empty() && saved.ok()) saved = Save(checked, plan, finding);
  });
  if (!result.ok()) return UsageError(result.status());
  if (!saved.ok()) return UsageError(saved);
  fmt::print(
      "{} on {}, seed {}: {} programs, {} steps, {:.0f} steps/s ({:.1f} s, and {:.1f} s of shrinking), {} "
      "calls\n",
      instance.instance.name(), instance.backing.name(), checked.fuzz.seed, result->programs, result->steps,
      static_cast<double>(result->steps) / std::max(result->seconds, 0.001), result->seconds,
      result->shrink_seconds, result->calls);
  fmt::print("how often each operation met an object of each origin:\n{}", result->coverage.ToText());
  for (const auto& [cause, count] : result->accepted) fmt::print("accepted {} times: {}\n", count, cause);
  fmt::print("{}{}", Grouped(result->findings), MedianSteps(result->findings));
  if (!checked.out.empty()) {
    for (const FuzzFinding& finding : result->findings) {
      if (!finding.calls.empty()) continue;  // there is nothing to call outside
      const std::string file = checked.out + "/findings/" + finding.file_name() + ".c";
      if (Status s = WriteFile(file, CProgramOf(instance, finding, result->mount)); !s.ok())
        return UsageError(s);
    }
    if (!result->findings.empty())
      fmt::print("programs are in {}/findings: replay FILE.fuzz, or cc FILE.c\n", checked.out);
  }
  if (result->interrupted) return kExitInterrupted;
  return result->findings.empty() ? kExitPass : kExitFinding;
}

int ReplayInside(const Checked& checked) {
  if (Status s = EnterWorkspace(checked); !s.ok()) return UsageError(s);
  const ExaminedInstance instance = Examine(checked.instance, checked.backing);
  if (!instance.available)
    return UsageError(instance.instance.name() + " cannot run here: " + instance.reason);
  const Result<ReplayResult> replay =
      checked.calls.empty() ? Replay(instance, checked.program, checked.fuzz.expected, checked.wanted)
                            : ReplayCalls(instance, checked.calls, checked.fuzz.expected);
  if (Interrupted()) return kExitInterrupted;
  if (!replay.ok()) return UsageError(replay.status());
  if (!replay->differs) {
    fmt::print("{} on {}: no difference\n", instance.instance.name(), instance.backing.name());
    return kExitPass;
  }
  const FuzzFinding& finding = replay->finding;
  if (!checked.c_program.empty() && finding.calls.empty()) {
    const Status s = WriteFile(checked.c_program, CProgramOf(instance, finding, replay->mount));
    if (!s.ok()) return UsageError(s);
  }
  fmt::print("{}\n{}", finding.signature.ToText(), finding.detail);
  if (finding.calls.empty() && finding.index < finding.program.steps.size()) {
    fmt::print("at step {}: {}\n", finding.index + 1, ToText(finding.program.steps[finding.index]));
  }
  if (replay->accepted) fmt::print("accepted: {}\n", replay->cause);
  return replay->accepted ? kExitPass : kExitFinding;
}

int RunFuzz(const FuzzPlan& plan, bool replay) {
  Result<Checked> checked = Check(plan, replay);
  if (!checked.ok()) return UsageError(checked.status());
  if (geteuid() != 0) return UsageError("fuzzing needs root: mounts, device nodes and namespaces; use sudo");
  Result<int> exit = RunIsolated(IsolationFor({checked->instance}), [&] {
    return replay ? ReplayInside(*checked) : FuzzInside(plan, *checked);
  });
  if (!exit.ok()) return UsageError(exit.status());
  if (*exit > 128 && *exit != kExitInterrupted) {
    fmt::print(stderr, "layermark: the working process was killed by signal {}\n", *exit - 128);
    return kExitFinding;
  }
  return *exit;
}

}  // namespace

void AddFuzzCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "fuzz", "random differential testing: a driver's mount against an ordinary directory");
  auto plan = std::make_shared<FuzzPlan>();
  AddCommonFlags(*command, plan->options,
                 kFlagDriver | kFlagBacking | kFlagBudget | kFlagSeed | kFlagOut | kFlagExpected);
  command->get_option("--driver")->description("NAME[:k=v[,k=v]...]: the instance");
  command->get_option("--budget")->description("how long, such as 90s or 10m; default: 30s");
  command->get_option("--seed")->description("seed of the programs");
  command->get_option("--out")->description("directory in which findings/ holds a program for each finding");
  command->add_option("--steps", plan->steps, "steps of one program")
      ->check(CLI::Range(size_t{1}, kMaxFuzzSteps / 2))
      ->capture_default_str();
  command->callback([plan, &invocation] {
    invocation.run = [plan, &invocation] {
      plan->command = invocation.command;
      return RunFuzz(*plan, false);
    };
  });
}

void AddReplayCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("replay", "run a program that fuzz saved once more");
  auto plan = std::make_shared<FuzzPlan>();
  command->add_option("--c-program", plan->c_program,
                      "write it as a C program of plain system calls, if it differs");
  command->add_option("FILE", plan->file, "findings/NAME.fuzz")->required();
  AddCommonFlags(*command, plan->options, kFlagDriver | kFlagBacking | kFlagExpected);
  command->get_option("--driver")
      ->description("NAME[:k=v[,k=v]...]: the instance; default: the one that FILE names in its second line");
  command->callback([plan, &invocation] { invocation.run = [plan] { return RunFuzz(*plan, true); }; });
}

}  // namespace layermark
