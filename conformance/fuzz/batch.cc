#include "conformance/fuzz/batch.h"

#include <fmt/core.h>
#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "conformance/fuzz/shrink.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kProgramsPerStack = 12;
constexpr size_t kSlowProgramsPerStack = 60;
constexpr size_t kCheckEvery = 40;
constexpr double kShrinkSeconds = 12;
constexpr double kSlowShrinkSeconds = 40;  // of a driver whose calls start a program each
constexpr int kRuns = 3;        // how often a program is run again before it counts as one that shows nothing
constexpr int kMaxResumes = 8;  // how often a program goes on behind something that is known
constexpr int kMaxPassedOver = 60;
constexpr double kBatchLimitSeconds = 30;
constexpr int kShrinksPerKey = 2;  // so many programs are looked into before a difference of trees is masked

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool AreBinds(const std::vector<Mount>& mounts) {
  return !mounts.empty() && std::all_of(mounts.begin(), mounts.end(), [](const Mount& mount) {
    return mount.type == "bind" || mount.type == "none";
  });
}

class Batch {
 public:
  Batch(const ExaminedInstance& instance, const FuzzOptions& options, Arena& arena, Journal& journal,
        FuzzState& state)
      : instance_(instance),
        options_(options),
        arena_(arena),
        journal_(journal),
        state_(state),
        slow_(instance.instance.driver->call_deadline(instance.instance.options).count() > 0),
        shrink_seconds_(slow_ ? kSlowShrinkSeconds : kShrinkSeconds),
        programs_per_stack_(slow_ ? kSlowProgramsPerStack : kProgramsPerStack) {}

  Status Run(double seconds) {
    const size_t findings = state_.result.findings.size();
    const Clock::time_point began = Clock::now();
    began_ = began;
    const double shrinking_before = state_.result.shrink_seconds;
    while (Since(began) < seconds && state_.result.findings.size() == findings) {
      LM_TRY(OneProgram(state_.next_index++));
    }
    state_.result.seconds += Since(began) - (state_.result.shrink_seconds - shrinking_before);
    return arena_.Discard();
  }

 private:
  // A program in the making: what ran so far, and what is known of it.
  struct Live {
    FuzzProgram program;
    std::vector<Outcome> outcomes;  // of the ordinary directory
    OriginModel model;
  };

  Status OneProgram(uint64_t index) {
    FuzzRandom random(DeriveSeed(options_.seed, index, "steps"));
    if (layers_.empty() || stack_ != index / programs_per_stack_) {
      stack_ = index / programs_per_stack_;
      FuzzRandom stack_random(DeriveSeed(options_.seed, stack_, "layers"));
      // Where stacks fail one after the other, every other one is such that it is likely to work.
      layers_ = GenerateLayers(stack_random, state_.bad_stacks > 3 && stack_ % 4 != 0);
    }
    Live live{{layers_, {}}, {}, OriginModel(layers_)};
    journal_.Begin(index, layers_);
    LookThrough(live.model);
    Result<std::optional<Mismatch>> result = arena_.Begin(layers_, index % programs_per_stack_ != 0);
    state_.result.ordinary = AreBinds(arena_.mounts());
    if (result.status().code() == Code::kInvalidArgument ||
        (result.ok() && result->has_value() && (*result)->kind != Mismatch::Kind::kTree)) {
      // A stack that does not apply, or that the driver does not take: on with the next one.
      journal_.End();
      LM_TRY(arena_.End());
      state_.next_index = (stack_ + 1) * programs_per_stack_;
      ++state_.result.programs;
      ++state_.bad_stacks;
      return result.ok() ? Judge(live.program, **result, {}, index) : Status::Ok();
    }
    if (result.ok() && result->has_value()) {
      LM_TRY(JudgeLayers(live.program, **result, index));
      LookThrough(live.model);
      result = arena_.Begin(layers_, true);
      if (result.ok() && result->has_value()) {
        LM_TRY(arena_.End());
        return Status::Ok();
      }
    }
    int resumes = 0;
    int passed_over = 0;
    const size_t findings = state_.result.findings.size();
    while (result.ok() && live.program.steps.size() < options_.steps) {
      result = RunStep(live, NextStep(random, live.model, live.program.steps.size()));
      if (!result.ok() || !result->has_value()) continue;
      const Mismatch mismatch = **result;
      if (mismatch.stale) break;
      if (++passed_over < kMaxPassedOver && GoesOnAsItIs(live, mismatch)) continue;
      journal_.End();
      LM_TRY(arena_.End());
      LM_TRY(Judge(live.program, mismatch, live.outcomes, index));
      if (mismatch.kind == Mismatch::Kind::kCall || ++resumes > kMaxResumes) break;
      // The worker has a deadline.
      if (state_.result.findings.size() > findings || Since(began_) > kBatchLimitSeconds) break;
      Result<bool> resumed = Resume(live, mismatch, index);
      LM_TRY(resumed.status());
      if (!*resumed) break;
    }
    journal_.End();
    if (UnionMount mount = UnionMountOf(arena_.mounts()); mount.kind != UnionMount::Kind::kNone) {
      state_.result.mount = std::move(mount);
    }
    const bool clean = result.ok() && !result->has_value();
    Result<std::optional<Mismatch>> end = arena_.Finish(live.program.steps.size());
    LM_TRY(result);
    LM_TRY(end);
    ++state_.result.programs;
    return clean && end->has_value() ? Judge(live.program, **end, live.outcomes, index) : Status::Ok();
  }

