// Running as an ordinary user: in a user namespace of one's own, on what needs no loop device.
#ifndef LAYERMARK_CLI_UNPRIVILEGED_H_
#define LAYERMARK_CLI_UNPRIVILEGED_H_

#include <string>
#include <vector>

#include "cli/options.h"
#include "core/result.h"
#include "drivers/driver.h"
#include "scenario/backing.h"

namespace layermark {

// What a run may not do, in words for its record; empty where the caller may mount as it is.
struct Restriction {
  std::string text;
  explicit operator bool() const { return !text.empty(); }
};

// Enters a user namespace where the caller may not mount. kFailedPrecondition, with what forbids it, where
// that does not help. REQUIRES: one thread.
Result<Restriction> BecomeAbleToMount();

// Puts `instead` in the place of each backing that needs a loop device. kFailedPrecondition where the user
// asked for such a one by name.
Status WithoutLoopDevices(const CommonOptions& options, const BackingSpec& instead,
                          std::vector<BackingSpec>& backings);

// The same for a run of several drivers: the backings become `directory`, and each instance gets the options
// without which its driver cannot work in a user namespace.
Result<Restriction> BecomeAbleToRun(const CommonOptions& options, const std::string& directory,
                                    std::vector<InstanceSpec>& instances, std::vector<BackingSpec>& backings);

}  // namespace layermark

#endif  // LAYERMARK_CLI_UNPRIVILEGED_H_
