#include "conformance/fuzz/batch.h"

#include <fmt/core.h>
#include <grp.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>

#include "conformance/fuzz/shrink.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kProgramsPerStack = 12;
constexpr size_t kCheckEvery = 40;
constexpr double kShrinkSeconds = 4;
// So many programs with the same effect on the tree are looked into; after that it is ignored.
constexpr int kShrinksPerEffect = 3;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Batch {
 public:
  Batch(const ExaminedInstance& instance, const FuzzOptions& options, Arena& arena, Journal& journal,
        FuzzState& state)
      : instance_(instance), options_(options), arena_(arena), journal_(journal), state_(state) {
    arena_.Ignore(&state_.ignored);
  }

  Status Run(double seconds) {
    const size_t findings = state_.result.findings.size();
    const Clock::time_point began = Clock::now();
    const double shrinking_before = state_.result.shrink_seconds;
    while (Since(began) < seconds && state_.result.findings.size() == findings) {
      LM_TRY(OneProgram(state_.next_index++));
    }
    state_.result.seconds += Since(began) - (state_.result.shrink_seconds - shrinking_before);
    return arena_.Discard();
  }

 private:
  Status OneProgram(uint64_t index) {
    FuzzRandom stack_random(DeriveSeed(options_.seed, index / kProgramsPerStack, "layers"));
    FuzzRandom random(DeriveSeed(options_.seed, index, "steps"));
    if (layers_.empty() || stack_ != index / kProgramsPerStack) {
      layers_ = GenerateLayers(stack_random);
      stack_ = index / kProgramsPerStack;
    }
    FuzzProgram program{layers_, {}};
    outcomes_.clear();
    journal_.Begin(index, program.layers);
    Result<std::optional<Mismatch>> result = arena_.Begin(program.layers);
    OriginModel model(program.layers);
    while (result.ok() && !result->has_value() && program.steps.size() < options_.steps) {
      FuzzStep step = NextStep(random, model, program.steps.size());
      const Target target = model.TargetOf(step);
      journal_.Add(step);
      Outcome expected;
      program.steps.push_back(step);
      result = arena_.Run(step, program.steps.size() - 1, &expected);
      state_.result.coverage.Ran(step.op, target);
      if (result.ok() && result->has_value()) state_.result.coverage.Deviated(step.op, target);
      model.Apply(step, expected);
      outcomes_.push_back(std::move(expected));
    }
    journal_.End();
    LM_TRY(arena_.End());
    LM_TRY(result);
    ++state_.result.programs;
    state_.result.steps += static_cast<int64_t>(program.steps.size());
    return result->has_value() ? Judge(std::move(program), **result, index) : Status::Ok();
  }

  FuzzStep NextStep(FuzzRandom& random, const OriginModel& model, size_t at) {
    FuzzStep step;
    if (at + 1 == options_.steps) {
      step.op = random.OneIn(2) ? FuzzOp::kRemount : FuzzOp::kCheck;
    } else if (at % kCheckEvery == kCheckEvery - 1) {
      step.op = random.OneIn(4) ? FuzzOp::kRemount : random.OneIn(6) ? FuzzOp::kCommit : FuzzOp::kCheck;
    } else {
      step = GenerateStep(random, model, state_.result.coverage);
    }
    return step;
  }

  // Known, accepted, or new: then small.
  Status Judge(FuzzProgram program, Mismatch mismatch, uint64_t index) {
    program.steps.resize(std::min(program.steps.size(), mismatch.step + 1));
    if (mismatch.kind == Mismatch::Kind::kOutcome) LM_TRY(LookBefore(program, mismatch));
    const bool tree = mismatch.kind == Mismatch::Kind::kTree;
    const std::string effect = mismatch.seen.seen;
    if (tree) {
      if (++state_.shrunk[effect] > kShrinksPerEffect) {
        IgnoreEffects(effect);
        return Status::Ok();
      }
    } else {
      const Signature signature = SignatureOf(program, mismatch, outcomes_);
      if (IsOld(signature)) return Status::Ok();
    }
    const Clock::time_point began = Clock::now();
    FuzzProgram small = MakeSmall(program, mismatch, began);
    state_.result.shrink_seconds += Since(began);
    // What it shows in the end, with the outcomes that it has now.
    std::optional<Mismatch> last = RunAgain(small);
    FuzzFinding finding;
    finding.index = index;
    if (last) {
      finding.program = std::move(small);
      finding.signature = SignatureOf(finding.program, *last, again_);
      finding.detail = Describe(*last);
    } else {
      // Seen once and not again: told as it is.
      finding.program = std::move(program);
      finding.signature = SignatureOf(finding.program, mismatch, outcomes_);
      finding.signature.operation += "+once";
      finding.detail = "not seen again when the same program was run once more\n" + Describe(mismatch);
    }
    if (!IsOld(finding.signature)) {
      state_.known.insert(finding.signature.ToText());
      state_.result.findings.push_back(std::move(finding));
    }
    return Status::Ok();
  }

  // A step that ends otherwise may only show what an earlier one did to the tree: then that is the mismatch.
  Status LookBefore(FuzzProgram& program, Mismatch& mismatch) {
    if (IsOld(SignatureOf(program, mismatch, outcomes_))) return Status::Ok();
    FuzzProgram before = program;
    before.steps.back() = FuzzStep{};  // a check
    if (std::optional<Mismatch> found = RunAgain(before); found && found->kind == Mismatch::Kind::kTree) {
      program = std::move(before);
      program.steps.resize(found->step + 1);
      mismatch = std::move(*found);
      outcomes_ = again_;
    }
    return Status::Ok();
  }

  bool IsOld(const Signature& signature) {
    if (state_.known.contains(signature.ToText())) return true;
    const ExpectedFailure* accepted = FindAccepted(options_.expected, instance_, signature);
    if (accepted == nullptr) return false;
    ++state_.result.accepted[accepted->cause];
    return true;
  }

  void IgnoreEffects(const std::string& effects) {
    size_t begin = 0;
    while (begin < effects.size()) {
      const size_t end = std::min(effects.find(", ", begin), effects.size());
      state_.ignored.insert(effects.substr(begin, end - begin));
      begin = end + 2;
    }
  }

  // Runs a program with its outcomes kept in again_; nothing where it did not run.
  std::optional<Mismatch> RunAgain(const FuzzProgram& program) {
    again_.clear();
    journal_.Begin(state_.next_index - 1, program.layers);
    Result<std::optional<Mismatch>> result = arena_.Begin(program.layers);
    for (size_t i = 0; result.ok() && !result->has_value() && i < program.steps.size(); ++i) {
      journal_.Add(program.steps[i]);
      Outcome expected;
      result = arena_.Run(program.steps[i], i, &expected);
      again_.push_back(std::move(expected));
    }
    journal_.End();
    if (!arena_.End().ok() || !result.ok()) return std::nullopt;
    return *result;
  }

  FuzzProgram MakeSmall(const FuzzProgram& program, const Mismatch& mismatch, Clock::time_point began) {
    const auto shows = [&](const FuzzProgram& smaller) {
      const std::optional<Mismatch> seen = RunAgain(smaller);
      if (!seen || seen->kind != mismatch.kind) return false;
      if (mismatch.kind == Mismatch::Kind::kCall) {
        return seen->call == mismatch.call && seen->seen.error == mismatch.seen.error;
      }
      if (mismatch.kind == Mismatch::Kind::kTree) {
        // The first of the effects is enough: several bugs may have met.
        const std::string first = mismatch.seen.seen.substr(0, mismatch.seen.seen.find(','));
        return seen->seen.seen.find(first) != std::string::npos;
      }
      const FuzzOp op = program.steps.back().op;
      if (seen->step >= smaller.steps.size() || smaller.steps[seen->step].op != op) return false;
      if (seen->expected.error != mismatch.expected.error || seen->seen.error != mismatch.seen.error)
        return false;
      return mismatch.expected.error != mismatch.seen.error ||
             DifferingWords(seen->expected, seen->seen) == DifferingWords(mismatch.expected, mismatch.seen);
    };
    if (!shows(program)) return program;
    return Shrink(program, shows, [&] { return Since(began) < kShrinkSeconds; });
  }

  const ExaminedInstance& instance_;
  const FuzzOptions& options_;
  Arena& arena_;
  Journal& journal_;
  FuzzState& state_;
  std::vector<Layer> layers_;
  uint64_t stack_ = 0;
  std::vector<Outcome> outcomes_, again_;
};

}  // namespace

void SetUpFuzzProcess() {
  umask(022);
  // A write to a fifo whose reader is gone is an errno like any other.
  (void)signal(SIGPIPE, SIG_IGN);
  (void)setgroups(0, nullptr);
}

const ExpectedFailure* FindAccepted(const std::vector<ExpectedFailure>& expected,
                                    const ExaminedInstance& instance, const Signature& signature) {
  return FindExpected(expected, instance.deviation_context(), signature.CaseName(), signature.Effect());
}

Status RunBatch(const ExaminedInstance& instance, Backing& backing, const FuzzOptions& options,
                double seconds, Journal& journal, FuzzState& state) {
  SetUpFuzzProcess();
  LM_ASSIGN(const std::unique_ptr<Arena> arena, Arena::Open(instance.instance, backing));
  return Batch(instance, options, *arena, journal, state).Run(seconds);
}

}  // namespace layermark
