// Examining an instance: can it run here, on this backing, and what can it do. Both harnesses and the
// `drivers` table stand on this.
#ifndef LAYERMARK_SCENARIO_EXAMINE_H_
#define LAYERMARK_SCENARIO_EXAMINE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"
#include "drivers/driver.h"
#include "results/record.h"
#include "scenario/backing.h"
#include "scenario/expected_failures.h"

namespace layermark {

struct ExaminedInstance {
  InstanceSpec instance;
  BackingSpec backing;
  bool available = false;
  std::string reason;  // why not: call and errno
  std::string version;
  CapabilitySet declared;
  CapabilitySet probed;  // what a probe found to work, and what is declared without a probe
  std::map<Capability, std::string> missing;  // why a probed capability is not there: call and errno

  Place place() const;
  DriverRow row() const;
  DeviationContext deviation_context() const;
  // Declared and, where it can be probed, found to work.
  bool Has(Capability capability) const { return declared.Has(capability) && probed.Has(capability); }
  // nullopt where all are there; else "missing capability X: call: errno" for the first that is not.
  std::optional<std::string> WhyMissing(const std::vector<Capability>& needs) const;
};

// The backing an instance gets when the user names none.
BackingSpec DefaultBacking(const InstanceSpec& instance, const std::string& device);

// Makes a small backing of that kind, tries the driver's probe and every capability probe on it, and drops
// it. Never fails as such: what went wrong is the reason of an unavailable instance. REQUIRES: workspace;
// single thread.
ExaminedInstance Examine(const InstanceSpec& instance, const BackingSpec& backing);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_EXAMINE_H_
