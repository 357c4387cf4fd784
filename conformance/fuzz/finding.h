// A finding: one deviation, its signature, and the smallest program that shows it.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_
#define LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/fuzz/arena.h"
#include "conformance/fuzz/origin_model.h"
#include "conformance/fuzz/program.h"

namespace layermark {

// What makes two deviations one bug.
struct Signature {
  std::string operation;  // of the step; where the trees differ, of the step that last changed what differs
                          // (OriginModel::LastChange), with "+remount", "+commit" or "+diff" where it shows
                          // only then; for a failed call its name
  Target target;
  std::string expected;  // "ok", "ENOENT", "tree"
  std::string seen;      // "EXDEV", "other data", "other mode,nlink", "mtime directory"
  // Of the step that ended otherwise: the name of an attribute, or its flags as text. Not part of what makes
  // two findings one; deviations are accepted by it.
  std::string argument = {};
  std::string CaseName() const;  // "fuzz.rename.lower.directory": for accepted deviations
  std::string Effect() const;    // "expected ok, seen EXDEV"
  // Without the step: findings of one group are likely to be one bug seen through several operations.
  std::string Group() const { return target.type + ": " + Effect(); }
  std::string ToText() const { return CaseName() + ": " + Effect(); }
};

struct FuzzFinding {
  Signature signature;
  FuzzProgram program;
  std::string calls;              // instead of `program`: calls of the contract, as text (calls.h)
  std::string detail;             // what differed, for people
  uint64_t index = 0;             // of the program that it was found with
  std::string Text() const;       // what is saved and replayed
  size_t steps() const;           // or calls
  std::string file_name() const;  // "rename-lower-directory-ok-EXDEV", without an ending
};

// The signatures of a mismatch in this program, more than one where trees differ in several ways: its steps
// are gone through with an origin model, which is told that every step worked where no outcomes are at hand.
// `outcomes` are those of the ordinary directory.
std::vector<Signature> SignaturesOf(const FuzzProgram& program, const Mismatch& mismatch,
                                    const std::vector<Outcome>& outcomes);
// Of one difference of the trees.
Signature SignatureOf(const OriginModel& model, const Difference& difference, const std::string& effect);

// "other mode,nlink": which of the "key=value" words differ, or "other data".
std::string DifferingWords(const Outcome& expected, const Outcome& seen);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_
