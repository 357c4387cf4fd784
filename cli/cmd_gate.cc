// gate: is B slower than A, or does it do more?
#include <fmt/core.h>

#include <memory>

#include "cli/commands.h"
#include "cli/gate_session.h"
#include "cli/session.h"

namespace layermark {
namespace {

constexpr const char* kFooter =
    "A and B are driver SPECs, as of --driver: two drivers, two option sets, two programs\n"
    "(fuse_overlayfs:program=PATH, exec:command=PROG). B is judged against A. Exit status: 0 PASS (a "
    "slowdown\n"
    "of 5 % is excluded and the counts agree), 1 REGRESSED, 3 INCONCLUSIVE, 2 usage or environment.\n"
    "docs/gate.md tells how it decides and what its errors are.";

}  // namespace

void AddGateCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("gate", "two instances side by side: has B got worse than A?");
  auto gate = std::make_shared<GateCommand>();
  gate->options.profile = "smoke";
  command->add_option("SIDES", gate->sides, "A and B: NAME[:k=v[,k=v]...] each")
      ->type_name("A B")
      ->expected(0, 2);
  AddCommonFlags(*command, gate->options,
                 kFlagFilter | kFlagBacking | kFlagImage | kFlagBudget | kFlagSeed | kFlagOut | kFlagBisect);
  command->get_option("--filter")->description("only gated workloads and families that match; repeatable");
  command->get_option("--backing")
      ->description("ext4, xfs, btrfs, tmpfs or dir=PATH, for both; default: the driver's own, in memory");
  command->get_option("--budget")
      ->description("time for all of it, such as 90s or 5m; what is undecided then is INCONCLUSIVE");
  command->add_option("--format", gate->options.format, "what standard output carries")
      ->check(CLI::IsMember({"text", "json", "junit", "markdown"}))
      ->capture_default_str();
  command
      ->add_option("--inconclusive", gate->inconclusive,
                   "what INCONCLUSIVE ends with: pass (0) or fail (1); default: 3")
      ->check(CLI::IsMember({"pass", "fail"}));
  command
      ->add_option(
          "--counts", gate->counts,
          "counts must be equal; or no-worse: fewer is fine; or show: not judged. Default: equal, and show "
          "between two drivers")
      ->check(CLI::IsMember({"equal", "no-worse", "show"}));
  command->add_option("--tier", gate->tier, "all, or counts alone: exact, in seconds, without a clock")
      ->check(CLI::IsMember({"all", "counts"}))
      ->capture_default_str();
  command->add_flag("--keep-going", gate->keep_going, "time also what the counts have shown to be worse");
  command
      ->add_option("--plant", gate->plant,
                   "slow B down by so many per cent of each operation, to see it found")
      ->check(CLI::Range(0.0, 100.0));
  command->add_flag("--certify", gate->certify,
                    "run the gate on itself and write the certificate; A B: one instance, default overlay2");
  command
      ->add_option("--state", gate->state, "with --certify: where suites and blocks are kept, to go on from")
      ->type_name("DIR");
  command->add_option("--certificate", gate->certificate, "with --certify: also write the page here")
      ->type_name("FILE");
  command->footer(kFooter);
  command->callback([gate, &invocation] {
    invocation.run = [gate, &invocation] {
      gate->command = invocation.command;
      const int status = RunGateSession(*gate);
      return gate->options.bisect ? BisectExit(status) : status;
    };
  });
}

}  // namespace layermark
