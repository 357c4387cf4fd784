#include "conformance/support/harness.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "conformance/support/sources.h"
#include "conformance/support/verdict.h"
#include "core/glob.h"
#include "core/shell_word.h"
#include "core/skip_code.h"
#include "core/sys/owners.h"
#include "drivers/breach.h"
#include "scenario/image_room.h"
#include "scenario/kernel_log.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using nlohmann::json;

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

// A program that hangs costs its deadline in each case; after so many cases the rest is not asked.
constexpr int kMaxHungCases = 8;

// The command that runs these cases on this instance again, quoted for a shell.
std::string CommandFor(const ExaminedInstance& instance, const std::vector<std::string>& filters,
                       const CheckOptions& options) {
  const BackingSpec& backing = instance.backing;
  std::string command = fmt::format(
      "{} --driver {} --backing {} --device {} --seed {}", options.reproduce_prefix,
      ShellWord(instance.instance.name()),
      ShellWord(backing.directory.empty() ? backing.name() : fmt::format("dir={}", backing.directory)),
      backing.device, options.seed);
  for (const std::string& word : options.reproduce_more) command += " " + ShellWord(word);
  for (const std::string& filter : filters) command += " --filter " + ShellWord(filter);
  return command;
}

ConformanceRow RowFor(const ExaminedInstance& instance, const Case& c, const CheckOptions& options) {
  ConformanceRow row;
  row.case_name = c.info.full_name();
  row.place = instance.place();
  row.source = c.info.source;
  row.reproduce = CommandFor(instance, {row.case_name}, options);
  return row;
}

// What a case with .wants_image holds of it at most: the layers once, two snapshots, and the oracle's tree.
constexpr ImageCopies kCopiesOfACase = {.stacks = 1, .trees = 2, .plain = 1};

// What a worker does: the case, and its outcome as JSON.
std::string RunOne(const ExaminedInstance& instance, const Case& c, Backing& shared,
                   const CheckOptions& options) {
  std::optional<Backing> own;
  json answer;
  Status breach;
  (void)TakeBreach();  // what came before the fork is not this case's
  (void)TakeUnmappedOwner();
  try {
    const int64_t room =
        c.info.wants_image && options.image != nullptr
            ? RoomForImage(*options.image, kCopiesOfACase, instance.Has(Capability::shares_bytes))
            : 0;
    if (c.info.backing_bytes > 0 || room > shared.spec().size_bytes / 4) {
      BackingSpec spec = shared.spec();
      if (c.info.backing_bytes > 0) spec.size_bytes = c.info.backing_bytes;
      Result<Backing> made = CreateBackingWithRoom(spec, room);
      if (!made.ok() && made.status().code() == Code::kResourceExhausted)
        return json{{"skip", fmt::format("{}: {}", SkipCodeName(SkipCode::budget), made.status().message())}}
            .dump();
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
  // Inside a user namespace there are owners that nobody can have, whatever the driver: a case that asked for
  // one has not tried what it claims, whether it found something or not.
  if (const std::optional<std::string> owner = TakeUnmappedOwner()) {
    answer =
        json{{"skip", fmt::format("{}: the case needs the owner {}, whom this user namespace does not map",
                                  SkipCodeName(SkipCode::privilege_missing), *owner)}};
  }
  // A driver that did not answer as agreed: what the case made of it is no verdict on the claim.
  if (!breach.ok()) {
    const std::string failures = answer.value("failures", "");
    answer = json{{"error", breach.message() + (failures.empty() ? "" : "\n" + failures)},
                  {"hung", breach.code() == Code::kDeadlineExceeded}};
  }
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Of the cases that run: what a skipped one would provoke is no excuse.
std::vector<std::string> DeclaredKernelLines(const std::vector<const Case*>& cases,
                                             const std::vector<size_t>& indices) {
  std::vector<std::string> lines;
  for (size_t index : indices) {
    const std::vector<std::string>& declared = cases[index]->info.kernel_log;
    lines.insert(lines.end(), declared.begin(), declared.end());
  }
  return lines;
}

// A row for each case: skip where a capability is missing, else the error that it was not reached, which
// stands until the case has run. Answers the indices of the latter.
std::vector<size_t> AddRows(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                            const CheckOptions& options, std::vector<ConformanceRow>& rows) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < cases.size(); ++i) {
    ConformanceRow row = RowFor(instance, *cases[i], options);
    row.verdict = Verdict::kError;
    row.reason = kInterruptedBeforeItRan;
    // Of an instance that was not examined nobody knows what it is missing.
    const auto why = instance.reached ? instance.WhyMissing(cases[i]->info.needs) : std::nullopt;
    if (why) {
      row.verdict = Verdict::kSkip;
      row.reason = why->reason;
      row.skip_code = why->code;
    } else {
      indices.push_back(i);
    }
    rows.push_back(std::move(row));
  }
  return indices;
}

// The rows of those that did not answer say why.
void NotRun(const std::vector<size_t>& indices, const std::vector<bool>& answered, const std::string& why,
            std::vector<ConformanceRow>& rows, size_t base) {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (answered[i]) continue;
    ConformanceRow& row = rows[base + indices[i]];
    row.verdict = Verdict::kError;
    row.reason = "not run: " + why;
  }
}

