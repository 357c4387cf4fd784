#include "bench/gate/gate.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "bench/gate/call_counter.h"
#include "core/glob.h"
#include "results/statistics.h"
#include "scenario/kernel_log.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

GateRow HeadOf(const GateSide& a, const GateSide& b, const WorkloadChoice& choice, const std::string& tier) {
  GateRow row;
  row.workload = choice.entry->info.name;
  row.params = choice.params;
  row.a = a.instance.place();
  row.b = b.instance.place();
  row.tier = tier;
  return row;
}

// One row for a workload that a side cannot run, none where both can.
std::optional<GateRow> Lacking(const GateSide& a, const GateSide& b, const WorkloadChoice& choice) {
  const std::optional<Lack> on_a = WhyNot(a, choice);
  const std::optional<Lack> on_b = WhyNot(b, choice);
  if (!on_a && !on_b) return std::nullopt;
  GateRow row = HeadOf(a, b, choice, "counts");
  row.metric = "exact";
  // What A could do and B cannot is lost.
  row.verdict = on_a ? "not_run" : "regressed";
  row.reason = on_a ? "A: " + on_a->reason : "B: " + on_b->reason;
  return row;
}

// The timing tier.
class Timing {
 public:
  Timing(const GateSide& a, const GateSide& b, std::vector<WorkloadChoice> choices,
         const GateOptions& options, Progress& progress)
      : a_(a),
        b_(b),
        choices_(std::move(choices)),
        options_(options),
        progress_(progress),
        suite_(options.plan, choices_.size()),
        seen_(choices_.size()),
        random_(options.bench.seed) {}

  void Run() {
    progress_.Begin("gate", choices_.size());
    while (!suite_.Decided()) {
      if (!RunRound()) {
        suite_.GiveUpAll(Interrupted() ? "interrupted" : "the budget is used up");
        break;
      }
      std::vector<bool> open;
      for (size_t i = 0; i < choices_.size(); ++i) open.push_back(suite_.Wanted(i) > 0);
      suite_.Look();
      for (size_t i = 0; i < choices_.size(); ++i) {
        if (open[i] && suite_.result(i).verdict) Say(i);
      }
    }
    progress_.End("");
  }

  void AddRows(std::vector<GateRow>& rows) const {
    for (size_t i = 0; i < choices_.size(); ++i) rows.push_back(RowOf(i));
  }

 private:
  struct Seen {
    int64_t pairs = 0;
    std::vector<double> a_ns, b_ns;
    bool b_broke = false;  // B was wrong where A was right
  };
  struct Block {
    size_t workload;
    BlockAnswer answer;
  };

  // Blocks until every open workload has what the next look wants. False: no time is left.
  bool RunRound() {
    for (;;) {
      std::vector<size_t> wanted;
      for (size_t i = 0; i < choices_.size(); ++i) {
        const size_t have = suite_.values(i).size();
        for (size_t k = have; k < suite_.Wanted(i); ++k) wanted.push_back(i);
      }
      if (wanted.empty()) return true;
      std::shuffle(wanted.begin(), wanted.end(), random_);
      std::vector<Block> done;
      bool time_left = true;
      for (const size_t i : wanted) {
        if (Interrupted() || OutOfTime()) {
          time_left = false;
          break;
        }
        if (suite_.Wanted(i) == 0) continue;  // given up meanwhile
        RunOne(i, done);
      }
      Judge(done);
      if (!time_left) return false;
    }
  }

  bool OutOfTime() const { return options_.budget_seconds > 0 && Since(began_) > options_.budget_seconds; }

  double BlockSeconds() const {
    constexpr double kUsual = 0.4;
    constexpr double kSetUp = 0.5;  // both sides, about
    if (options_.budget_seconds <= 0) return kUsual;
    // Room for the first two looks of all, if the time allows.
    const double each = options_.budget_seconds / (16.0 * static_cast<double>(choices_.size()));
    return std::clamp(each - kSetUp, 0.1, kUsual);
  }

