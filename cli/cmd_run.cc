// run, check, bench: the main job and its halves.
#include <memory>

#include "cli/commands.h"
#include "cli/session.h"

namespace layermark {
namespace {

constexpr unsigned kSelection = kFlagDriver | kFlagFilter | kFlagBacking | kFlagImage | kFlagSeed |
                                kFlagShard | kFlagOut | kFlagFormat | kFlagExpected | kFlagBisect;

void AddSession(CLI::App& app, Invocation& invocation, const char* name, const char* sentence, unsigned flags,
                const SessionPlan& defaults) {
  CLI::App* command = app.add_subcommand(name, sentence);
  auto plan = std::make_shared<SessionPlan>(defaults);
  AddCommonFlags(*command, plan->options, flags);
  if (!defaults.default_out.empty()) {
    command->footer("Without --out the record goes to " + defaults.default_out + "/.");
  }
  command->callback([plan, &invocation] {
    invocation.run = [plan, &invocation] {
      plan->command = invocation.command;
      plan->benchmark_arguments = invocation.benchmark_arguments;
      const int status = RunSession(*plan);
      return plan->options.bisect ? BisectExit(status) : status;
    };
  });
}

}  // namespace

void AddRunCommand(CLI::App& app, Invocation& invocation) {
  SessionPlan plan;
  plan.report = true;
  plan.whole_seconds = 270;  // with the report five minutes
  plan.default_out = "layermark-out";
  AddSession(app, invocation, "run",
             "the main job: conformance and workloads on the drivers of short runs, then the report",
             kSelection | kFlagProfile | kFlagBudget | kFlagJobs, plan);
}

void AddCheckCommand(CLI::App& app, Invocation& invocation) {
  SessionPlan plan;
  plan.workloads = false;
  AddSession(app, invocation, "check", "conformance: is each driver right",
             kSelection | kFlagJobs | kFlagProfile, plan);
}

void AddBenchCommand(CLI::App& app, Invocation& invocation) {
  SessionPlan plan;
  plan.conformance = false;
  AddSession(app, invocation, "bench",
             "workloads: what each driver costs; --benchmark_* flags go to Google Benchmark",
             kSelection | kFlagProfile | kFlagBudget, plan);
}

}  // namespace layermark
