#include "conformance/fuzz/fuzz.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "conformance/fuzz/batch.h"
#include "conformance/fuzz/calls.h"
#include "conformance/fuzz/program_text.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBatchSeconds = 3;
constexpr double kSlowBatchSeconds = 12;               // of a driver whose calls start a program each
constexpr auto kDeadline = std::chrono::seconds(120);  // a batch, and the shrinking of what it finds
constexpr double kHangSeconds = 20;                    // a worker whose step is younger was only slow
constexpr int kMaxDeaths = 5;                          // in a row: then nothing but deaths is to be had

// What a dead worker left on the backing; its mounts went with its namespace.
void TidyUp(const Backing& backing) {
  const Result<std::vector<std::string>> names = ListDir(AT_FDCWD, backing.path());
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (name != "lost+found") (void)RemoveTree(backing.path() + "/" + name);
  }
}

// A worker that did not answer: the step it was at is the finding.
std::optional<FuzzFinding> FindingOf(const Journal& journal, const ExitStatus& status) {
  const Result<FuzzProgram> program = ParseFuzzProgram(journal.Running());
  if (!program.ok()) return std::nullopt;
  FuzzFinding finding;
  finding.program = *program;
  finding.index = journal.index();
  OriginModel model(program->layers);
  finding.signature.operation = "layers";
  for (const FuzzStep& step : program->steps) {
    finding.signature.operation = RowOf(step.op).name;
    finding.signature.target = model.TargetOf(step);
    model.Apply(step, {});
  }
  finding.signature.expected = "an answer";
  finding.signature.seen = status.timed_out ? "none" : status.ToString();
  finding.detail = fmt::format("the process that ran this was ended: {}\n", status.ToString());
  return finding;
}

class Session {
 public:
  Session(const ExaminedInstance& instance, const FuzzOptions& options, Progress& progress, Backing& backing,
          Journal& journal, const std::function<void(const FuzzFinding&)>& found)
      : instance_(instance),
        options_(options),
        progress_(progress),
        backing_(backing),
        journal_(journal),
        found_(found) {}

  Status Run() {
    const Clock::time_point began = Clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
    int deaths = 0;
    while (passed() < options_.budget_seconds && deaths < kMaxDeaths) {
      const double seconds = std::clamp(options_.budget_seconds - passed(), 0.2, BatchSeconds());
      bool died = false;
      Status ours;
      const Status s = RunWorkers({Job(seconds)}, 1, [&](const WorkerAnswer& answer) {
        ours = Take(answer, &died);
        return true;
      });
      if (s.code() == Code::kCancelled || Interrupted()) {
        state_.result.interrupted = true;
        break;
      }
      LM_TRY(s);
      LM_TRY(ours);
      deaths = died ? deaths + 1 : 0;
      if (died) TidyUp(backing_);
      Step(passed());
    }
    return Status::Ok();
  }

  FuzzState& state() { return state_; }

 private:
  bool IsSlow() const {
    return instance_.instance.driver->call_deadline(instance_.instance.options).count() > 0;
  }
  // The first worker is short: it is known then what the mounts are.
  double BatchSeconds() const {
    return !IsSlow() ? kBatchSeconds : jobs_ == 0 ? 2 * kBatchSeconds : kSlowBatchSeconds;
  }

  // Which workers make calls of the contract, by number. Where a snapshot is an ordinary directory it is for
  // the driver's own calls to keep the files right: most of them. A union is asked for system calls above
  // all.
  bool MakesCalls(int64_t job) const {
    if (state_.result.ordinary) return job % 4 != 0;
    return job % (IsSlow() ? 4 : 8) == 3;
  }

  WorkerJob Job(double seconds) {
    WorkerJob job;
    job.deadline = kDeadline + instance_.instance.driver->call_deadline(instance_.instance.options);
    const bool calls = MakesCalls(jobs_++);
    calls_ = calls;
    job.body = [this, seconds, calls] {
      const Status s = calls ? RunCallBatch(instance_, backing_, options_, seconds, state_)
                             : RunBatch(instance_, backing_, options_, seconds, journal_, state_);
      return s.ok() ? EncodeState(state_) : "error " + s.ToString();
    };
    return job;
  }

