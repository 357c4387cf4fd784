// Random calls of the contract, held against the model: keys, names, parents, kinds, labels, times, filters,
// usage, error classes, and the whole tree that a snapshot shows.
//
// A program of calls is text, like a fuzz program:
//
//   layermark-calls 1
//   prepare key="a" parent="" label="k=v"
//   fill key="a" step="file path=\"f\" data=\"x\"*4096 mode=0644" step="symlink path=\"l\" target=\"f\""
//   commit name="b" key="a"
//   look key="b"
//   walk filter="kind==committed,labels.k==v"
//
// `fill` writes into a mounted snapshot in the tree language, `look` compares the tree; both take
// mounts="given" for the mounts that prepare or view answered, where they otherwise ask. A committed snapshot
// is looked at through a view.
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
  std::string verb;  // prepare view commit remove stat update usage mounts walk cleanup reopen fill look
  std::vector<std::pair<std::string, std::string>>
      arguments;                                // key parent name rebase mounts label path filter step
  std::string Get(std::string_view key) const;  // the first of that key; ""
  std::vector<std::string> All(std::string_view key) const;
  Labels labels() const;
  Layer layer() const;  // the steps of a fill. REQUIRES: they were parsed or generated
  bool operator==(const SnapshotCall&) const = default;
};
using CallProgram = std::vector<SnapshotCall>;

bool IsCallProgram(std::string_view text);  // by its first line
std::string ToText(const CallProgram& program);
// kInvalidArgument names line and fault. Bounded: at most 10000 calls.
Result<CallProgram> ParseCallProgram(std::string_view text);

// `rebase`: with commits that give a parent. Of eight programs by `index` one is a chain of layers instead,
// now and then of `most_layers`, and one a directory of many entries.
CallProgram GenerateCalls(FuzzRandom& random, size_t count, bool rebase, uint64_t index, size_t most_layers);

// The first call that the driver answers otherwise than the model, as a finding with the calls up to there.
// A fresh store is made and taken away. After `seconds` no further call is made.
Result<std::optional<FuzzFinding>> RunCalls(const ExaminedInstance& instance, Backing& backing,
                                            const CallProgram& program, double seconds = 60);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_CALLS_H_
