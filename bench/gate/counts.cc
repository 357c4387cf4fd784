#include "bench/gate/counts.h"

#include <fmt/core.h>
#include <sys/sysinfo.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "bench/gate/call_counter.h"
#include "core/sys/mount.h"
#include "results/accounting.h"
#include "results/text.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using nlohmann::json;
using State = BlockAnswer::State;

// What can be seen from outside at one moment.
Result<std::map<Metric, double>> Look(const Backing& backing) {
  LM_ASSIGN(const SpaceCount space, CountSpace(backing.path()));
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  return std::map<Metric, double>{{Metric::inodes, static_cast<double>(space.inodes)},
                                  {Metric::whiteouts, static_cast<double>(space.whiteouts)},
                                  {Metric::logical_bytes, static_cast<double>(space.logical_bytes)},
                                  {Metric::mounts_left, static_cast<double>(mounts.size())}};
}

void Keep(const std::string& when, const std::map<Metric, double>& from, const std::map<Metric, double>& to,
          Counts& counts) {
  for (const auto& [metric, value] : to)
    counts[fmt::format("{}.{}", when, Row(metric).name)] = value - from.at(metric);
}

Status CountOperation(PreparedSide& prepared, CallCounter& calls, Counts& counts) {
  Side* side = prepared.workload().driver();
  if (side == nullptr) return Status::Ok();
  Stopwatch unread;
  // Once to warm up: the first whiteout of a mount makes an inode that the others share, and so on.
  LM_TRY(side->Before());
  LM_TRY(side->Run(unread));
  LM_TRY(side->After());
  LM_ASSIGN(const auto before, Look(prepared.backing()));
  LM_TRY(calls.Start());
  LM_TRY(side->Before());
  Stopwatch unread_too;
  LM_TRY(side->Run(unread_too));
  LM_ASSIGN(const auto called, calls.Stop());
  for (const auto& [name, count] : called) counts["operation." + name] = static_cast<double>(count);
  LM_ASSIGN(const auto done, Look(prepared.backing()));
  LM_TRY(side->After());
  LM_ASSIGN(const auto after, Look(prepared.backing()));
  Keep("operation", before, done, counts);
  Keep("left", before, after, counts);
  return Status::Ok();
}

Status CountSide(const GateSide& side, const WorkloadChoice& choice, const BenchOptions& options,
                 Counts& counts) {
  CallCounter calls;  // before what it counts: a daemon of the set-up is to be counted as well
  LM_ASSIGN(std::unique_ptr<PreparedSide> prepared, PreparedSide::Make(side, choice, options));
  LM_ASSIGN(const auto set_up, Look(prepared->backing()));
  for (const auto& [metric, value] : set_up) {
    // How many mounts the worker was born with says nothing.
    if (metric != Metric::mounts_left) counts[fmt::format("setup.{}", Row(metric).name)] = value;
  }
  LM_TRY(CountOperation(*prepared, calls, counts));
  LM_ASSIGN(const Figures figures, prepared->workload().Account());
  for (const auto& [metric, value] : figures) {
    if (Row(metric).exact) counts[fmt::format("account.{}", Row(metric).name)] = value;
  }
  return prepared->Close();
}

std::string Body(const GateSide& side, const WorkloadChoice& choice, const BenchOptions& options) {
  Counts counts;
  Status status;
  try {
    status = CountSide(side, choice, options, counts);
  } catch (const std::exception& e) {
    status = Internal(e.what());
  }
  const json answer = {{"state", status.ok()             ? "right"
                                 : IsWrongAnswer(status) ? "wrong"
                                                         : "failed"},
                       {"reason", status.ok() ? "" : status.ToString()},
                       {"counts", counts}};
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

CountsAnswer Parse(const WorkerAnswer& worker) {
  CountsAnswer answer;
  if (!worker.status.success()) {
    answer.reason = fmt::format("the worker ended without an answer: {}", worker.status.ToString());
    return answer;
  }
  answer.reason = "the worker's answer cannot be read";
  try {
    const json in = json::parse(worker.text);
    const std::string state = in.at("state");
    CountsAnswer read;
    read.reason = in.at("reason");
    read.counts = in.at("counts").get<Counts>();
    read.state = state == "right" ? State::kRight : state == "wrong" ? State::kWrong : State::kFailed;
    return read;
  } catch (const json::exception&) {
    return answer;
  }
}

struct Ask {
  size_t choice;
  bool is_b;
};

// The answers to `asks`, in their order.
Result<std::vector<CountsAnswer>> CountAll(const GateSide& a, const GateSide& b,
                                           const std::vector<WorkloadChoice>& choices,
                                           const BenchOptions& options, const std::vector<Ask>& asks) {
  std::vector<WorkerJob> jobs;
  for (const Ask& ask : asks) {
    const WorkloadChoice& choice = choices[ask.choice];
    const GateSide& side = ask.is_b ? b : a;
    jobs.push_back({[&side, &choice, &options] { return Body(side, choice, options); },
                    std::chrono::seconds(choice.entry->info.deadline_seconds)});
  }
  std::vector<CountsAnswer> answers(asks.size());
  LM_TRY(RunWorkers(std::move(jobs), get_nprocs(), [&](const WorkerAnswer& worker) {
    answers[worker.index] = Parse(worker);
    return true;
  }));
  return answers;
}

bool Differ(const CountsAnswer& a, const CountsAnswer& b) {
  return a.state != State::kRight || b.state != State::kRight || a.counts != b.counts;
}

std::string Unit(const std::string& name) {
  const auto metric = MetricFromName(name.substr(name.find('.') + 1));
  return metric ? std::string(Row(*metric).unit) : "count";
}

// A count that both sides have, or one of them alone, under `name`.
GateRow JudgeOne(const GateRow& head, const std::string& name, std::optional<double> a,
                 std::optional<double> b, bool steady, CountRule rule) {
  GateRow row = head;
  row.metric = name;
  row.a_value = a;
  row.b_value = b;
  const auto text = [&](std::optional<double> v) { return v ? Humanly(*v, Unit(name)) : "none"; };
  const std::string change = fmt::format("{} on A, {} on B", text(a), text(b));
  if (rule == CountRule::kShow) {
    row.verdict = "pass";
    row.reason = change + ": shown, not judged";
  } else if (!steady) {
    row.verdict = "inconclusive";
    row.reason = change + "; counted again it was not the same, so that it is not exact here";
  } else if (rule == CountRule::kNoWorse && a && b && *b < *a) {
    row.verdict = "pass";
    row.improved = true;
    row.reason = change + ": fewer, which was said to be fine";
  } else {
    row.verdict = "regressed";
    row.reason = change + (a && b && *b < *a ? "; if fewer are meant: --counts no-worse" : "");
  }
  return row;
}

}  // namespace

