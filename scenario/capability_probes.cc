#include "scenario/capability_probes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utility>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr CapabilityProbe kProbes[] = {
#define CAPABILITY(name, group, sentence, probe) probe,
#include "core/capabilities.def"
#undef CAPABILITY
};

// A snapshot mounted for the length of a scope.
struct Probed {
  std::vector<Mount> mounts;
  Mounted mounted;
  Fd root;
};

Result<Probed> MountSnapshot(Snapshotter& snapshotter, const std::string& key, const std::string& parent,
                             const std::string& target) {
  Probed probed;
  LM_ASSIGN(probed.mounts, snapshotter.Prepare(key, parent));
  LM_ASSIGN(probed.mounted, MountAll(probed.mounts, target));
  LM_ASSIGN(probed.root, Open(target, O_RDONLY | O_DIRECTORY));
  return probed;
}

Status Unmount(Probed& probed) {
  probed.root = Fd();
  return probed.mounted.Unmount();
}

Result<std::vector<CapabilityVerdict>> ProbeStore(const InstanceSpec& instance, const Backing& backing,
                                                  Snapshotter& snapshotter, const std::string& store,
                                                  const std::string& target) {
  LM_ASSIGN(const Declaration declared,
            instance.driver->Declare(instance.options, backing.file_system(), store));
  ProbeContext context;
  {
    LM_ASSIGN(Probed base, MountSnapshot(snapshotter, "base-key", "", target));
    LM_TRY(ApplyLayer(ProbeLayer(), base.root.get()));
    context.device_layer = ApplyLayer(ProbeDeviceLayer(), base.root.get());
    LM_TRY(Unmount(base));
  }
  LM_TRY(snapshotter.Commit("base", "base-key"));
  LM_ASSIGN(Probed probed, MountSnapshot(snapshotter, "probe", "base", target));
  context.mount_fd = probed.root.get();
  context.mounts = probed.mounts;
  context.mounted = &probed.mounted;
  context.backing_path = backing.path();

  std::vector<CapabilityVerdict> verdicts;
  for (const CapabilityRow& row : AllCapabilities()) {
    if (row.group == CapabilityGroup::kPrivilege) continue;
    CapabilityVerdict verdict;
    verdict.id = row.id;
    verdict.declared = declared.capabilities.Has(row.id);
    verdict.must_declare = declared.complete;
    CapabilityProbe probe = ProbeOf(row.id);
    verdict.has_probe = probe != nullptr;
    if (probe != nullptr) verdict.probe = probe(context);
    verdict.probed = verdict.has_probe && verdict.probe.ok();
    verdicts.push_back(std::move(verdict));
  }
  LM_TRY(Unmount(probed));
  return verdicts;
}

}  // namespace

CapabilityProbe ProbeOf(Capability capability) {
  return kProbes[static_cast<size_t>(capability)];
}

Layer ProbeLayer() {
  return Layer()
      .File("lower_file", "lower\n")
      .Link("lower_link", "lower_file")
      .File("lower_inode", "lower\n")
      .File("lower_handle", "lower\n")
      .File("lower_untouched", "lower\n")
      .Dir("lower_dir")
      .File("lower_dir/inside", "inside\n");
}

Layer ProbeDeviceLayer() {
  return Layer().Mknod("lower_null", S_IFCHR | 0666, makedev(1, 3));
}

Result<std::vector<CapabilityVerdict>> ProbeCapabilities(const InstanceSpec& instance, Backing& backing) {
  LM_ASSIGN(std::string home, backing.NewDirectory("capabilities"));
  std::string target = home + "/mount", store = home + "/store";
  LM_TRY(MakeDirs(target));
  LM_TRY(MakeDirs(store));
  LM_ASSIGN(std::unique_ptr<Snapshotter> snapshotter, instance.driver->Open(instance.options, store));
  Result<std::vector<CapabilityVerdict>> verdicts =
      ProbeStore(instance, backing, *snapshotter, store, target);
  // After a failure, too; what is missing then is no further news.
  Status removed;
  for (const char* key : {"probe", "base-key", "base"}) {
    Status status = snapshotter->Remove(key);
    if (!status.ok() && status.code() != Code::kNotFound && removed.ok()) removed = status;
  }
  Status cleaned = snapshotter->Cleanup();
  if (removed.ok() && !cleaned.ok() && cleaned.code() != Code::kUnimplemented) removed = cleaned;
  Status closed = snapshotter->Close();
  if (closed.ok()) closed = instance.driver->Forget(instance.options, store);
  Status gone = RemoveTree(home);
  if (!verdicts.ok()) return verdicts;
  LM_TRY(removed);
  LM_TRY(closed);
  LM_TRY(gone);
  return verdicts;
}

Status ProbePrivilege(Capability capability) {
  const CapabilityRow& row = Row(capability);
  CapabilityProbe probe = ProbeOf(capability);
  if (row.group != CapabilityGroup::kPrivilege || probe == nullptr) {
    return InvalidArgument(std::string(row.name) + " is no privilege that can be probed");
  }
  const std::string& parent = WorkspacePath().empty() ? DiskDirectory() : WorkspacePath();
  LM_ASSIGN(TempTree scratch, TempTree::Create(parent, "layermark-privilege"));
  ProbeContext context;
  context.backing_path = scratch.path();
  return probe(context);
}

}  // namespace layermark
