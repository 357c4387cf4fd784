// serve: a driver as a containerd proxy snapshotter. clean: remove what runs left with a daemon.
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/session.h"
#include "core/sys/fd.h"
#include "core/sys/namespaces.h"
#include "core/sys/temp_tree.h"
#include "drivers/registry.h"
#include "drivers/rpc/server.h"

namespace layermark {
namespace {

struct ServeOptions {
  std::string driver;
  std::string address;
  std::string root = "layermark-store";
};

// Tries the driver in a world of its own, so that the host sees no mount of it.
Status TryDriver(const InstanceSpec& instance, const std::string& root) {
  LM_ASSIGN(TempTree scratch, TempTree::Create(root, "probe"));
  LM_ASSIGN(const int exit, RunIsolated({}, [&] {
              const Status probed = instance.driver->Probe(instance.options, scratch.path());
              if (!probed.ok()) fmt::print(stderr, "layermark: {}: {}\n", instance.name(), probed.message());
              return probed.ok() ? kExitPass : kExitUsage;
            }));
  if (exit == kExitPass) return Status::Ok();
  return FailedPrecondition(fmt::format("{} cannot keep its snapshots in {}", instance.name(), root));
}

int Serve(const ServeOptions& options) {
  Result<InstanceSpec> instance = ParseInstance(options.driver);
  if (!instance.ok()) return UsageError(instance.status());
  const std::string root = std::filesystem::absolute(options.root).lexically_normal().string();
  const std::string socket = std::filesystem::absolute(options.address).lexically_normal().string();
  // containerd joins options with commas and layers with colons.
  if (root.find_first_of(",:\\") != std::string::npos)
    return UsageError(
        fmt::format("--root {}: no comma, colon or backslash, which mount options give a "
                    "meaning of their own",
                    root));
  if (geteuid() != 0) return UsageError("serve needs root: containerd mounts what a driver names; use sudo");
  if (Status made = MakeDirs(root, 0711); !made.ok()) return UsageError(made.WithContext("--root"));
  if (Status tried = TryDriver(*instance, root); !tried.ok()) return UsageError(tried);

  // Before gRPC starts its threads, which inherit the mask.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
  sigprocmask(SIG_BLOCK, &ends, nullptr);

  auto store = instance->driver->Open(instance->options, root);
  if (!store.ok()) return UsageError(store.status());
  auto server = SnapshotsServer::Listen(**store, socket);
  if (!server.ok()) return UsageError(server.status());
  fmt::print("layermark: serving {} at {}, snapshots in {}\n", instance->name(), socket, root);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  (*server)->Stop();
  if (Status closed = (*store)->Close(); !closed.ok()) return UsageError(closed);
  return kExitPass;
}

int Clean(const CommonOptions& options) {
  if (options.drivers.empty())
    return UsageError("clean needs --driver: whose daemon, such as --driver containerd:address=SOCK");
  Result<std::vector<InstanceSpec>> instances = InstancesFor(options);
  if (!instances.ok()) return UsageError(instances.status());
  int exit = kExitPass;
  for (const InstanceSpec& instance : *instances) {
    Result<std::vector<std::string>> swept = instance.driver->Sweep(instance.options);
    if (!swept.ok()) {
      exit = UsageError(swept.status());
      continue;
    }
    for (const std::string& what : *swept) fmt::print("{}: removed {}\n", instance.name(), what);
    fmt::print("{}: {} removed\n", instance.name(), swept->size());
  }
  return exit;
}

}  // namespace

void AddServeCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("serve", "offer a driver to containerd as a proxy snapshotter");
  command->footer(
      "In containerd's configuration:\n"
      "  [proxy_plugins.layermark]\n"
      "    type = \"snapshot\"\n"
      "    address = \"SOCK\"\n"
      "It answers until SIGTERM or SIGINT. Every snapshot is on disk before its call is answered, so that a\n"
      "server that is killed and started again has all that was committed.");
  auto options = std::make_shared<ServeOptions>();
  command->add_option("DRIVER", options->driver, "NAME[:k=v[,k=v]...], as for --driver")->required();
  command->add_option("--address", options->address, "the Unix socket to listen at")
      ->type_name("SOCK")
      ->required();
  command->add_option("--root", options->root, "where the snapshots are kept")
      ->type_name("DIR")
      ->capture_default_str();
  command->callback([=, &invocation] { invocation.run = [=] { return Serve(*options); }; });
}

void AddCleanCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("clean", "remove what runs that were killed left with an external daemon");
  auto options = std::make_shared<CommonOptions>();
  AddCommonFlags(*command, *options, kFlagDriver);
  command->footer("What a run that still goes on uses stays. Of the drivers containerd has such a daemon.");
  command->callback([=, &invocation] { invocation.run = [=] { return Clean(*options); }; });
}

}  // namespace layermark
