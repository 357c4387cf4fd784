// Area capability: what a driver says of itself is held against what can be seen.
#include <fmt/core.h>

#include "conformance/support/case.h"
#include "scenario/capability_probes.h"

namespace layermark {

LM_CASE(
    capability, declared_and_probed_agree,
    .claim =
        "each capability that the driver claims is there when it is tried, and none works that a complete "
        "declaration leaves out",
    .source = "design: a claimed capability obliges") {
  Result<std::vector<CapabilityVerdict>> verdicts = ProbeCapabilities(t.instance(), t.backing());
  if (!t.Ok(verdicts, "probing the capabilities")) return;
  for (const CapabilityVerdict& verdict : *verdicts) {
    const std::string_view name = Row(verdict.id).name;
    t.Check(verdict.agrees(), verdict.declared
                                  ? fmt::format("{} is claimed, but: {}", name, verdict.probe.ToString())
                                  : fmt::format("{} works and is not claimed", name));
  }
}

}  // namespace layermark