  // A driver that shows its layers otherwise from the start: judged once, and then taken as it is.
  Status JudgeLayers(FuzzProgram program, Mismatch mismatch, uint64_t index) {
    LM_TRY(arena_.End());
    if (mismatch.stale) return Status::Ok();
    program.steps = {FuzzStep{}};
    return Judge(std::move(program), std::move(mismatch), {}, index);
  }

  // Differences that are known are masked as the model of the program names them.
  void LookThrough(const OriginModel& model) {
    arena_.SetMask([this, &model](const Difference& difference, const std::string& effect) {
      const Signature signature = SignatureOf(model, difference, effect);
      return IsKnown(signature) && (wanted_ == nullptr || !IsLike(signature, *wanted_));
    });
  }

  Result<std::optional<Mismatch>> RunStep(Live& live, const FuzzStep& step) {
    journal_.Add(step);
    Outcome expected;
    live.program.steps.push_back(step);
    LookThrough(live.model);
    auto result = arena_.Run(step, live.program.steps.size() - 1, &expected);
    ++state_.result.steps;
    state_.result.coverage.Ran(step, live.model);
    if (result.ok() && result->has_value()) {
      state_.result.coverage.Deviated(step, live.model);
      return result;
    }
    live.model.Apply(step, expected);
    live.outcomes.push_back(std::move(expected));
    return result;
  }

  // A known way in which a step ends that changed nothing on either side: as if it had not been.
  bool GoesOnAsItIs(Live& live, const Mismatch& mismatch) {
    if (mismatch.kind != Mismatch::Kind::kOutcome) return false;
    const bool harmless =
        (mismatch.expected.error != 0 && mismatch.seen.error != 0) || OnlyLooks(live.program.steps.back().op);
    if (!harmless || !IsOld(SignaturesOf(live.program, mismatch, live.outcomes)[0])) return false;
    live.program.steps.pop_back();
    return true;
  }

  // Runs what went well again on a fresh snapshot, without the step that did not.
  Result<bool> Resume(Live& live, const Mismatch& mismatch, uint64_t index) {
    std::vector<FuzzStep> steps = std::move(live.program.steps);
    if (mismatch.kind == Mismatch::Kind::kOutcome) steps.pop_back();
    live = Live{{layers_, {}}, {}, OriginModel(layers_)};
    journal_.Begin(index, layers_);
    LookThrough(live.model);
    Result<std::optional<Mismatch>> result = arena_.Begin(layers_, true);
    for (size_t i = 0; result.ok() && !result->has_value() && i < steps.size(); ++i)
      result = RunStep(live, steps[i]);
    LM_TRY(result.status());
    return !result->has_value();
  }

  FuzzStep NextStep(FuzzRandom& random, const OriginModel& model, size_t at) {
    FuzzStep step;
    if (at + 1 == options_.steps) {
      step.op = random.OneIn(2) ? FuzzOp::kRemount : FuzzOp::kCheck;
    } else if (at % kCheckEvery == kCheckEvery - 1) {
      step.op = random.OneIn(4)   ? FuzzOp::kRemount
                : random.OneIn(6) ? FuzzOp::kCommit
                : random.OneIn(8) ? FuzzOp::kDiff
                                  : FuzzOp::kCheck;
    } else {
      step = GenerateStep(random, model, state_.result.coverage);
    }
    return step;
  }

