#include "bench/gate/block.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "bench/gate/canary.h"
#include "bench/gate/planted.h"
#include "bench/harness/pair_loop.h"
#include "results/statistics.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using nlohmann::json;

// Median of log(B / A), pair by pair, and what goes with it.
void Summarise(const std::vector<double>& a, const std::vector<double>& b, json& answer) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] > 0 && b[i] > 0) ratios.push_back(std::log(b[i] / a[i]));
  }
  answer["pairs"] = ratios.size();
  if (ratios.empty()) return;
  answer["log_ratio"] = Median(std::move(ratios));
  answer["a_ns"] = Median(a);
  answer["b_ns"] = Median(b);
}

// Where a side goes wrong, `answer` says which.
Status RunSteps(const GateSide& a, const GateSide& b, const WorkloadChoice& choice,
                const BenchOptions& options, const BlockPlan& plan, json& answer) {
  std::mt19937_64 coin(plan.seed);
  std::unique_ptr<PreparedSide> sides[2];
  const bool b_first = (coin() & 1) != 0;
  for (const bool is_b : {b_first, !b_first}) {
    answer["b_side"] = is_b;
    LM_ASSIGN(sides[is_b ? 1 : 0], PreparedSide::Make(is_b ? b : a, choice, options));
  }
  Side* inner = sides[1]->workload().driver();
  if (sides[0]->workload().driver() == nullptr || inner == nullptr)
    return Internal("the workload has no operation to time");
  SlowedSide slowed(*inner, b.slowdown);
  Side& driver_b = b.slowdown > 0 ? static_cast<Side&>(slowed) : *inner;
  LM_ASSIGN(const std::string quiet_place, sides[0]->backing().NewDirectory("canary"));
  Canary canary(quiet_place);
  const Metric metric = GateMetric(choice.entry->info, a, b);
  PairPlan pairs;
  pairs.min_pairs = std::min(plan.min_pairs, choice.entry->info.gate.max_pairs);
  pairs.max_pairs = choice.entry->info.gate.max_pairs;
  pairs.seconds = plan.seconds;
  pairs.hard_seconds = std::max(plan.seconds * 6, 2.0);
  pairs.seed = coin();
  pairs.cpu_time = metric == Metric::cpu_time;
  const StealCounter before = ReadSteal();
  LM_TRY(canary.Sing());
  // The loop knows a driver and a raw twin: here A and B.
  LM_ASSIGN(const Samples samples, RunPairs(*sides[0]->workload().driver(), &driver_b, pairs));
  LM_TRY(canary.Sing());
  answer["steal"] = StealFraction(before, ReadSteal());
  answer["canaries"] = canary.LogRatios();
  answer["metric"] = Row(metric).name;
  Summarise(samples.at({"driver", metric}), samples.at({"raw", metric}), answer);
  for (const bool is_b : {true, false}) {
    answer["b_side"] = is_b;
    LM_TRY(sides[is_b ? 1 : 0]->Close());
  }
  return Status::Ok();
}

std::string Body(const GateSide& a, const GateSide& b, const WorkloadChoice& choice,
                 const BenchOptions& options, const BlockPlan& plan) {
  json answer;
  Status status;
  try {
    status = RunSteps(a, b, choice, options, plan, answer);
  } catch (const std::exception& e) {
    status = Internal(e.what());
  }
  answer["state"] = status.ok() ? "right" : IsWrongAnswer(status) ? "wrong" : "failed";
  answer["reason"] = status.ok() ? "" : status.ToString();
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

BlockAnswer Parse(const std::string& text) {
  BlockAnswer answer;
  answer.reason = "the worker's answer cannot be read";
  try {
    // A driver that goes wrong can write into the answer: a type that does not fit throws.
    const json in = json::parse(text);
    BlockAnswer read;
    const std::string state = in.at("state");
    read.reason = in.at("reason");
    read.b_side = in.value("b_side", false);
    read.state = state == "right"   ? BlockAnswer::State::kRight
                 : state == "wrong" ? BlockAnswer::State::kWrong
                                    : BlockAnswer::State::kFailed;
    if (read.state == BlockAnswer::State::kRight) {
      read.pairs = in.at("pairs");
      if (read.pairs == 0) {
        answer.reason = "the clock did not advance over the operation";
        return answer;
      }
      read.log_ratio = in.at("log_ratio");
      read.a_ns = in.at("a_ns");
      read.b_ns = in.at("b_ns");
      read.metric = in.at("metric");
      read.disturbance.canaries = in.at("canaries").get<std::vector<double>>();
      read.disturbance.steal_fraction = in.at("steal");
    }
    return read;
  } catch (const json::exception&) {
    return answer;
  }
}

}  // namespace

