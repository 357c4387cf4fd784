#include "scenario/examine.h"

#include <fmt/core.h>

#include <utility>

#include "scenario/capability_probes.h"

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
  row.inode_formula = instance.driver->inode_formula(instance.options).explanation;
  for (Capability c : declared.List()) {
    if (!available || Has(c)) row.capabilities.emplace_back(Row(c).name);
  }
  return row;
}

DeviationContext ExaminedInstance::deviation_context() const {
  DeviationContext context;
  context.driver = instance.driver->name();
  context.options = instance.options;
  context.backing = backing.name();
  context.device = backing.device;
  context.version = version;
  context.features = probed;
  return context;
}

std::optional<std::string> ExaminedInstance::WhyMissing(const std::vector<Capability>& needs) const {
  for (Capability c : needs) {
    const CapabilityRow& capability = Row(c);
    if (capability.group == CapabilityGroup::kPrivilege) {
      if (Status s = ProbePrivilege(c); !s.ok()) {
        return fmt::format("missing capability {}: {}", capability.name, s.message());
      }
      continue;
    }
    if (Has(c)) continue;
    const auto why = missing.find(c);
    return fmt::format("missing capability {}: {}", capability.name,
                       why != missing.end() ? why->second : "the driver does not offer it");
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
  ExaminedInstance examined;
  examined.instance = instance;
  examined.backing = backing_spec;
  examined.declared = instance.driver->capabilities(instance.options, backing_spec.name());
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
  Result<std::vector<CapabilityVerdict>> verdicts = ProbeCapabilities(instance, *backing);
  if (!verdicts.ok()) {
    examined.reason = fmt::format("cannot be probed: {}", verdicts.status().message());
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

}  // namespace layermark