// Runs the selected indices; verdicts go into rows[base + index]. `log` may be null. `hung_before`: how many
// hung already, counted on.
Status RunBatch(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const std::vector<size_t>& indices, Backing& backing, const CheckOptions& options,
                int parallel, KernelLog* log, Progress& progress, std::vector<ConformanceRow>& rows,
                size_t base, int* hung_before = nullptr) {
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
  int hung = hung_before == nullptr ? 0 : *hung_before;
  std::string how;
  std::vector<bool> answered(indices.size(), false);
  const auto judge = [&](const WorkerAnswer& answer) {
    ConformanceRow& row = rows[base + indices[answer.index]];
    answered[answer.index] = true;
    if (Judge(answer, row)) {
      ++hung;
      how = row.reason.substr(0, row.reason.find('\n'));
    }
    ApplyExpectations(options.expected, instance.deviation_context(), row);
    if (row.verdict != Verdict::kPass && row.verdict != Verdict::kSkip && row.verdict != Verdict::kXfail) {
      progress.Note(fmt::format("{} {} {}\n{}", VerdictName(row.verdict), row.place.instance, row.case_name,
                                row.reason));
    }
    progress.Step(row.case_name);
    return hung < kMaxHungCases;
  };
  const auto collect = [log] {
    if (log != nullptr) log->Collect();
  };
  const Status status = RunWorkers(std::move(jobs), parallel, judge, collect);
  if (hung_before != nullptr) *hung_before = hung;
  if (hung >= kMaxHungCases) {
    NotRun(indices, answered, fmt::format("the driver hung in {} cases before, the last time: {}", hung, how),
           rows, base);
  } else if (!status.ok() && status.code() != Code::kCancelled) {
    NotRun(indices, answered, status.ToString(), rows, base);
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
    if (!RunBatch(instance, one, {0}, backing, options, 1, &*log, progress, again, 0).ok()) break;
    const auto seen = log->NewProblems(cases[index]->info.kernel_log, instance.acts_elsewhere());
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
  row.reproduce = CommandFor(instance, options.filters, options);
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
               const CheckOptions& options, std::vector<ConformanceRow>& rows) {
  for (const Case* c : cases) {
    ConformanceRow row = RowFor(instance, *c, options);
    row.verdict = Verdict::kSkip;
    row.reason = fmt::format("driver cannot run here: {}", instance.reason);
    row.skip_code = SkipCodeName(SkipCode::driver_unavailable);
    rows.push_back(std::move(row));
  }
}

Status RunCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const CheckOptions& options, Progress& progress, std::vector<ConformanceRow>& rows) {
  const size_t base = rows.size();
  const std::vector<size_t> indices = AddRows(instance, cases, options, rows);
  progress.Begin(fmt::format("check {} on {} ({})", instance.instance.name(), instance.backing.name(),
                             instance.backing.device),
                 indices.size());
  Result<Backing> made = Backing::Create(instance.backing);
  if (!made.ok()) {
    const Status why = made.status().WithContext(fmt::format("no {} backing", instance.backing.name()));
    NotRun(indices, std::vector<bool>(indices.size(), false), why.ToString(), rows, base);
    progress.End(fmt::format("not run: {}", why.ToString()));
    return why;
  }
  Backing backing = std::move(made).value();
  if (!backing.shrunk().empty()) progress.Note(backing.shrunk());
  Result<KernelLog> log = KernelLog::OpenAtEnd();
  if (!log.ok()) progress.Note(fmt::format("the kernel log is not watched: {}", log.status().ToString()));

  std::vector<size_t> together, alone;
  for (size_t index : indices) (cases[index]->info.alone ? alone : together).push_back(index);
  KernelLog* const watched = log.ok() ? &*log : nullptr;
  int hung = 0;
  Status ran = RunBatch(instance, cases, together, backing, options, options.parallel, watched, progress,
                        rows, base, &hung);
  if (ran.code() == Code::kCancelled) {
    // The rows say already that an interrupt came.
  } else if (!ran.ok() || hung >= kMaxHungCases) {
    NotRun(alone, std::vector<bool>(alone.size(), false),
           ran.ok() ? fmt::format("the driver hung in {} cases before", hung) : ran.ToString(), rows, base);
  } else if (!alone.empty()) {
    ran = RunBatch(instance, cases, alone, backing, options, 1, watched, progress, rows, base, &hung);
  }
  if (!ran.ok()) {
    progress.End(fmt::format("ended early: {}", ran.ToString()));
    return ran;
  }
  if (log.ok() && !Interrupted()) {
    const auto problems = log->NewProblems(DeclaredKernelLines(cases, indices), instance.acts_elsewhere());
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

std::vector<InstanceStatus> CheckInstances(const std::vector<ExaminedInstance>& instances,
                                           const std::vector<const Case*>& cases, const CheckOptions& options,
                                           Progress& progress, std::vector<ConformanceRow>& rows) {
  std::vector<InstanceStatus> ended;
  for (const ExaminedInstance& instance : instances) {
    if (instance.reached && !instance.available) {
      SkipCases(instance, cases, options, rows);
    } else if (Interrupted()) {
      AddRows(instance, cases, options, rows);
    } else if (Status s = RunCases(instance, cases, options, progress, rows); !s.ok()) {
      ended.push_back({&instance, std::move(s)});
    }
  }
  return ended;
}

}  // namespace layermark
