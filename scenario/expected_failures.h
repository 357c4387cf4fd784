// Accepted deviations: the expected_failures.toml of a driver, or of --expected FILE.
//
//   [[expect]]
//   case = "rename.directory_*"              glob over the case's full name (or the workload's)
//   reason = "*EXDEV*"                       optional glob over the failure's text: another failure is not
//   excused reason = ["*: mtime: *", "step 3: *"]    or a list: each line of the text must match one of these
//   globs when = { "option.redirect_dir" = "on", backing = "ext4", "feature.reflink" = false, version =
//   ">=1.10,<1.13" } cause = "overlayfs cannot rename a directory that a lower layer brought" link =
//   "https://..."
//
//   [[fuzz]]                                 a deviation that `fuzz` goes past; globs all
//   operation = "rename"                     as a finding's signature names it
//   origin = "merged"                        of the object; default "*"
//   type = "directory"                       default "*"
//   expected = "ok"                          errno, "ok" or "tree"; default "*"
//   seen = "EXDEV"                           errno or effect; or a list, of which one must match
//   argument = "*WHITEOUT*"                  of the step: the name of an attribute, or its flags as a program
//                                            has them ("NOREPLACE|WHITEOUT"); default "*". A difference of
//                                            trees has none, and matches "*" alone
//   when, cause, link                        as above
//
// `when` is a conjunction; no `when` always holds. "feature.NAME" takes privileges of core/capabilities.def
// too
// ("feature.priv_loop" = false: for a caller who has none). An unknown key anywhere is an error. A case that
// is expected to fail and passes is reported as xpass, which is a finding. An [[expect]] with `depends =
// true` is for what shows with some images and not with others: to pass is no finding then.
#ifndef LAYERMARK_SCENARIO_EXPECTED_FAILURES_H_
#define LAYERMARK_SCENARIO_EXPECTED_FAILURES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"

namespace layermark {

struct ExpectedFailure {
  std::string driver;  // empty: any (a file given by --expected)
  std::string case_glob;
  std::string reason_glob;              // empty: any
  std::vector<std::string> line_globs;  // empty: any; otherwise every line of the reason matches one of them
  std::string argument_glob = "*";      // of a fuzz program's step
  std::map<std::string, std::string> options;  // option.NAME -> value
  std::map<Capability, bool> features;         // feature.NAME -> value
  std::optional<std::string> backing, device;
  std::string version;   // empty: any; otherwise comma-separated comparisons, all of which must hold
  bool depends = false;  // on the image: it may as well pass
  std::string cause, link;
};

// Parses one file; `origin` names it in errors, which give line and key.
Result<std::vector<ExpectedFailure>> ParseExpectedFailures(const std::string& toml, const std::string& driver,
                                                           const std::string& origin);
// The built-in files of all drivers and the given files, together.
Result<std::vector<ExpectedFailure>> LoadExpectedFailures(const std::vector<std::string>& files);

// What a deviation is judged by.
struct DeviationContext {
  std::string driver;
  std::map<std::string, std::string> options;
  std::string backing, device, version;
  CapabilitySet features;  // probed
};
// The first entry that covers this case here; nullptr if none does. `reason` empty: any entry by which the
// case must fail (to tell an unexpected pass). `argument`: of the step, where the case is a deviation of
// fuzzing.
const ExpectedFailure* FindExpected(const std::vector<ExpectedFailure>& entries,
                                    const DeviationContext& context, const std::string& case_name,
                                    const std::string& reason, const std::string& argument = "");

// ">=1.10,<1.13" against the first dotted number in `version`.
Result<bool> VersionMatches(const std::string& condition, const std::string& version);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_EXPECTED_FAILURES_H_
