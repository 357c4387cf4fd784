// A finding: one deviation, its signature, and the smallest program that shows it.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_
#define LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_

#include <cstdint>
#include <string>

#include "conformance/fuzz/arena.h"
#include "conformance/fuzz/origin_model.h"
#include "conformance/fuzz/program.h"

namespace layermark {

// What makes two deviations one bug.
struct Signature {
  std::string operation;  // of the step; for a tree that differs the last step that changed something, with
                          // "+remount" or "+commit" where it shows only then; for a failed call its name
  Target target;
  std::string expected;          // "ok", "ENOENT", "tree"
  std::string seen;              // "EXDEV", "other data", "other mode,nlink", "mtime directory"
  std::string CaseName() const;  // "fuzz.rename.lower.directory": for accepted deviations
  std::string Effect() const;    // "expected ok, seen EXDEV"
  std::string ToText() const { return CaseName() + ": " + Effect(); }
};

struct FuzzFinding {
  Signature signature;
  FuzzProgram program;
  std::string detail;             // what differed, for people
  uint64_t index = 0;             // of the program that it was found with
  std::string file_name() const;  // "rename-lower-directory-ok-EXDEV", without an ending
};

// The signature of a mismatch in this program: its steps are gone through with an origin model, which is told
// that every step worked where no outcomes are at hand. `outcomes` are those of the ordinary directory.
Signature SignatureOf(const FuzzProgram& program, const Mismatch& mismatch,
                      const std::vector<Outcome>& outcomes);

// "other mode,nlink": which of the "key=value" words differ, or "other data".
std::string DifferingWords(const Outcome& expected, const Outcome& seen);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_FINDING_H_
