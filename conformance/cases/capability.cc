// Area capability: what a driver says of itself is held against what can be seen.
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

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

namespace {

// What a call says that does not know the operation, or may not do it here. ENODATA, EIO and the like come
// from a call that said yes before.
bool IsRefusal(const Status& status) {
  if (status.error_number() == 0) {
    return status.code() != Code::kDataLoss && status.code() != Code::kInternal;
  }
  constexpr int kRefusals[] = {EOPNOTSUPP, EINVAL, ENOSYS, ENOTTY, EPERM, EACCES,
                               EXDEV,      EROFS,  EISDIR, ENODEV, ENXIO};
  return std::find(std::begin(kRefusals), std::end(kRefusals), status.error_number()) != std::end(kRefusals);
}

}  // namespace

LM_CASE(
    capability, what_is_accepted_takes_effect,
    .claim =
        "a call beyond the mandatory ones is refused, or it does what it says: none succeeds without effect",
    .source = "design: unsupported is apart from failed; xattr(7), rename(2), fallocate(2)") {
  Result<std::vector<CapabilityVerdict>> verdicts = ProbeCapabilities(t.instance(), t.backing());
  if (!t.Ok(verdicts, "probing the capabilities")) return;
  for (const CapabilityVerdict& verdict : *verdicts) {
    if (!verdict.has_probe || verdict.probed || Row(verdict.id).group != CapabilityGroup::kFeature) continue;
    t.Check(IsRefusal(verdict.probe), fmt::format("{}: {}", Row(verdict.id).name, verdict.probe.ToString()));
  }
}

}  // namespace layermark