  // Known, accepted, or new: then small.
  Status Judge(FuzzProgram program, Mismatch mismatch, std::vector<Outcome> outcomes, uint64_t index) {
    program.steps.resize(std::min(program.steps.size(), mismatch.step + 1));
    if (mismatch.kind == Mismatch::Kind::kOutcome) {
      if (IsOld(SignaturesOf(program, mismatch, outcomes)[0])) return Status::Ok();
      if (ComesFromBefore(program, mismatch, outcomes)) return Status::Ok();
    }
    if (mismatch.kind == Mismatch::Kind::kTree) FindFirst(program, mismatch, outcomes);
    Signature wanted = SignaturesOf(program, mismatch, outcomes)[0];
    if (IsOld(wanted)) return Status::Ok();
    if (mismatch.kind == Mismatch::Kind::kTree && ++state_.shrunk[KeyOf(wanted)] >= kShrinksPerKey) {
      state_.known.insert(KeyOf(wanted));
    }
    const Clock::time_point began = Clock::now();
    const std::optional<FuzzProgram> small = MakeSmall(program, mismatch, wanted, began);
    state_.result.shrink_seconds += Since(began);
    state_.known.insert(KeyOf(wanted));
    FuzzFinding finding;
    finding.index = index;
    finding.signature = wanted;
    if (small) {
      // What it shows in the end, with the outcomes that it has now.
      const std::optional<Mismatch> last = RunAgain(*small);
      finding.detail = Describe(last ? *last : mismatch);
      if (last) finding.signature = Chosen(SignaturesOf(*small, *last, again_), wanted);
      finding.program = *small;
    } else {
      // Seen once and not again: told as it is, and once for all of its kind.
      finding.program = std::move(program);
      finding.signature.operation += "+once";
      finding.signature.target = {};
      finding.detail = "not seen again when the same program was run once more\n" + Describe(mismatch);
    }
    if (!IsOld(finding.signature)) {
      state_.known.insert(KeyOf(finding.signature));
      state_.result.findings.push_back(std::move(finding));
    }
    return Status::Ok();
  }

  // A step that ends otherwise may only show what an earlier one did to the tree: then that is the mismatch.
  // True where that is known.
  bool ComesFromBefore(FuzzProgram& program, Mismatch& mismatch, std::vector<Outcome>& outcomes) {
    FuzzProgram before = program;
    before.steps.back() = FuzzStep{};  // a check
    const OriginModel model = ModelAt(program, outcomes);
    std::optional<Mismatch> found = RunAgain(before, Look::kMasked);
    if (found && found->kind == Mismatch::Kind::kTree && !found->stale) {
      program = std::move(before);
      program.steps.resize(found->step + 1);
      mismatch = std::move(*found);
      outcomes = again_;
      return false;
    }
    const FuzzStep& step = program.steps.back();
    if ((RowOf(step.op).fields & kFieldPath) == 0) return false;
    const std::string path = model.PathOf(step);
    return std::any_of(arena_.masked().begin(), arena_.masked().end(), [&](const std::string& masked) {
      return masked == path ||
             (masked.starts_with(path) && masked.find('/', path.size() + 1) == std::string::npos &&
              step.op >= FuzzOp::kList && step.op < FuzzOp::kStat);
    });
  }

  static OriginModel ModelAt(const FuzzProgram& program, const std::vector<Outcome>& outcomes) {
    OriginModel model(program.layers);
    for (size_t i = 0; i < program.steps.size() && i < outcomes.size(); ++i)
      model.Apply(program.steps[i], outcomes[i]);
    return model;
  }

  // The first step after which a look at the trees shows something that is not known.
  void FindFirst(FuzzProgram& program, Mismatch& mismatch, std::vector<Outcome>& outcomes) {
    if (program.steps.empty()) return;
    std::optional<Mismatch> found = RunAgain(program, Look::kMaskedAfterEach);
    if (!found || found->kind != Mismatch::Kind::kTree || found->stale) return;
    if (found->step + 1 < program.steps.size()) {
      program.steps.resize(found->step + 1);
      if (!IsMeta(program.steps.back().op)) program.steps.push_back(FuzzStep{});
    }
    outcomes = again_;
    mismatch = std::move(*found);
    mismatch.step = program.steps.size() - 1;
  }

  // Under which a signature is kept.
  static std::string KeyOf(const Signature& signature) {
    if (signature.expected != "tree") return signature.ToText();
    Signature plain = signature;
    plain.operation = plain.operation.substr(0, plain.operation.find('+'));
    return plain.ToText();
  }

  // What covers it, looked up once.
  const ExpectedFailure* Accepted(const Signature& signature) {
    const auto [looked_up, first] = accepted_.emplace(KeyOf(signature) + "\n" + signature.argument, nullptr);
    if (first) looked_up->second = FindAccepted(options_.expected, instance_, signature);
    return looked_up->second;
  }

