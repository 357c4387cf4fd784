// Examining an instance: can it run here, on this backing, and what can it do. Both harnesses and the
// `drivers` table stand on this.
#ifndef LAYERMARK_SCENARIO_EXAMINE_H_
#define LAYERMARK_SCENARIO_EXAMINE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/capability.h"
#include "core/result.h"
#include "drivers/driver.h"
#include "results/record.h"
#include "scenario/backing.h"
#include "scenario/expected_failures.h"

namespace layermark {

// Why something that needs capabilities is not run.
struct Lack {
  std::string_view code;  // of core/skip_codes.def
  std::string reason;     // "missing capability X: call: errno"
};

struct ExaminedInstance {
  InstanceSpec instance;
  BackingSpec backing;
  bool reached = true;  // false: an interrupt came before it was examined, so nothing below is known
  bool available = false;
  std::string reason;  // why not: call and errno. If available: what kept its capabilities from being probed
  std::string version;
  CapabilitySet declared;
  bool complete = true;       // the declaration is; otherwise what probes true beyond it counts as well
  std::string inode_formula;  // its explanation
  // Whether programs that this one did not fork act for it (a daemon, a program per call): what they bind is
  // not known to be ours.
  bool acts_elsewhere() const {
    return instance.driver->behind_a_daemon() || instance.driver->call_deadline(instance.options).count() > 0;
  }
  CapabilitySet probed;  // what a probe found to work, and what is declared without a probe
  std::map<Capability, std::string> missing;  // why a probed capability is not there: call and errno

  Place place() const;
  DriverRow row() const;
  DeviationContext deviation_context() const;
  // Declared (or not, where the declaration is a floor) and, where it can be probed, found to work.
  bool Has(Capability capability) const {
    return (declared.Has(capability) || !complete) && probed.Has(capability);
  }
  // nullopt where all are there; else the first that is not.
  std::optional<Lack> WhyMissing(const std::vector<Capability>& needs) const;
};

// The backing an instance gets when the user names none.
BackingSpec DefaultBacking(const InstanceSpec& instance, const std::string& device);

// Makes a small backing of that kind, tries the driver's probe and every capability probe on it, and drops
// it. Never fails as such: what went wrong is the reason of an unavailable instance. An instance whose own
// probe succeeds while its snapshots cannot be probed is available: it runs, with what it declares, and its
// cases say what is wrong. REQUIRES: workspace; single thread.
ExaminedInstance Examine(const InstanceSpec& instance, const BackingSpec& backing);

// One that an interrupt kept from being examined: not available, and no claim that it could not run here.
ExaminedInstance Unreached(const InstanceSpec& instance, const BackingSpec& backing);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_EXAMINE_H_
