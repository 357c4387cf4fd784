// Batches of calls of the contract: made, run, shrunk.
#include <algorithm>
#include <chrono>

#include "conformance/fuzz/batch.h"
#include "conformance/fuzz/calls.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kCalls = 60;  // of one program
constexpr double kShrinkSeconds = 10;
constexpr double kProgramSeconds =
    40;  // a worker has a deadline: a batch, a program, shrinking, and one more

// How long a chain the driver is to take, with the snapshot on top.
size_t MostLayers(const ExaminedInstance& instance) {
  return instance.Has(Capability::layers_500) ? 130 : instance.Has(Capability::layers_128) ? 120 : 20;
}

// What a call may do without.
bool IsOptional(const std::string& key) {
  return key == "label" || key == "path" || key == "filter" || key == "step" || key == "mounts";
}

// Takes away calls, then arguments, as long as the same signature shows.
Result<FuzzFinding> Small(const ExaminedInstance& instance, Backing& backing, FuzzFinding finding) {
  const Clock::time_point began = Clock::now();
  LM_ASSIGN(CallProgram best, ParseCallProgram(finding.calls));
  const auto shows = [&](const CallProgram& smaller) -> Result<bool> {
    if (std::chrono::duration<double>(Clock::now() - began).count() > kShrinkSeconds) return false;
    LM_ASSIGN(std::optional<FuzzFinding> found, RunCalls(instance, backing, smaller, kProgramSeconds));
    if (!found || found->signature.ToText() != finding.signature.ToText()) return false;
    finding.detail = found->detail;
    finding.calls = found->calls;
    return true;
  };
  for (size_t part = best.size() / 2; part > 0; part /= 2) {
    for (size_t end = best.size(); end > 0;) {
      const size_t begin = end > part ? end - part : 0;
      CallProgram smaller = best;
      smaller.erase(smaller.begin() + static_cast<long>(begin), smaller.begin() + static_cast<long>(end));
      LM_ASSIGN(const bool good, shows(smaller));
      if (good) best = std::move(smaller);
      end = begin;
    }
  }
  for (size_t i = 0; i < best.size(); ++i) {
    for (size_t part = std::max<size_t>(best[i].arguments.size() / 2, 1); part > 0; part /= 2) {
      for (size_t end = best[i].arguments.size(); end > 0;) {
        const size_t begin = end > part ? end - part : 0;
        CallProgram smaller = best;
        auto& arguments = smaller[i].arguments;
        const auto from = arguments.begin() + static_cast<long>(begin);
        const auto to = arguments.begin() + static_cast<long>(end);
        const auto kept =
            std::remove_if(from, to, [](const auto& argument) { return IsOptional(argument.first); });
        arguments.erase(kept, to);
        end = begin;
        if (smaller[i] == best[i]) continue;
        LM_ASSIGN(const bool good, shows(smaller));
        if (good) best = std::move(smaller);
      }
    }
  }
  return finding;
}

}  // namespace

Status RunCallBatch(const ExaminedInstance& instance, Backing& backing, const FuzzOptions& options,
                    double seconds, FuzzState& state) {
  SetUpFuzzProcess();
  const Clock::time_point began = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - began).count() < seconds) {
    const uint64_t index = state.next_calls++;
    FuzzRandom random(DeriveSeed(options.seed, index, "calls"));
    const CallProgram program =
        GenerateCalls(random, kCalls, instance.Has(Capability::rebase), index, MostLayers(instance));
    LM_ASSIGN(std::optional<FuzzFinding> found, RunCalls(instance, backing, program, kProgramSeconds));
    state.result.calls += static_cast<int64_t>(found ? found->steps() : program.size());
    for (const SnapshotCall& call : program) state.result.coverage.Called(call.verb, "any");
    if (!found || state.known.contains(found->signature.ToText())) continue;
    state.known.insert(found->signature.ToText());
    if (const ExpectedFailure* accepted = FindAccepted(options.expected, instance, found->signature)) {
      ++state.result.accepted[accepted->cause];
      continue;
    }
    LM_ASSIGN(FuzzFinding small, Small(instance, backing, std::move(*found)));
    small.index = index;
    state.result.findings.push_back(std::move(small));
    break;
  }
  return Status::Ok();
}

}  // namespace layermark