  bool IsKnown(const Signature& signature) {
    return state_.known.contains(KeyOf(signature)) || Accepted(signature) != nullptr;
  }

  // As IsKnown, and counts what is accepted.
  bool IsOld(const Signature& signature) {
    if (const ExpectedFailure* accepted = Accepted(signature); accepted != nullptr) {
      ++state_.result.accepted[accepted->cause];
      return true;
    }
    return state_.known.contains(KeyOf(signature));
  }

  // The signature of these that is like the one wanted.
  static Signature Chosen(const std::vector<Signature>& of, const Signature& wanted) {
    for (const Signature& signature : of) {
      if (IsLike(signature, wanted)) return signature;
    }
    return wanted;
  }
  // The same but for where the object came from and when it shows.
  static bool IsLike(const Signature& one, const Signature& other) {
    return one.operation.substr(0, one.operation.find('+')) ==
               other.operation.substr(0, other.operation.find('+')) &&
           one.target.type == other.target.type && one.expected == other.expected && one.seen == other.seen;
  }

  enum class Look { kAll, kMasked, kMaskedAfterEach };

  // Runs a program with its outcomes kept in again_; nothing where it did not run.
  std::optional<Mismatch> RunAgain(const FuzzProgram& program, Look look = Look::kAll) {
    again_.clear();
    journal_.Begin(state_.next_index - 1, program.layers);
    OriginModel model(program.layers);
    arena_.SetMask(nullptr);
    if (look != Look::kAll) LookThrough(model);
    Result<std::optional<Mismatch>> result = arena_.Begin(program.layers, !AsksAboutLayers(program));
    for (size_t i = 0; result.ok() && !result->has_value() && i < program.steps.size(); ++i) {
      journal_.Add(program.steps[i]);
      Outcome expected;
      result = arena_.Run(program.steps[i], i, &expected);
      if (!result.ok() || result->has_value()) break;
      model.Apply(program.steps[i], expected);
      if (look == Look::kMaskedAfterEach && !OnlyLooks(program.steps[i].op) && expected.error == 0) {
        result = arena_.Check(i);
      }
      again_.push_back(std::move(expected));
    }
    journal_.End();
    const Result<std::optional<Mismatch>> end = arena_.Finish(program.steps.size());
    if (!end.ok() || !result.ok()) return std::nullopt;
    return result->has_value() ? *result : *end;
  }

  std::optional<FuzzProgram> MakeSmall(const FuzzProgram& program, const Mismatch& mismatch,
                                       const Signature& wanted, Clock::time_point began) {
    wanted_ = &wanted;
    const auto shows = [&](const FuzzProgram& smaller) {
      const std::optional<Mismatch> seen = RunAgain(smaller, Look::kMasked);
      if (!seen || seen->kind != mismatch.kind || seen->stale) return false;
      const std::vector<Signature> signatures = SignaturesOf(smaller, *seen, again_);
      return std::any_of(signatures.begin(), signatures.end(), [&](const Signature& signature) {
        return IsLike(signature, wanted) &&
               (signature.argument == wanted.argument || Accepted(signature) == nullptr);
      });
    };
    std::optional<FuzzProgram> small;
    for (int run = 0; run < kRuns && !small; ++run) {
      if (shows(program)) small = Shrink(program, shows, [&] { return Since(began) < shrink_seconds_; });
    }
    wanted_ = nullptr;
    return small;
  }

  const ExaminedInstance& instance_;
  const FuzzOptions& options_;
  Arena& arena_;
  Journal& journal_;
  FuzzState& state_;
  std::vector<Layer> layers_;
  uint64_t stack_ = 0;
  Clock::time_point began_;
  const bool slow_;  // its calls start a program each
  const double shrink_seconds_;
  const uint64_t programs_per_stack_;
  const Signature* wanted_ = nullptr;  // what is being shrunk: never masked
  std::vector<Outcome> again_;
  std::map<std::string, const ExpectedFailure*> accepted_;  // key and argument -> what covers it
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
  return FindExpected(expected, instance.deviation_context(), signature.CaseName(), signature.Effect(),
                      signature.argument);
}

Status RunBatch(const ExaminedInstance& instance, Backing& backing, const FuzzOptions& options,
                double seconds, Journal& journal, FuzzState& state) {
  SetUpFuzzProcess();
  LM_ASSIGN(const std::unique_ptr<Arena> arena, Arena::Open(instance.instance, backing));
  return Batch(instance, options, *arena, journal, state).Run(seconds);
}

}  // namespace layermark