  void RunOne(size_t i, std::vector<Block>& done) {
    BlockPlan plan;
    plan.seed = random_();
    plan.seconds = BlockSeconds();
    BlockAnswer answer = RunBlock(a_, b_, choices_[i], options_.bench, plan);
    if (answer.state == BlockAnswer::State::kRight) {
      done.push_back({i, std::move(answer)});
      return;
    }
    if (Interrupted()) return;
    // Something that fails once may be the machine's; B that fails where A does not, twice, is B's.
    const BlockAnswer again = RunBlock(a_, b_, choices_[i], options_.bench, plan);
    if (again.state == BlockAnswer::State::kRight) {
      done.push_back({i, again});
      return;
    }
    seen_[i].b_broke = again.b_side && answer.b_side;
    suite_.GiveUp(i, fmt::format("{}: {}", again.b_side ? "B" : "A", again.reason));
    Say(i);
  }

  // Keeps the round's blocks or drops them, by what all blocks so far met beside their own pairs.
  void Judge(std::vector<Block>& done) {
    const size_t first = met_.size();
    for (const Block& block : done) met_.push_back(block.answer.disturbance);
    const std::vector<bool> disturbed = DisturbedBlocks(met_);
    for (size_t k = 0; k < done.size(); ++k) {
      const size_t i = done[k].workload;
      if (suite_.Wanted(i) == 0) continue;
      if (disturbed[first + k]) {
        suite_.Discard(i);
        if (suite_.TooDisturbed(i)) {
          suite_.GiveUp(i, "the machine disturbed more than a fifth of the blocks");
          Say(i);
        }
        continue;
      }
      const BlockAnswer& answer = done[k].answer;
      suite_.Add(i, answer.log_ratio);
      seen_[i].pairs += answer.pairs;
      seen_[i].a_ns.push_back(answer.a_ns);
      seen_[i].b_ns.push_back(answer.b_ns);
      if (options_.on_block) options_.on_block(choices_[i], answer);
    }
  }

  void Say(size_t i) {
    progress_.Step(fmt::format("{} {}: {}", choices_[i].entry->info.name, ParamsText(choices_[i].params),
                               VerdictName(*suite_.result(i).verdict)));
  }

  GateRow RowOf(size_t i) const {
    const TimingResult& r = suite_.result(i);
    GateRow row = HeadOf(a_, b_, choices_[i], "timing");
    row.metric = Row(GateMetric(choices_[i].entry->info, a_, b_)).name;
    row.verdict =
        seen_[i].b_broke ? "regressed" : VerdictName(r.verdict.value_or(GateVerdict::kInconclusive));
    row.reason = r.reason;
    row.blocks = static_cast<int64_t>(r.blocks);
    row.discarded_blocks = static_cast<int64_t>(r.discarded);
    row.pairs = seen_[i].pairs;
    row.underpowered = r.underpowered;
    row.improved = r.improved;
    if (r.blocks == 0) return row;
    row.a_value = Median(seen_[i].a_ns);
    row.b_value = Median(seen_[i].b_ns);
    row.effect_ratio = r.effect;
    if (r.ci95) {
      row.ci95_low = r.ci95->low;
      row.ci95_high = r.ci95->high;
    }
    row.noise_ratio = r.sigma;
    row.mde_ratio = r.mde;
    row.p_regressed = r.p_regressed;
    row.p_adjusted = r.p_adjusted;
    row.p_pass = r.p_pass;
    return row;
  }

  const GateSide& a_;
  const GateSide& b_;
  const std::vector<WorkloadChoice> choices_;
  const GateOptions& options_;
  Progress& progress_;
  GateSuite suite_;
  std::vector<Seen> seen_;
  std::vector<Disturbance> met_;
  std::mt19937_64 random_;
  const Clock::time_point began_ = Clock::now();
};

bool HasOperation(const WorkloadChoice& choice) {
  return !choice.entry->info.operation.empty() && choice.entry->info.gate.timed;
}

