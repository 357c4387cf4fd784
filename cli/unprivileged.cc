#include "cli/unprivileged.h"

#include <fmt/core.h>

#include "core/sys/user_namespace.h"

namespace layermark {

Result<Restriction> BecomeAbleToMount() {
  if (MayMount() && !InUserNamespace()) return Restriction{};
  if (!MayMount()) {
    if (const Status entered = EnterUserNamespace(); !entered.ok()) {
      return FailedPrecondition(
          fmt::format("drivers mount file systems: run it as root, or where user namespaces are allowed ({})",
                      entered.ToString()));
    }
    if (!MayMount())
      return FailedPrecondition("drivers mount file systems: run it as root (a user namespace did not help)");
  }
  const int64_t owners = MappedOwners();
  return Restriction{
      owners > 1
          ? fmt::format("in a user namespace with {} owners of files; no loop devices and no device nodes",
                        owners)
          : "in a user namespace with one owner of files (newuidmap or newgidmap is missing or was refused, "
            "or "
            "/etc/subuid and /etc/subgid have no entry); no loop devices and no device nodes"};
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
                                    std::vector<BackingSpec>& backings) {
  LM_ASSIGN(Restriction restriction, BecomeAbleToMount());
  if (!restriction) return restriction;
  LM_ASSIGN(BackingSpec instead, ParseBacking("tmpfs", "ram"));
  if (!directory.empty()) {  // it may still have to be made
    instead.kind = "dir";
    instead.directory = directory;
    instead.device = "disk";
  }
  LM_TRY(WithoutLoopDevices(options, instead, backings));
  return restriction;
}

}  // namespace layermark
