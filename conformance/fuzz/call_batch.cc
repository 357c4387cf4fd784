// Batches of calls of the contract: made, run, shrunk.
#include <chrono>

#include "conformance/fuzz/batch.h"
#include "conformance/fuzz/calls.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kCalls = 60;  // of one program
constexpr double kShrinkSeconds = 10;

// Takes away calls, then arguments, as long as the same signature shows.
Result<FuzzFinding> Small(const ExaminedInstance& instance, Backing& backing, FuzzFinding finding) {
  const Clock::time_point began = Clock::now();
  LM_ASSIGN(CallProgram best, ParseCallProgram(finding.calls));
  const auto shows = [&](const CallProgram& smaller) -> Result<bool> {
    if (std::chrono::duration<double>(Clock::now() - began).count() > kShrinkSeconds) return false;
    LM_ASSIGN(std::optional<FuzzFinding> found, RunCalls(instance, backing, smaller));
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
    for (size_t n = best[i].arguments.size(); n-- > 0;) {
      const std::string& key = best[i].arguments[n].first;
      if (key != "label" && key != "path" && key != "filter") continue;
      CallProgram smaller = best;
      smaller[i].arguments.erase(smaller[i].arguments.begin() + static_cast<long>(n));
      LM_ASSIGN(const bool good, shows(smaller));
      if (good) best = std::move(smaller);
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
    FuzzRandom random(DeriveSeed(options.seed, state.next_calls++, "calls"));
    const CallProgram program = GenerateCalls(random, kCalls, instance.Has(Capability::rebase));
    LM_ASSIGN(std::optional<FuzzFinding> found, RunCalls(instance, backing, program));
    state.result.calls += static_cast<int64_t>(found ? found->steps() : program.size());
    for (const SnapshotCall& call : program) state.result.coverage.Called(call.verb, "any");
    if (!found || state.known.contains(found->signature.ToText())) continue;
    state.known.insert(found->signature.ToText());
    if (const ExpectedFailure* accepted = FindAccepted(options.expected, instance, found->signature)) {
      ++state.result.accepted[accepted->cause];
      continue;
    }
    LM_ASSIGN(FuzzFinding small, Small(instance, backing, std::move(*found)));
    small.index = state.next_calls - 1;
    state.result.findings.push_back(std::move(small));
    break;
  }
  return Status::Ok();
}

}  // namespace layermark
