// Batch: what one worker does, and the text in which it answers.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_BATCH_H_
#define LAYERMARK_CONFORMANCE_FUZZ_BATCH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "conformance/fuzz/fuzz.h"
#include "conformance/fuzz/journal.h"

namespace layermark {

// What passes from batch to batch.
struct FuzzState {
  uint64_t next_index = 0;
  uint64_t next_calls = 0;
  FuzzResult result;
  std::set<std::string> known;  // signatures that were judged, of differences of trees without "+remount"
  std::map<std::string, int> shrunk;  // such a signature -> how often it was worth shrinking
  int64_t bad_stacks = 0;             // how often a driver did not take its layers
};

// Runs programs for `seconds` or until there is a new finding; changes `state`. REQUIRES: in a worker.
Status RunBatch(const ExaminedInstance& instance, Backing& backing, const FuzzOptions& options,
                double seconds, Journal& journal, FuzzState& state);

// The same with calls of the contract.
Status RunCallBatch(const ExaminedInstance& instance, Backing& backing, const FuzzOptions& options,
                    double seconds, FuzzState& state);

// The state as JSON, and back into the state of the process that started the worker.
std::string EncodeState(const FuzzState& state);
Status DecodeState(const std::string& text, FuzzState& state);

// The accepted deviation that covers a signature, or nullptr.
const ExpectedFailure* FindAccepted(const std::vector<ExpectedFailure>& expected,
                                    const ExaminedInstance& instance, const Signature& signature);

// What Arena expects of a process.
void SetUpFuzzProcess();

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_BATCH_H_
