// Random differential testing of one instance: programs are made, run on both sides, and what differs is
// shrunk, told apart by its signature, held against the accepted deviations, and handed back.
//
// Programs run in worker processes with a deadline, a few seconds' worth in each: a step that hangs or kills
// its process is a finding like any other. The same seed makes the same programs as long as the driver
// answers the same. REQUIRES: as Examine; no other thread in this process.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_FUZZ_H_
#define LAYERMARK_CONFORMANCE_FUZZ_FUZZ_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "conformance/fuzz/c_program.h"
#include "conformance/fuzz/finding.h"
#include "conformance/fuzz/generator.h"
#include "scenario/examine.h"
#include "scenario/expected_failures.h"
#include "scenario/progress.h"

namespace layermark {

struct FuzzOptions {
  uint64_t seed = 1;
  double budget_seconds = 30;
  size_t steps = 120;  // of one program
  std::vector<ExpectedFailure> expected;
};

struct FuzzResult {
  int64_t programs = 0;
  int64_t calls = 0;          // of the contract, held against the model
  int64_t steps = 0;          // on the driver; as many again on the ordinary directory
  double seconds = 0;         // of running programs
  double shrink_seconds = 0;  // of making findings small
  Coverage coverage;
  std::map<std::string, int64_t> accepted;  // signature -> how often, with its cause
  std::vector<FuzzFinding> findings;
  UnionMount mount;       // how the driver's mounts are made without it, for C programs
  bool ordinary = false;  // the driver's mounts are bind mounts of directories
  bool interrupted = false;
};

// Calls `found` as each new finding is known. A Status: nothing could be run.
Result<FuzzResult> Fuzz(const ExaminedInstance& instance, const FuzzOptions& options, Progress& progress,
                        const std::function<void(const FuzzFinding&)>& found);

struct ReplayResult {
  bool differs = false;
  bool accepted = false;
  std::string cause;  // of an accepted deviation
  FuzzFinding finding;
  UnionMount mount;
};
// Runs one program once, in a worker; or, of calls of the contract, the other.
Result<ReplayResult> ReplayCalls(const ExaminedInstance& instance, const std::string& calls,
                                 const std::vector<ExpectedFailure>& expected);
// Of several differences of trees it tells the one whose signature is `wanted`, else the first that is not
// accepted.
Result<ReplayResult> Replay(const ExaminedInstance& instance, const FuzzProgram& program,
                            const std::vector<ExpectedFailure>& expected, const std::string& wanted = "");

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_FUZZ_H_
