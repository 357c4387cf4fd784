// Reading what a program of the exec protocol answers: every field checked, nothing else touched.
//
// Pure functions of their arguments, so that they can be fed with anything.
#ifndef LAYERMARK_DRIVERS_EXEC_REPLY_H_
#define LAYERMARK_DRIVERS_EXEC_REPLY_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/sys/mount.h"
#include "drivers/driver.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Version of the protocol that this program speaks.
inline constexpr int kExecProtocol = 1;

enum class ExecVerb {
  kCapabilities,
  kStat,
  kUpdate,
  kUsage,
  kMounts,
  kPrepare,
  kView,
  kCommit,
  kRemove,
  kWalk,
  kCleanup,
};
std::string_view VerbName(ExecVerb verb);  // "capabilities", ...

struct ExecReply {
  Status status;  // the program's own answer: ok or its error
  // What the verb answers; the others stay empty.
  std::vector<Mount> mounts;  // prepare, view, mounts
  std::vector<Info> infos;    // walk; stat and update: exactly one
  Usage usage;
  std::string name, version;  // capabilities, from here on
  CapabilitySet capabilities;
  InodeFormula inode_formula;  // without explanation: none
};

// `exit_code` 0: an answer; 1: an error. Fields are in protobuf's JSON spelling (an absent field or null is
// its default; names_with_underscores are read, too; unknown fields are passed over). Layers joined in a
// "lowerdir=" option are taken apart. kDataLoss: the program broke the protocol; the text says how.
Result<ExecReply> ReadExecReply(ExecVerb verb, int exit_code, std::string_view output);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_EXEC_REPLY_H_