// A note and no verdict: the log is the whole machine's, and `check` and `bench` judge by it, each driver
// alone.
void WatchKernel(Result<KernelLog>& log, GateResult& result) {
  if (!log.ok()) return;
  const Result<std::vector<std::string>> problems = log->NewProblems();
  if (!problems.ok() || problems->empty()) return;
  result.notes.push_back(
      fmt::format("kernel log meanwhile: {}{}", problems->front(),
                  problems->size() > 1 ? fmt::format(" (and {} more)", problems->size() - 1) : ""));
}

// What A fails at for want of root becomes "not run", and is said in one sentence.
void LeaveOut(const std::string& restriction, GateResult& result) {
  std::string names;
  for (GateRow& row : result.rows) {
    if (row.verdict == "inconclusive" && row.metric == "exact") row.verdict = "not_run";
    if (row.verdict == "not_run") names += " " + row.workload;
  }
  result.notes.push_back("without root: " + restriction + "; no calls are counted" +
                         (names.empty() ? "" : ". Not gated for that:" + names));
}

}  // namespace

GateVerdict GateResult::verdict() const {
  if (CountOf("regressed") > 0) return GateVerdict::kRegressed;
  const bool all = !rows.empty() && CountOf("inconclusive") == 0 && CountOf("not_run") < rows.size();
  return all ? GateVerdict::kPass : GateVerdict::kInconclusive;
}

size_t GateResult::CountOf(const std::string& verdict) const {
  return static_cast<size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const GateRow& row) { return row.verdict == verdict; }));
}

std::vector<WorkloadChoice> GatedChoices(const std::vector<std::string>& filters) {
  std::vector<WorkloadChoice> choices;
  for (const WorkloadEntry& entry : AllWorkloads()) {
    if (!AnyGlobMatch(filters, {entry.info.name, entry.info.family})) continue;
    for (const Params& params : entry.info.gate.choices) choices.push_back({&entry, params});
  }
  return choices;
}

GateResult RunGate(const GateSide& a, const GateSide& b, const std::vector<WorkloadChoice>& choices,
                   const GateOptions& options, Progress& progress) {
  GateResult result;
  Result<KernelLog> log = KernelLog::OpenAtEnd();
  const Clock::time_point began = Clock::now();
  std::vector<WorkloadChoice> both;
  for (const WorkloadChoice& choice : choices) {
    if (std::optional<GateRow> row = Lacking(a, b, choice)) {
      result.rows.push_back(std::move(*row));
    } else {
      both.push_back(choice);
    }
  }
  if (const CallCounter calls; !calls.why_not().empty())
    result.notes.push_back("system calls and FUSE requests are not counted here: " + calls.why_not());
  if (const Status s = CompareCounts(a, b, both, options.bench, options.counts, result.rows); !s.ok())
    result.notes.push_back(fmt::format("the counts ended early: {}", s.ToString()));
  if (!options.restriction.empty()) LeaveOut(options.restriction, result);
  WatchKernel(log, result);
  result.counts_seconds = Since(began);
  const size_t worse = result.CountOf("regressed");
  if (!options.timing || Interrupted()) return result;
  if (worse > 0 && !options.keep_going) {
    result.notes.push_back(
        "nothing was timed, since the counts have the verdict already; --keep-going times too");
    return result;
  }
  // A workload whose sides are not both right has no time.
  std::erase_if(both, [&](const WorkloadChoice& choice) {
    const bool broken = std::any_of(result.rows.begin(), result.rows.end(), [&](const GateRow& row) {
      return row.workload == choice.entry->info.name && row.params == choice.params &&
             row.metric == "exact" && row.verdict != "pass";
    });
    return broken || !HasOperation(choice);
  });
  if (both.empty()) return result;
  GateOptions rest = options;
  if (options.budget_seconds > 0)
    rest.budget_seconds = std::max(options.budget_seconds - result.counts_seconds, 0.1);
  const Clock::time_point timing_began = Clock::now();
  Timing timing(a, b, both, rest, progress);
  timing.Run();
  timing.AddRows(result.rows);
  WatchKernel(log, result);
  result.timing_seconds = Since(timing_began);
  return result;
}

}  // namespace layermark