std::vector<GateRow> JudgeCounts(const GateRow& head, const CountsAnswer& a, const CountsAnswer& b,
                                 const CountsAnswer* a_again, const CountsAnswer* b_again, CountRule rule) {
  GateRow row = head;
  row.tier = "counts";
  row.metric = "exact";
  // A that is wrong is no ground to stand on; B that is wrong where A is right has got worse.
  for (const auto& [answer, name] : {std::pair{&a, "A"}, std::pair{&b, "B"}}) {
    if (answer->state == State::kRight) continue;
    row.verdict = name == std::string("B") ? "regressed" : "inconclusive";
    row.reason = fmt::format("{}: {}", name, answer->reason);
    return {row};
  }
  std::set<std::string> names;
  for (const auto& [name, value] : a.counts) names.insert(name);
  for (const auto& [name, value] : b.counts) names.insert(name);
  const auto find = [](const Counts& counts, const std::string& name) -> std::optional<double> {
    const auto it = counts.find(name);
    return it == counts.end() ? std::nullopt : std::optional<double>(it->second);
  };
  std::vector<GateRow> rows;
  size_t agree = 0;
  for (const std::string& name : names) {
    const auto on_a = find(a.counts, name);
    const auto on_b = find(b.counts, name);
    if (on_a == on_b) {
      ++agree;
      continue;
    }
    const bool steady = a_again != nullptr && b_again != nullptr && find(a_again->counts, name) == on_a &&
                        find(b_again->counts, name) == on_b;
    rows.push_back(JudgeOne(row, name, on_a, on_b, steady, rule));
  }
  row.verdict = "pass";
  row.reason = fmt::format("{} counts agree", agree);
  row.a_value = row.b_value = static_cast<double>(agree);
  if (agree > 0) rows.push_back(row);
  return rows;
}

Status CompareCounts(const GateSide& a, const GateSide& b, const std::vector<WorkloadChoice>& choices,
                     const BenchOptions& options, CountRule rule, std::vector<GateRow>& rows) {
  std::vector<Ask> asks;
  for (size_t i = 0; i < choices.size(); ++i) {
    asks.push_back({i, false});
    asks.push_back({i, true});
  }
  LM_ASSIGN(const std::vector<CountsAnswer> first, CountAll(a, b, choices, options, asks));
  std::vector<Ask> again;
  std::map<size_t, size_t> place;  // of a choice's A in `again`; its B follows
  for (size_t i = 0; i < choices.size(); ++i) {
    if (!Differ(first[2 * i], first[2 * i + 1])) continue;
    place[i] = again.size();
    again.push_back({i, false});
    again.push_back({i, true});
  }
  LM_ASSIGN(const std::vector<CountsAnswer> second, CountAll(a, b, choices, options, again));
  for (size_t i = 0; i < choices.size(); ++i) {
    GateRow head;
    head.workload = choices[i].entry->info.name;
    head.params = choices[i].params;
    head.a = a.instance.place();
    head.b = b.instance.place();
    const auto at = place.find(i);
    const CountsAnswer* a_again = at == place.end() ? nullptr : &second[at->second];
    const CountsAnswer* b_again = at == place.end() ? nullptr : &second[at->second + 1];
    for (GateRow& row : JudgeCounts(head, first[2 * i], first[2 * i + 1], a_again, b_again, rule))
      rows.push_back(std::move(row));
  }
  return Status::Ok();
}

}  // namespace layermark
