#include "bench/harness/run_one.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/skip_code.h"
#include "core/sys/owners.h"
#include "scenario/worker.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

using nlohmann::json;

struct Outcome {
  Status status;
  bool began = false;  // the backing was there; what goes wrong from here on is a failure, not a gap
  bool verified = false;
  std::string shrunk;        // of the backing
  std::optional<Lack> lack;  // what the workload's own probe missed
  Samples samples;
  Figures figures;
  std::vector<OperationCount> counts;
};

// The text `name` of an object, "" where it has none; nullopt for anything else.
std::optional<std::string> TextOf(const json& object, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(name);
  if (found == object.end()) return "";
  if (!found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// A call that fails where the answer is looked at is no right answer either. Want of room is the machine's.
Status Judged(const Status& verified) {
  if (verified.ok() || IsWrongAnswer(verified) || verified.code() == Code::kResourceExhausted)
    return verified;
  return WrongAnswer(verified.ToString());
}

// What the backing must hold of the run's image.
int64_t ImageRoom(const WorkloadInfo& info, const WorkloadContext& context) {
  if (context.image == nullptr) return 0;
  ImageCopies copies = info.image;
  if (!info.image_trees_param.empty()) copies.trees += context.Number(info.image_trees_param);
  return RoomForImage(*context.image, copies, context.instance->Has(Capability::shares_bytes));
}

Status CountSides(OperationCounters& counters, Side& driver, Side* raw, std::vector<OperationCount>& counts) {
  Result<std::vector<OperationCount>> of_driver = counters.Count(driver, "driver");
  LM_TRY(of_driver.status().WithContext("counting"));
  counts = *std::move(of_driver);
  if (raw == nullptr) return Status::Ok();
  Result<std::vector<OperationCount>> of_raw = counters.Count(*raw, "raw");
  LM_TRY(of_raw.status().WithContext("counting the raw twin"));
  counts.insert(counts.end(), of_raw->begin(), of_raw->end());
  return Status::Ok();
}

// A count as part of the answer, and back; nullopt for anything else.
json ToJson(const OperationCount& count) {
  json out = {{"metric", Row(count.metric).name}, {"side", count.side}, {"reason", count.reason}};
  out["exact"] = count.exact;
  out["breakdown"] = count.breakdown;
  if (count.value) out["value"] = *count.value;
  return out;
}

std::optional<OperationCount> CountFrom(const json& object) {
  const std::optional<std::string> name = TextOf(object, "metric");
  const std::optional<std::string> side = TextOf(object, "side");
  const std::optional<std::string> reason = TextOf(object, "reason");
  if (!name || !side || !reason || !MetricFromName(*name)) return std::nullopt;
  OperationCount count{*MetricFromName(*name), *side, {}, object.value("exact", json()) == true, {}, *reason};
  if (const json value = object.value("value", json()); value.is_number()) count.value = value.get<double>();
  const json parts = object.value("breakdown", json::object());
  if (!parts.is_object()) return std::nullopt;
  for (const auto& [part, number] : parts.items()) {
    if (!number.is_number_integer()) return std::nullopt;
    count.breakdown[part] = number.get<int64_t>();
  }
  return count;
}

// What is counted on the run's backing says nothing where the snapshots lie elsewhere.
void LeaveOutSpace(Outcome& outcome) {
  constexpr const char* kWhy = "a daemon keeps the snapshots, and not on the run's backing";
  for (const Metric metric :
       {Metric::pool_bytes, Metric::allocated_bytes, Metric::inodes, Metric::whiteouts, Metric::logical_bytes,
        Metric::own_bytes, Metric::shared_bytes, Metric::moved_bytes, Metric::leaked_inodes}) {
    if (outcome.figures.erase(metric) > 0)
      outcome.counts.push_back({metric, "driver", {}, Row(metric).exact, {}, kWhy});
  }
  for (OperationCount& count : outcome.counts) {
    const bool of_backing = count.metric == Metric::inodes_left || count.metric == Metric::whiteouts_left ||
                            count.metric == Metric::stored_left_bytes ||
                            count.metric == Metric::copied_bytes ||
                            count.metric == Metric::allocated_left_bytes || count.metric == Metric::flushes ||
                            count.metric == Metric::device_bytes;
    if (!of_backing || count.side != "driver" || !count.value) continue;
    count.value.reset();
    count.breakdown.clear();
    count.reason = kWhy;
  }
}

Status RunSteps(const ExaminedInstance& instance, const WorkloadChoice& choice, const BenchOptions& options,
                const PairPlan& plan, Outcome& outcome) {
  const WorkloadInfo& info = choice.entry->info;
  BackingSpec spec = instance.backing;
  spec.size_bytes = info.backing_bytes;
  spec.inodes = info.backing_inodes;
  WorkloadContext context;
  context.instance = &instance;
  context.image = options.image;
  context.params = choice.params;
  context.seed = options.seed;
  context.profile = options.profile;
  LM_ASSIGN(Backing backing, CreateBackingWithRoom(spec, ImageRoom(info, context)));
  context.backing = &backing;
  outcome.began = true;
  outcome.shrunk = backing.shrunk();
  if (info.probe != nullptr) {
    outcome.lack = info.probe(context);
    if (outcome.lack) return FailedPrecondition(outcome.lack->reason);
  }
  {
    OperationCounters counters(backing);
    LM_ASSIGN(std::unique_ptr<Workload> workload, choice.entry->make(context));
    LM_TRY(workload->SetUp().WithContext("set-up"));
    LM_TRY(Judged(workload->Verify()).WithContext("verification"));
    outcome.verified = true;
    // Before the pairs: how many of those there are is a matter of time, and a count must not depend on it.
    if (Side* driver = workload->driver())
      LM_TRY(CountSides(counters, *driver, workload->raw(), outcome.counts));
    counters.BeginClose();
    if (Side* driver = workload->driver()) {
      Result<Samples> samples = RunPairs(*driver, workload->raw(), plan);
      LM_TRY(samples.status().WithContext("measurement"));
      outcome.samples = *std::move(samples);
    }
    Result<Figures> figures = workload->Account();
    LM_TRY(figures.status().WithContext("accounting"));
    outcome.figures = *std::move(figures);
    for (const auto& [metric, why] : workload->Missing()) {
      if (!outcome.figures.contains(metric))
        outcome.counts.push_back({metric, "driver", {}, Row(metric).exact, {}, why});
    }
    LM_TRY(workload->TearDown().WithContext("tear-down"));
  }
  if (instance.instance.driver->behind_a_daemon()) LeaveOutSpace(outcome);
  return backing.Close();
}

}  // namespace

PairPlan PlanFor(const WorkloadChoice& choice, const BenchOptions& options) {
  const WorkloadInfo& info = choice.entry->info;
  const double profile_scale = options.profile == "smoke" ? 0.25 : options.profile == "full" ? 8.0 : 1.0;
  PairPlan plan;
  // Six, because a median of fewer has no interval.
  plan.min_pairs = options.profile == "smoke" ? std::min(info.min_pairs, 3) : std::max(info.min_pairs, 6);
  plan.max_pairs = options.profile == "full" ? info.max_pairs * 8 : info.max_pairs;
  plan.seconds = info.seconds_quick * profile_scale * options.time_scale;
  // Slow operations stop after a few times their share, so that one choice cannot eat the others' time.
  plan.hard_seconds =
      std::min(0.5 * info.deadline_seconds, std::max({1.0, plan.seconds * 5, info.hard_seconds}));
  plan.seed = options.seed;
  return plan;
}

std::string RunOne(const ExaminedInstance& instance, const WorkloadChoice& choice,
                   const BenchOptions& options, const PairPlan& plan) {
  Outcome outcome;
  (void)TakeUnmappedOwner();  // what came before the fork is not this workload's
  try {
    outcome.status = RunSteps(instance, choice, options, plan, outcome);
  } catch (const std::exception& e) {
    outcome.status = Internal(e.what());
  }
  // Inside a user namespace there are owners that nobody can have, whatever the driver. A wrong answer stays
  // one.
  const std::optional<std::string> owner = TakeUnmappedOwner();
  if (owner && !outcome.status.ok() && !IsWrongAnswer(outcome.status)) {
    outcome.lack =
        Lack{SkipCodeName(SkipCode::privilege_missing),
             fmt::format("the workload needs the owner {}, whom this user namespace does not map", *owner)};
    outcome.status = Unimplemented(outcome.lack->reason);
  }
  json answer;
  answer["reason"] = outcome.status.ok() ? outcome.shrunk : outcome.status.ToString();
  // A time counts only if the answer was right and everything after it worked.
  answer["verdict"] = outcome.status.ok() ? "right" : IsWrongAnswer(outcome.status) ? "wrong" : "not_run";
  // What the driver lacks is known before a worker begins, so that a call that it refuses now is a finding
  // too.
  answer["failed"] = outcome.began && !outcome.lack && answer["verdict"] == "not_run";
  if (outcome.lack) {
    answer["reason"] = outcome.lack->reason;
    answer["skip_code"] = outcome.lack->code;
  }
  answer["samples"] = json::array();
  if (outcome.status.ok()) {
    for (const auto& [key, values] : outcome.samples) {
      answer["samples"].push_back(
          {{"side", key.first}, {"metric", Row(key.second).name}, {"values", values}});
    }
    for (const auto& [metric, value] : outcome.figures)
      answer["figures"][std::string(Row(metric).name)] = value;
    for (const OperationCount& count : outcome.counts) answer["counts"].push_back(ToJson(count));
  }
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

OneAnswer ParseAnswer(const std::string& text) {
  // A driver that goes wrong can write into the worker's memory, and so into its answer: no type is taken for
  // granted.
  const json parsed = json::parse(text, nullptr, false);
  OneAnswer answer;
  answer.reason = "the worker's answer cannot be read";
  answer.skip_code = SkipCodeName(SkipCode::not_begun);
  answer.failed = true;
  if (!parsed.is_object()) return answer;
  const json all_samples = parsed.value("samples", json::array());
  const json all_figures = parsed.value("figures", json::object());
  const json all_counts = parsed.value("counts", json::array());
  const std::optional<std::string> skip_code = TextOf(parsed, "skip_code");
  if (!all_counts.is_array() || !TextOf(parsed, "verdict") || !TextOf(parsed, "reason") || !skip_code ||
      !all_samples.is_array() || !all_figures.is_object() ||
      !parsed.value("failed", json(false)).is_boolean()) {
    return answer;
  }
  Samples samples;
  for (const json& series : all_samples) {
    const std::optional<std::string> side = TextOf(series, "side");
    const std::optional<std::string> name = TextOf(series, "metric");
    const json values = series.is_object() ? series.value("values", json::array()) : json();
    if (!side || !name || !values.is_array() ||
        !std::all_of(values.begin(), values.end(), [](const json& v) { return v.is_number(); })) {
      return answer;
    }
    if (const auto metric = MetricFromName(*name))
      samples[{*side, *metric}] = values.get<std::vector<double>>();
  }
  std::vector<OperationCount> counts;
  for (const json& one : all_counts) {
    std::optional<OperationCount> count = CountFrom(one);
    if (!count) return answer;
    counts.push_back(*std::move(count));
  }
  const std::string verdict = *TextOf(parsed, "verdict");
  answer.verdict = verdict == "right"   ? WorkloadVerdict::kRight
                   : verdict == "wrong" ? WorkloadVerdict::kWrong
                                        : WorkloadVerdict::kNotRun;
  answer.reason = *TextOf(parsed, "reason");
  answer.failed = parsed.value("failed", false);
  if (answer.verdict != WorkloadVerdict::kNotRun) {
    answer.skip_code.clear();
  } else if (!answer.failed) {
    // Without a probe's word, what it does not get is a backing that fits.
    answer.skip_code = IsSkipCode(*skip_code) ? *skip_code : std::string(SkipCodeName(SkipCode::budget));
  }
  answer.samples = std::move(samples);
  answer.counts = std::move(counts);
  for (const auto& [name, value] : all_figures.items()) {
    if (const auto metric = MetricFromName(name); metric && value.is_number())
      answer.figures[*metric] = value;
  }
  return answer;
}

OneAnswer RunInWorker(const ExaminedInstance& instance, const WorkloadChoice& choice,
                      const BenchOptions& options, const PairPlan& plan,
                      const std::function<void()>& meanwhile) {
  OneAnswer answer;
  const WorkloadInfo& info = choice.entry->info;
  if (!instance.reached) {
    answer.skip_code = SkipCodeName(SkipCode::interrupted);
    answer.reason = kInterruptedBeforeItRan;
    return answer;
  }
  if (!instance.available) {
    answer.skip_code = SkipCodeName(SkipCode::driver_unavailable);
    answer.reason = fmt::format("driver cannot run here: {}", instance.reason);
    return answer;
  }
  std::vector<Capability> needs = info.needs;
  for (const auto& [param, capability] : info.param_needs) {
    const auto chosen = choice.params.find(param.first);
    if (chosen != choice.params.end() && chosen->second == param.second) needs.push_back(capability);
  }
  if (auto why = instance.WhyMissing(needs)) {
    answer.skip_code = why->code;
    answer.reason = why->reason;
    return answer;
  }
  if (Interrupted()) {
    answer.skip_code = SkipCodeName(SkipCode::interrupted);
    answer.reason = kInterruptedBeforeItRan;
    return answer;
  }
  WorkerJob job;
  job.body = [&] { return RunOne(instance, choice, options, plan); };
  job.deadline = std::chrono::seconds(info.deadline_seconds * (options.profile == "full" ? 4 : 1));
  std::vector<WorkerJob> jobs;
  jobs.push_back(std::move(job));
  answer.skip_code = SkipCodeName(SkipCode::not_begun);
  const auto take = [&](const WorkerAnswer& worker) {
    if (worker.status.timed_out) {
      answer.failed = true;
      answer.reason = fmt::format("no answer after {:.0f} s", worker.seconds);
    } else if (!worker.status.success()) {
      answer.failed = true;
      answer.reason = fmt::format("the worker ended without an answer: {}", worker.status.ToString());
    } else {
      answer = ParseAnswer(worker.text);
    }
    answer.seconds = worker.seconds;
    return true;
  };
  const Status ran = RunWorkers(std::move(jobs), 1, take, meanwhile);
  if (!ran.ok()) {
    answer.failed = ran.code() != Code::kCancelled;
    answer.skip_code = SkipCodeName(answer.failed ? SkipCode::not_begun : SkipCode::interrupted);
    answer.reason = answer.failed ? ran.ToString() : "interrupted while it ran";
  }
  return answer;
}

}  // namespace layermark
