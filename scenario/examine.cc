#include "scenario/examine.h"

#include <fmt/core.h>

#include <utility>

#include "core/skip_code.h"
#include "drivers/breach.h"
#include "scenario/capability_probes.h"
#include "scenario/examine_apart.h"
#include "scenario/worker.h"

namespace layermark {

Place ExaminedInstance::place() const {
  return {instance.driver->name(), instance.name(), backing.name(), backing.device};
}

DriverRow ExaminedInstance::row() const {
  DriverRow row;
  row.place = place();
  row.options = instance.options;
  row.available = available;
  row.reason = reason;
  row.version = version;
  row.summary = instance.driver->summary();
  row.inode_formula = inode_formula;
  for (const CapabilityRow& capability : AllCapabilities()) {
    if (available ? Has(capability.id) : declared.Has(capability.id)) {
      row.capabilities.emplace_back(capability.name);
    }
  }
  return row;
}

namespace {

// Tried once: what a process may do stays.
const std::vector<Capability>& Privileges() {
  static const std::vector<Capability> privileges = [] {
    std::vector<Capability> may;
    for (const CapabilityRow& row : AllCapabilities()) {
      if (row.group == CapabilityGroup::kPrivilege && ProbePrivilege(row.id).ok()) may.push_back(row.id);
    }
    return may;
  }();
  return privileges;
}

}  // namespace

DeviationContext ExaminedInstance::deviation_context() const {
  DeviationContext context;
  context.driver = instance.driver->name();
  context.options = instance.options;
  context.backing = backing.name();
  context.device = backing.device;
  context.version = version;
  context.features = probed;
  // What the caller may do counts as a feature too: some deviations are a user namespace's.
  for (Capability privilege : Privileges()) context.features.Add(privilege);
  return context;
}

std::optional<Lack> ExaminedInstance::WhyMissing(const std::vector<Capability>& needs) const {
  for (Capability c : needs) {
    const CapabilityRow& capability = Row(c);
    if (capability.group == CapabilityGroup::kPrivilege) {
      if (Status s = ProbePrivilege(c); !s.ok()) {
        return Lack{SkipCodeName(SkipCode::privilege_missing),
                    fmt::format("missing capability {}: {}", capability.name, s.message())};
      }
      continue;
    }
    if (Has(c)) continue;
    const auto why = missing.find(c);
    return Lack{SkipCodeName(SkipCode::capability_missing),
                fmt::format("missing capability {}: {}", capability.name,
                            why != missing.end() ? why->second : "the driver does not offer it")};
  }
  return std::nullopt;
}

BackingSpec DefaultBacking(const InstanceSpec& instance, const std::string& device) {
  BackingSpec spec;
  spec.kind = instance.driver->default_backing();
  spec.device = spec.kind == "tmpfs" ? "ram" : device;
  return spec;
}

ExaminedInstance Examine(const InstanceSpec& instance, const BackingSpec& backing_spec) {
  return instance.driver->keeps_threads() ? internal::ExamineApart(instance, backing_spec)
                                          : internal::ExamineHere(instance, backing_spec);
}

ExaminedInstance internal::ExamineHere(const InstanceSpec& instance, const BackingSpec& backing_spec) {
  ExaminedInstance examined;
  examined.instance = instance;
  examined.backing = backing_spec;
  examined.declared = instance.driver->capabilities(instance.options, backing_spec.name());
  examined.inode_formula = instance.driver->inode_formula(instance.options).explanation;
  if (Result<std::string> version = instance.driver->Version(instance.options); version.ok()) {
    examined.version = *version;
  }
  Result<Backing> backing = Backing::Create(backing_spec);
  if (!backing.ok()) {
    examined.reason = fmt::format("no {} backing: {}", backing_spec.name(), backing.status().message());
    return examined;
  }
  Result<std::string> directory = backing->NewDirectory("probe");
  if (!directory.ok()) {
    examined.reason = directory.status().message();
    return examined;
  }
  if (Status s = instance.driver->Probe(instance.options, *directory); !s.ok()) {
    examined.reason = s.message();
    return examined;
  }
  Result<Declaration> declared = instance.driver->Declare(instance.options, backing_spec.name(), *directory);
  if (declared.ok()) {
    examined.declared = declared->capabilities;
    examined.complete = declared->complete;
    examined.version = declared->version;
    examined.inode_formula = declared->inode_formula.explanation;
  }
  Result<std::vector<CapabilityVerdict>> verdicts =
      declared.ok() ? ProbeCapabilities(instance, *backing)
                    : Result<std::vector<CapabilityVerdict>>(declared.status());
  (void)TakeBreach();  // part of the reason
  if (!verdicts.ok()) {
    examined.reason = fmt::format("cannot be probed: {}", verdicts.status().message());
    // Without the right to mount nothing can be said of the driver. With it, that is the driver's own fault.
    examined.available = ProbePrivilege(Capability::priv_mount).ok();
    examined.probed = examined.declared;
    return examined;
  }
  for (const CapabilityVerdict& v : *verdicts) {
    if (v.has_probe ? v.probed : v.declared) {
      examined.probed.Add(v.id);
    } else if (v.has_probe) {
      examined.missing[v.id] = v.probe.message();
    }
  }
  examined.available = true;
  return examined;
}

ExaminedInstance Unreached(const InstanceSpec& instance, const BackingSpec& backing) {
  ExaminedInstance unreached;
  unreached.instance = instance;
  unreached.backing = backing;
  unreached.declared = instance.driver->capabilities(instance.options, backing.name());
  unreached.reached = false;
  unreached.reason = kInterruptedBeforeItRan;
  return unreached;
}

}  // namespace layermark
