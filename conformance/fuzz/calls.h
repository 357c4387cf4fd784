// Random calls of the contract, held against the model: keys, names, parents, kinds, labels, filters, error
// classes, and which files a snapshot shows.
//
// A program of calls is text, like a fuzz program:
//
//   layermark-calls 1
//   prepare key="a" parent="" label="k=v"
//   touch key="a" file="f"
//   commit name="b" key="a"
//   walk filter="kind==committed,labels.k==v"
//
// Where one call has several faults the contract leaves open which is reported, so that only failing counts.
// Threads: one. REQUIRES: as Arena.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_CALLS_H_
#define LAYERMARK_CONFORMANCE_FUZZ_CALLS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/fuzz/finding.h"
#include "conformance/fuzz/fuzz_random.h"
#include "scenario/examine.h"

namespace layermark {

struct SnapshotCall {
  std::string verb;  // prepare view commit remove stat update usage mounts walk cleanup reopen touch look
  std::vector<std::pair<std::string, std::string>>
      arguments;                                // key parent name rebase file label path filter
  std::string Get(std::string_view key) const;  // the first of that key; ""
  bool operator==(const SnapshotCall&) const = default;
};
using CallProgram = std::vector<SnapshotCall>;

bool IsCallProgram(std::string_view text);  // by its first line
std::string ToText(const CallProgram& program);
// kInvalidArgument names line and fault. Bounded: at most 10000 calls.
Result<CallProgram> ParseCallProgram(std::string_view text);

// `rebase`: with commits that give a parent.
CallProgram GenerateCalls(FuzzRandom& random, size_t count, bool rebase);

// The first call that the driver answers otherwise than the model, as a finding with the calls up to there.
// A fresh store is made and taken away.
Result<std::optional<FuzzFinding>> RunCalls(const ExaminedInstance& instance, Backing& backing,
                                            const CallProgram& program);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_CALLS_H_