  Status Take(const WorkerAnswer& answer, bool* died) {
    const size_t before = state_.result.findings.size();
    if (answer.text.starts_with("error ")) return Internal(answer.text.substr(6));
    *died = !answer.status.success() || !DecodeState(answer.text, state_).ok();
    // What calls it was at stands in no journal: on with the next program, unless workers only die.
    if (*died && calls_) {
      ++state_.next_calls;
      return Status::Ok();
    }
    if (*died) {
      state_.next_index = journal_.index() + 1;
      if (answer.status.timed_out && journal_.IdleSeconds() < kHangSeconds) return Status::Ok();
      std::optional<FuzzFinding> finding = FindingOf(journal_, answer.status);
      if (!finding) return Internal("a worker ended without an answer: " + answer.status.ToString());
      if (FindAccepted(options_.expected, instance_, finding->signature) == nullptr &&
          state_.known.insert(finding->signature.ToText()).second) {
        state_.result.findings.push_back(std::move(*finding));
      }
    }
    for (size_t i = before; i < state_.result.findings.size(); ++i) found_(state_.result.findings[i]);
    return Status::Ok();
  }

  // Progress is counted in seconds of the budget.
  void Step(double passed) {
    for (; told_ < passed && told_ < options_.budget_seconds; told_ += 1) {
      progress_.Step(fmt::format("{} programs, {} steps, {} findings", state_.result.programs,
                                 state_.result.steps, state_.result.findings.size()));
    }
  }

  const ExaminedInstance& instance_;
  const FuzzOptions& options_;
  Progress& progress_;
  Backing& backing_;
  Journal& journal_;
  const std::function<void(const FuzzFinding&)>& found_;
  FuzzState state_;
  double told_ = 0;
  int64_t jobs_ = 0;
  bool calls_ = false;  // the last of them makes calls of the contract
};

}  // namespace

Result<FuzzResult> Fuzz(const ExaminedInstance& instance, const FuzzOptions& options, Progress& progress,
                        const std::function<void(const FuzzFinding&)>& found) {
  progress.Begin(
      fmt::format("fuzz {} on {}, seed {}", instance.instance.name(), instance.backing.name(), options.seed),
      static_cast<size_t>(std::max(options.budget_seconds, 1.0)));
  LM_ASSIGN(Backing backing, Backing::Create(instance.backing));
  LM_ASSIGN(Journal journal, Journal::Create());
  Session session(instance, options, progress, backing, journal, found);
  const Status s = session.Run();
  FuzzResult result = std::move(session.state().result);
  progress.End(fmt::format("{} programs, {} steps, {} findings", result.programs, result.steps,
                           result.findings.size()));
  LM_TRY(s);
  LM_TRY(backing.Close());
  return result;
}

