#include "conformance/support/harness.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "core/glob.h"
#include "drivers/breach.h"
#include "scenario/kernel_log.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using nlohmann::json;

std::vector<std::string> SplitSources(const std::string& source) {
  std::vector<std::string> ids;
  std::stringstream stream(source);
  std::string id;
  while (std::getline(stream, id, ';')) {
    const size_t begin = id.find_first_not_of(' ');
    if (begin != std::string::npos) ids.push_back(id.substr(begin));
  }
  return ids;
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

// As a shell reads it back.
std::string InQuotes(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// A program that hangs costs its deadline in each case; after so many cases the rest is not asked.
constexpr int kMaxHungCases = 8;

ConformanceRow RowFor(const ExaminedInstance& instance, const Case& c, const CheckOptions& options) {
  ConformanceRow row;
  row.case_name = c.info.full_name();
  row.place = instance.place();
  row.source = c.info.source;
  row.reproduce = fmt::format("{} --driver {} --backing {} --filter '{}'", options.reproduce_prefix,
                              InQuotes(row.place.instance), row.place.backing, row.case_name);
  return row;
}

// What a worker does: the case, and its outcome as JSON.
std::string RunOne(const ExaminedInstance& instance, const Case& c, Backing& shared,
                   const CheckOptions& options) {
  std::optional<Backing> own;
  json answer;
  Status breach;
  (void)TakeBreach();  // what came before the fork is not this case's
  try {
    if (c.info.backing_bytes > 0) {
      BackingSpec spec = shared.spec();
      spec.size_bytes = c.info.backing_bytes;
      Result<Backing> made = Backing::Create(spec);
      if (!made.ok()) return json{{"error", "a backing of its own: " + made.status().ToString()}}.dump();
      own.emplace(std::move(made).value());
    }
    CapabilitySet capabilities;
    for (const CapabilityRow& row : AllCapabilities()) {
      if (instance.Has(row.id)) capabilities.Add(row.id);
    }
    CaseContext context(instance.instance, own ? *own : shared, capabilities, options.seed, options.image);
    c.body(context);
    breach = TakeBreach();  // what comes after is not the case's any more
    answer["failures"] = Join(context.failures());
    answer["skip"] = context.skip_reason();
    answer["error"] = context.error();
  } catch (const std::exception& e) {
    answer = json{{"error", e.what()}};
    breach = TakeBreach();
  }
  // A driver that did not answer as agreed: what the case made of it is no verdict on the claim.
  if (!breach.ok()) {
    const std::string failures = answer.value("failures", "");
    answer = json{{"error", breach.message() + (failures.empty() ? "" : "\n" + failures)},
                  {"hung", breach.code() == Code::kDeadlineExceeded}};
  }
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The verdict before expected failures are looked at. Answers whether the driver's program hung.
bool Judge(const WorkerAnswer& answer, ConformanceRow& row) {
  row.seconds = answer.seconds;
  if (answer.status.timed_out) {
    row.verdict = Verdict::kTimeout;
    row.reason = fmt::format("no answer after {:.1f} s", answer.seconds);
    return false;
  }
  const json parsed = json::parse(answer.text, nullptr, false);
  if (!answer.status.success() || !parsed.is_object()) {
    row.verdict = Verdict::kError;
    row.reason = fmt::format("the worker ended without an answer: {}", answer.status.ToString());
    return false;
  }
  const std::string failures = parsed.value("failures", "");
  const std::string error = parsed.value("error", "");
  const std::string skip = parsed.value("skip", "");
  if (!failures.empty()) {
    row.verdict = Verdict::kFail;
    row.reason = failures;
  } else if (!error.empty()) {
    row.verdict = Verdict::kError;
    row.reason = error;
  } else if (!skip.empty()) {
    row.verdict = Verdict::kSkip;
    row.reason = skip;
  } else {
    row.verdict = Verdict::kPass;
  }
  return parsed.value("hung", false);
}

void ApplyExpectations(const ExaminedInstance& instance, const CheckOptions& options, ConformanceRow& row) {
  if (row.verdict == Verdict::kFail) {
    const ExpectedFailure* expected =
        FindExpected(options.expected, instance.deviation_context(), row.case_name, row.reason);
    if (expected == nullptr) return;
    row.verdict = Verdict::kXfail;
    row.reason = fmt::format("{}{}\n{}", expected->cause,
                             expected->link.empty() ? "" : " (" + expected->link + ")", row.reason);
  } else if (row.verdict == Verdict::kPass) {
    const ExpectedFailure* expected =
        FindExpected(options.expected, instance.deviation_context(), row.case_name, "");
    if (expected == nullptr) return;
    row.verdict = Verdict::kXpass;
    row.reason = fmt::format("expected to fail and passes: {}", expected->cause);
  }
}

std::vector<std::string> DeclaredKernelLines(const std::vector<const Case*>& cases) {
  std::vector<std::string> lines;
  for (const Case* c : cases) lines.insert(lines.end(), c->info.kernel_log.begin(), c->info.kernel_log.end());
  return lines;
}

// Runs the selected indices; verdicts go into rows[base + index].
Status RunBatch(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const std::vector<size_t>& indices, Backing& backing, const CheckOptions& options,
                int parallel, Progress& progress, std::vector<ConformanceRow>& rows, size_t base) {
  std::vector<WorkerJob> jobs;
  jobs.reserve(indices.size());
  for (size_t index : indices) {
    const Case* c = cases[index];
    WorkerJob job;
    job.body = [&instance, c, &backing, &options] { return RunOne(instance, *c, backing, options); };
    job.deadline = std::chrono::milliseconds(
        static_cast<int64_t>(1000.0 * c->info.deadline_seconds * options.deadline_scale));
    job.deadline += instance.instance.driver->call_deadline(instance.instance.options);
    jobs.push_back(std::move(job));
  }
  int hung = 0;
  std::string how;
  std::vector<bool> answered(indices.size(), false);
  const Status status = RunWorkers(std::move(jobs), parallel, [&](const WorkerAnswer& answer) {
    ConformanceRow& row = rows[base + indices[answer.index]];
    answered[answer.index] = true;
    if (Judge(answer, row)) {
      ++hung;
      how = row.reason.substr(0, row.reason.find('\n'));
    }
    ApplyExpectations(instance, options, row);
    if (row.verdict != Verdict::kPass && row.verdict != Verdict::kSkip && row.verdict != Verdict::kXfail) {
      progress.Note(fmt::format("{} {} {}\n{}", VerdictName(row.verdict), row.place.instance, row.case_name,
                                row.reason));
    }
    progress.Step(row.case_name);
    return hung < kMaxHungCases;
  });
  for (size_t i = 0; i < indices.size() && hung >= kMaxHungCases; ++i) {
    if (answered[i]) continue;
    ConformanceRow& row = rows[base + indices[i]];
    row.verdict = Verdict::kError;
    row.reason = fmt::format("not run: the driver hung in {} cases before, the last time: {}", hung, how);
  }
  return status;
}

// Something in the kernel log that nobody declared: find the case by running them one at a time.
void AttributeKernelProblems(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                             const std::vector<size_t>& indices, Backing& backing,
                             const CheckOptions& options, Progress& progress,
                             const std::vector<std::string>& problems, std::vector<ConformanceRow>& rows,
                             size_t base) {
  progress.Note(fmt::format("kernel log: {}\nrunning the cases one by one to find which", problems.front()));
  bool found = false;
  for (size_t index : indices) {
    if (Interrupted()) break;
    Result<KernelLog> log = KernelLog::OpenAtEnd();
    if (!log.ok()) break;
    std::vector<ConformanceRow> again(1, rows[base + index]);
    const std::vector<const Case*> one = {cases[index]};
    if (!RunBatch(instance, one, {0}, backing, options, 1, progress, again, 0).ok()) break;
    const auto seen = log->NewProblems(cases[index]->info.kernel_log);
    if (!seen.ok() || seen->empty()) continue;
    found = true;
    rows[base + index].verdict = Verdict::kFail;
    rows[base + index].reason = fmt::format("kernel log: {}", Join(*seen));
  }
  if (found || indices.empty()) return;
  ConformanceRow row = rows[base + indices.front()];
  row.case_name = "harness.kernel_log";
  row.verdict = Verdict::kFail;
  row.source = "design: a warning in the kernel log fails the batch";
  row.reason = fmt::format("the kernel log of this batch holds, and no single case brings it back:\n{}",
                           Join(problems));
  rows.push_back(std::move(row));
}

}  // namespace

std::vector<const Case*> SelectCases(const std::vector<std::string>& filters, int shard, int shards) {
  std::vector<const Case*> selected;
  for (const Case& c : AllCases()) {
    std::vector<std::string> texts = SplitSources(c.info.source);
    texts.push_back(c.info.full_name());
    texts.push_back(c.info.area);
    if (AnyGlobMatch(filters, texts)) selected.push_back(&c);
  }
  if (shards <= 1) return selected;
  std::vector<const Case*> mine;
  for (size_t i = static_cast<size_t>(shard); i < selected.size(); i += static_cast<size_t>(shards)) {
    mine.push_back(selected[i]);
  }
  return mine;
}

void SkipCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
               std::vector<ConformanceRow>& rows) {
  for (const Case* c : cases) {
    ConformanceRow row = RowFor(instance, *c, {});
    row.verdict = Verdict::kSkip;
    row.reason = fmt::format("driver cannot run here: {}", instance.reason);
    rows.push_back(std::move(row));
  }
}

Status RunCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const CheckOptions& options, Progress& progress, std::vector<ConformanceRow>& rows) {
  const size_t base = rows.size();
  std::vector<size_t> indices;
  for (size_t i = 0; i < cases.size(); ++i) {
    ConformanceRow row = RowFor(instance, *cases[i], options);
    row.reason = "interrupted before it ran";
    if (auto why = instance.WhyMissing(cases[i]->info.needs)) {
      row.verdict = Verdict::kSkip;
      row.reason = *why;
    } else {
      indices.push_back(i);
    }
    rows.push_back(std::move(row));
  }
  progress.Begin(fmt::format("check {} on {} ({})", instance.instance.name(), instance.backing.name(),
                             instance.backing.device),
                 indices.size());
  LM_ASSIGN(Backing backing, Backing::Create(instance.backing));
  if (!backing.shrunk().empty()) progress.Note(backing.shrunk());
  Result<KernelLog> log = KernelLog::OpenAtEnd();
  if (!log.ok()) progress.Note(fmt::format("the kernel log is not watched: {}", log.status().ToString()));

  LM_TRY(RunBatch(instance, cases, indices, backing, options, options.parallel, progress, rows, base));
  if (log.ok() && !Interrupted()) {
    const auto problems = log->NewProblems(DeclaredKernelLines(cases));
    if (problems.ok() && !problems->empty()) {
      AttributeKernelProblems(instance, cases, indices, backing, options, progress, *problems, rows, base);
    }
  }
  std::map<Verdict, int> counts;
  for (size_t i = base; i < rows.size(); ++i) ++counts[rows[i].verdict];
  std::string summary;
  for (const auto& [verdict, count] : counts) {
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, VerdictName(verdict));
  }
  progress.End(summary);
  return backing.Close();
}

}  // namespace layermark
