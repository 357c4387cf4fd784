#include "cli/unprivileged.h"

#include <fmt/core.h>

#include "core/sys/user_namespace.h"

namespace layermark {

Result<Restriction> BecomeAbleToMount() {
  if (MayMount()) return Restriction{};
  const Result<int64_t> users = EnterUserNamespace();
  if (!users.ok()) {
    return FailedPrecondition(
        fmt::format("drivers mount file systems: run it as root, or where user namespaces are allowed ({})",
                    users.status().ToString()));
  }
  if (!MayMount())
    return FailedPrecondition("drivers mount file systems: run it as root (a user namespace did not help)");
  return Restriction{
      *users > 1
          ? fmt::format("not root: a user namespace with {} users; no loop devices and no device nodes",
                        *users)
          : "not root: a user namespace with one user (newuidmap, or an entry in /etc/subuid and "
            "/etc/subgid, is "
            "missing); no loop devices, no device nodes and no files of other owners"};
}

Status WithoutLoopDevices(const CommonOptions& options, const BackingSpec& instead,
                          std::vector<BackingSpec>& backings) {
  for (BackingSpec& backing : backings) {
    if (backing.kind == "tmpfs" || backing.kind == "dir") continue;
    if (!options.backing.empty())
      return FailedPrecondition(fmt::format("--backing {} needs root: loop devices", options.backing));
    backing = instead;
  }
  return Status::Ok();
}

Result<Restriction> BecomeAbleToRun(const CommonOptions& options, const std::string& directory,
                                    std::vector<InstanceSpec>& instances,
                                    std::vector<BackingSpec>& backings) {
  LM_ASSIGN(Restriction restriction, BecomeAbleToMount());
  if (!restriction) return restriction;
  BackingSpec instead;  // the directory may still have to be made
  instead.kind = "dir";
  instead.directory = directory;
  instead.device = "disk";
  LM_TRY(WithoutLoopDevices(options, instead, backings));
  for (InstanceSpec& instance : instances) {
    for (const auto& [key, value] : instance.driver->options_in_a_user_namespace())
      instance.options.emplace(key, value);
  }
  return restriction;
}

}  // namespace layermark