Result<ReplayResult> Replay(const ExaminedInstance& instance, const FuzzProgram& program,
                            const std::vector<ExpectedFailure>& expected, const std::string& wanted) {
  LM_ASSIGN(Backing backing, Backing::Create(instance.backing));
  LM_ASSIGN(Journal journal, Journal::Create());
  WorkerJob job;
  job.deadline = kDeadline + instance.instance.driver->call_deadline(instance.instance.options);
  job.body = [&]() -> std::string {
    SetUpFuzzProcess();
    FuzzState state;
    Result<std::unique_ptr<Arena>> arena = Arena::Open(instance.instance, backing);
    if (!arena.ok()) return "error " + arena.status().ToString();
    std::vector<Outcome> outcomes;
    journal.Begin(0, program.layers);
    Result<std::optional<Mismatch>> result = (*arena)->Begin(program.layers, !AsksAboutLayers(program));
    for (size_t i = 0; result.ok() && !result->has_value() && i < program.steps.size(); ++i) {
      journal.Add(program.steps[i]);
      Outcome outcome;
      result = (*arena)->Run(program.steps[i], i, &outcome);
      if (result.ok() && !result->has_value()) outcomes.push_back(std::move(outcome));
    }
    journal.End();
    Result<std::optional<Mismatch>> end = (*arena)->Finish(program.steps.size());
    if (result.ok() && !result->has_value()) result = std::move(end);
    if (Status s = (*arena)->Discard(); result.ok() && !s.ok()) return "error " + s.ToString();
    if (!result.ok()) return "error " + result.status().ToString();
    state.result.mount = UnionMountOf((*arena)->mounts());
    if (result->has_value()) {
      // Of several differences the first that is not accepted.
      const std::vector<Signature> all = SignaturesOf(program, **result, outcomes);
      Signature chosen = all[0];
      for (auto it = all.rbegin(); it != all.rend(); ++it) {
        if (FindAccepted(expected, instance, *it) == nullptr) chosen = *it;
      }
      for (const Signature& signature : all) {
        if (signature.ToText() == wanted) chosen = signature;
      }
      state.result.findings.push_back({chosen, program, "", Describe(**result), (*result)->step});
    }
    return EncodeState(state);
  };
  ReplayResult replay;
  Status ours;
  std::vector<WorkerJob> jobs;
  jobs.push_back(std::move(job));
  LM_TRY(RunWorkers(std::move(jobs), 1, [&](const WorkerAnswer& answer) {
    FuzzState state;
    if (answer.text.starts_with("error ")) {
      ours = Internal(answer.text.substr(6));
    } else if (answer.status.success() && DecodeState(answer.text, state).ok()) {
      replay.differs = !state.result.findings.empty();
      replay.mount = state.result.mount;
      if (replay.differs) replay.finding = state.result.findings[0];
    } else if (std::optional<FuzzFinding> finding = FindingOf(journal, answer.status)) {
      replay.differs = true;
      replay.finding = std::move(*finding);
    } else {
      ours = Internal("the worker ended without an answer: " + answer.status.ToString());
    }
    return true;
  }));
  LM_TRY(ours);
  if (replay.differs) {
    if (const ExpectedFailure* accepted = FindAccepted(expected, instance, replay.finding.signature)) {
      replay.accepted = true;
      replay.cause = accepted->cause;
    }
  }
  LM_TRY(backing.Close());
  return replay;
}

Result<ReplayResult> ReplayCalls(const ExaminedInstance& instance, const std::string& calls,
                                 const std::vector<ExpectedFailure>& expected) {
  LM_ASSIGN(const CallProgram program, ParseCallProgram(calls));
  LM_ASSIGN(Backing backing, Backing::Create(instance.backing));
  WorkerJob job;
  job.deadline = kDeadline + instance.instance.driver->call_deadline(instance.instance.options);
  job.body = [&]() -> std::string {
    SetUpFuzzProcess();
    Result<std::optional<FuzzFinding>> found = RunCalls(instance, backing, program);
    if (!found.ok()) return "error " + found.status().ToString();
    FuzzState state;
    if (*found) state.result.findings.push_back(std::move(**found));
    return EncodeState(state);
  };
  ReplayResult replay;
  Status ours;
  std::vector<WorkerJob> jobs;
  jobs.push_back(std::move(job));
  LM_TRY(RunWorkers(std::move(jobs), 1, [&](const WorkerAnswer& answer) {
    FuzzState state;
    if (!answer.status.success() || !DecodeState(answer.text, state).ok()) {
      ours = Internal(answer.text.empty() ? "the worker ended without an answer: " + answer.status.ToString()
                                          : answer.text);
    } else if (!state.result.findings.empty()) {
      replay.differs = true;
      replay.finding = state.result.findings[0];
    }
    return true;
  }));
  LM_TRY(ours);
  if (replay.differs) {
    if (const ExpectedFailure* accepted = FindAccepted(expected, instance, replay.finding.signature)) {
      replay.accepted = true;
      replay.cause = accepted->cause;
    }
  }
  LM_TRY(backing.Close());
  return replay;
}

}  // namespace layermark
