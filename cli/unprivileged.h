// Running as an ordinary user: in a user namespace of one's own, on what needs no loop device.
#ifndef LAYERMARK_CLI_UNPRIVILEGED_H_
#define LAYERMARK_CLI_UNPRIVILEGED_H_

#include <string>
#include <vector>

#include "cli/options.h"
#include "core/result.h"
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

// Both: the backings become directories below `directory`, or lie in memory where that is empty.
Result<Restriction> BecomeAbleToRun(const CommonOptions& options, const std::string& directory,
                                    std::vector<BackingSpec>& backings);

}  // namespace layermark

#endif  // LAYERMARK_CLI_UNPRIVILEGED_H_
