#include "bench/harness/container_runtime.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/process.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup";

std::string ConfigText(const std::string& root, const std::string& program) {
  nlohmann::json namespaces = nlohmann::json::array();
  for (const char* type : {"pid", "mount", "ipc", "uts", "network"}) namespaces.push_back({{"type", type}});
  const nlohmann::json config = {
      {"ociVersion", "1.0.0"},
      {"root", {{"path", root}}},
      {"process",
       {{"terminal", false},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"args", {program}},
        {"env", {"PATH=/"}},
        {"cwd", "/"}}},
      {"mounts", nlohmann::json::array({{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}}})},
      {"linux", {{"namespaces", namespaces}}}};
  return config.dump();
}

}  // namespace

Result<ContainerRuntime> ContainerRuntime::Create(const std::string& name) {
  ContainerRuntime runtime;
  const std::optional<std::string> path = FindProgram(name);
  if (!path) return NotFound("program " + name + " is not on PATH");
  runtime.name_ = name;
  runtime.path_ = *path;
  LM_TRY(MountFilesystem("cgroup2", "none", kCgroups, {}));
  LM_TRY(BindMount(kCgroups, kCgroups, false, true));
  LM_ASSIGN(runtime.bundle_, WorkspaceDirectory("bundle"));
  LM_ASSIGN(runtime.state_, WorkspaceDirectory("runtime"));
  return runtime;
}

Status ContainerRuntime::Run(const std::string& root, const std::string& program,
                             std::chrono::milliseconds deadline) {
  if (root != root_ || program != program_) {
    LM_TRY(WriteFile(bundle_ + "/config.json", ConfigText(root, program)));
    root_ = root;
    program_ = program;
  }
  std::vector<std::string> argv = {path_};
  if (name_ == "crun") argv.push_back("--cgroup-manager=disabled");
  if (name_ == "runc") argv.push_back("--rootless=true");
  const std::string id = "layermark" + std::to_string(next_++);
  for (const std::string& word :
       {std::string("--root"), state_, std::string("run"), std::string("--bundle"), bundle_, id})
    argv.push_back(word);
  CommandOptions options;
  options.deadline = deadline;
  return RunCommandOk(argv, options).status();
}

}  // namespace layermark
