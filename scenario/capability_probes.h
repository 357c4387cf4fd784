// Probes: each capability that can be tried is tried, and the answer is held against what the driver
// declares.
//
// The functions are those that core/capabilities.def names; the table that joins them to capabilities is
// generated from it, so that a new row with an existing probe, or with kDeclared, needs no edit here. Every
// failure names the call and its errno, so that it can stand as the reason of a skip. Threads:
// single-threaded (some fork).
#ifndef LAYERMARK_SCENARIO_CAPABILITY_PROBES_H_
#define LAYERMARK_SCENARIO_CAPABILITY_PROBES_H_

#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"
#include "core/sys/mount.h"
#include "core/tree/layer.h"
#include "drivers/driver.h"
#include "scenario/backing.h"

namespace layermark {

// What a probe may use. Each probe keeps to objects of its own, so that they can share one snapshot in any
// order.
struct ProbeContext {
  int mount_fd = -1;          // root of a mounted active snapshot on a parent that holds ProbeLayer()
  std::vector<Mount> mounts;  // what was mounted
  const Mounted* mounted = nullptr;
  std::string backing_path;  // privilege probes: an empty scratch directory, and nothing else is set
  Status device_layer;       // how making ProbeDeviceLayer() in the parent went
};

using CapabilityProbe = Status (*)(const ProbeContext&);
inline constexpr CapabilityProbe kDeclared = nullptr;  // only the driver can know

// The layer below the probed snapshot; and the device nodes, apart because making them can fail.
Layer ProbeLayer();
Layer ProbeDeviceLayer();

Status ProbePrivMount(const ProbeContext& context);
Status ProbePrivMknod(const ProbeContext& context);
Status ProbePrivChown(const ProbeContext& context);
Status ProbePrivTrustedXattr(const ProbeContext& context);
Status ProbePrivLoop(const ProbeContext& context);
Status ProbePrivNamespaces(const ProbeContext& context);

Status ProbeXattrUser(const ProbeContext& context);
Status ProbeXattrTrusted(const ProbeContext& context);
Status ProbeXattrSecurity(const ProbeContext& context);
Status ProbeAcl(const ProbeContext& context);
Status ProbeRenameDir(const ProbeContext& context);
Status ProbeRenameExchange(const ProbeContext& context);
Status ProbeRenameNoreplace(const ProbeContext& context);
Status ProbeTmpfile(const ProbeContext& context);
Status ProbeFallocate(const ProbeContext& context);
Status ProbeSeekHole(const ProbeContext& context);
Status ProbeReflink(const ProbeContext& context);
Status ProbeDirectIo(const ProbeContext& context);
Status ProbeInodeFlags(const ProbeContext& context);
Status ProbeFileHandles(const ProbeContext& context);
Status ProbeLinkAcrossCopyUp(const ProbeContext& context);
Status ProbeConstantInode(const ProbeContext& context);
Status ProbeDevices(const ProbeContext& context);
Status ProbeUpperVisible(const ProbeContext& context);
Status ProbeFuseDaemon(const ProbeContext& context);

// nullptr for kDeclared.
CapabilityProbe ProbeOf(Capability capability);

struct CapabilityVerdict {
  Capability id;
  bool declared = false;
  bool must_declare = true;  // the driver's declaration is complete
  bool has_probe = false;
  bool probed = false;  // the probe succeeded
  Status probe;         // why it did not
  bool agrees() const { return !has_probe || declared == probed || (probed && !must_declare); }
};

// Every capability outside the group kPrivilege, in the order of the registry, tried on a snapshot in a fresh
// store on `backing`, which is cleaned up again. Errors: the store itself could not be made. Needs what
// mounting needs.
Result<std::vector<CapabilityVerdict>> ProbeCapabilities(const InstanceSpec& instance, Backing& backing);

// Tries a privilege, in a scratch directory of the workspace (of the disk directory where there is no
// workspace). REQUIRES: a capability of the group kPrivilege.
Status ProbePrivilege(Capability capability);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_CAPABILITY_PROBES_H_