Metric GateMetric(const WorkloadInfo& info, const GateSide& a, const GateSide& b) {
  const auto daemon = [](const GateSide& side) {
    return side.instance.declared.Has(Capability::fuse_daemon);
  };
  return info.gate.clock == GateClock::kCpu && !daemon(a) && !daemon(b) ? Metric::cpu_time : Metric::latency;
}

std::optional<Lack> WhyNot(const GateSide& side, const WorkloadChoice& choice) {
  const WorkloadInfo& info = choice.entry->info;
  std::vector<Capability> needs = info.needs;
  for (const auto& [param, capability] : info.param_needs) {
    const auto chosen = choice.params.find(param.first);
    if (chosen != choice.params.end() && chosen->second == param.second) needs.push_back(capability);
  }
  return side.instance.WhyMissing(needs);
}

Result<std::unique_ptr<PreparedSide>> PreparedSide::Make(const GateSide& side, const WorkloadChoice& choice,
                                                         const BenchOptions& options) {
  auto prepared = std::make_unique<PreparedSide>();
  BackingSpec spec = side.instance.backing;
  spec.size_bytes = choice.entry->info.backing_bytes;
  spec.inodes = choice.entry->info.backing_inodes;
  LM_ASSIGN(Backing backing, Backing::Create(spec));
  prepared->backing_ = std::make_unique<Backing>(std::move(backing));
  WorkloadContext& context = prepared->context_;
  context.instance = &side.instance;
  context.backing = prepared->backing_.get();
  context.image = options.image;
  context.params = choice.params;
  context.seed = options.seed;
  context.profile = options.profile;
  LM_ASSIGN(prepared->workload_, choice.entry->make(context));
  LM_TRY(prepared->workload_->SetUp().WithContext("set-up"));
  const Status verified = prepared->workload_->Verify();
  if (!verified.ok() && !IsWrongAnswer(verified) && verified.code() != Code::kResourceExhausted)
    return WrongAnswer(verified.ToString()).WithContext("verification");
  LM_TRY(verified.WithContext("verification"));
  return prepared;
}

Status PreparedSide::Close() {
  LM_TRY(workload_->TearDown().WithContext("tear-down"));
  workload_.reset();
  return backing_->Close();
}

BlockAnswer RunBlock(const GateSide& a, const GateSide& b, const WorkloadChoice& choice,
                     const BenchOptions& options, const BlockPlan& plan) {
  WorkerJob job;
  job.body = [&] { return Body(a, b, choice, options, plan); };
  job.deadline = std::chrono::seconds(choice.entry->info.deadline_seconds);
  std::vector<WorkerJob> jobs;
  jobs.push_back(std::move(job));
  BlockAnswer answer;
  const Status ran = RunWorkers(std::move(jobs), 1, [&](const WorkerAnswer& worker) {
    if (worker.status.timed_out) {
      answer.reason = fmt::format("no answer after {:.0f} s", worker.seconds);
    } else if (!worker.status.success()) {
      answer.reason = fmt::format("the worker ended without an answer: {}", worker.status.ToString());
    } else {
      answer = Parse(worker.text);
    }
    answer.seconds = worker.seconds;
    return true;
  });
  if (!ran.ok()) answer.reason = ran.ToString();
  return answer;
}

}  // namespace layermark
