#include "cli/certify.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <utility>

#include "bench/gate/planted.h"
#include "cli/session.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "drivers/registry.h"
#include "results/gate/certificate.h"
#include "scenario/worker.h"

namespace layermark {
namespace {

using Clock = std::chrono::steady_clock;

// A kind of suite, and how many of it the certificate wants.
struct Part {
  std::string kind, name;
  double percent = 0;
  int64_t wanted = 0;
};

// Faults first: they take seconds. Then what is furthest from its number.
std::vector<Part> Parts() {
  std::vector<Part> parts;
  for (const PlantedFault fault : AllPlantedFaults())
    parts.push_back({"fault", std::string(PlantedName(fault)), 0, 1});
  parts.push_back({"real", "metacopy off instead of on", 0, 1});
  parts.push_back({"aa", "", 0, 20});
  parts.push_back({"slow", "", 5, 3});
  parts.push_back({"slow", "", 1, 3});
  parts.push_back({"load", "", 0, 10});
  for (const double percent : {2.0, 3.0, 10.0}) parts.push_back({"slow", "", percent, 1});
  return parts;
}

std::string HostClass(const Record& record, const GateSide& side) {
  const auto text = [&](const char* name) {
    const auto it = record.environment.text.find(name);
    return it == record.environment.text.end() ? std::string("unknown") : it->second;
  };
  const std::string kernel = text("kernel");
  // 6.18.44 and 6.18.45 are one class.
  const std::string major = kernel.substr(0, kernel.find('.', kernel.find('.') + 1));
  const auto cpus = record.environment.numbers.find("cpus");
  return fmt::format("{}, {:.0f} processors, hypervisor: {}, {}, {} on {}", text("cpu"),
                     cpus == record.environment.numbers.end() ? 0 : cpus->second, text("hypervisor"), major,
                     side.instance.backing.name(), side.instance.backing.device);
}

// A process that keeps one processor busy while it lives.
Result<ChildProcess> BurnACore() {
  return ChildProcess::Fork([](int) -> int {
    volatile uint64_t x = 1;
    for (;;) x = x * 6364136223846793005ULL + 1;
  });
}

std::string Key(const std::string& workload, const Params& params) {
  return params.empty() ? workload : workload + " " + ParamsText(params);
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

class Certifier {
 public:
  Certifier(const GateCommand& command, const GateSide& side, const std::vector<WorkloadChoice>& choices,
            const GateOptions& options, const Record& record, Progress& progress)
      : command_(command),
        side_(side),
        choices_(choices),
        options_(options),
        record_(record),
        progress_(progress),
        host_class_(HostClass(record, side)) {}

  int Run() {
    if (Status s = Load(); !s.ok()) return UsageError(s);
    const auto began = Clock::now();
    while (!Interrupted()) {
      const Part* next = Next();
      const double spent = std::chrono::duration<double>(Clock::now() - began).count();
      if (next == nullptr || (options_.budget_seconds > 0 && spent > options_.budget_seconds)) break;
      progress_.Note(fmt::format("suite: {} {}", next->kind,
                                 next->kind == "slow" ? fmt::format("{:g} %", next->percent) : next->name));
      Result<CertificateSuite> suite = RunSuite(*next);
      if (Interrupted()) break;  // half a suite is none
      if (!suite.ok()) return UsageError(suite.status());
      suites_.push_back(*std::move(suite));
      if (Status s = Append(suites_.back()); !s.ok()) return UsageError(s);
    }
    if (Status s = Write(); !s.ok()) return UsageError(s);
    return Interrupted() ? kExitInterrupted : Verdict();
  }

 private:
  std::string StateFile() const { return command_.state + "/suites.jsonl"; }

  Status Load() {
    if (!Exists(StateFile())) return Status::Ok();
    LM_ASSIGN(const std::string text, ReadFile(StateFile(), size_t{256} << 20));
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      Result<CertificateSuite> suite = SuiteFromLine(line);
      if (!suite.ok()) return suite.status().WithContext(StateFile());
      all_.push_back(line);
      if (suite->host_class == host_class_) suites_.push_back(*std::move(suite));
    }
    return Status::Ok();
  }

  // The whole file anew, through a rename: a kill leaves the old one.
  Status Append(const CertificateSuite& suite) {
    all_.push_back(ToLine(suite));
    std::string text;
    for (const std::string& line : all_) text += line + "\n";
    const std::string fresh = StateFile() + ".new";
    LM_TRY(WriteFile(fresh, text));
    return std::rename(fresh.c_str(), StateFile().c_str()) == 0 ? Status::Ok()
                                                                : Status::Errno("rename", StateFile());
  }

  // The real parts switch metacopy, so that only a driver with that option has them, while it is not set
  // already.
  bool TakesRealParts() const {
    const InstanceSpec& instance = side_.instance.instance;
    const std::vector<OptionRow> options = instance.driver->options();
    return instance.options.empty() &&
           std::any_of(options.begin(), options.end(),
                       [](const OptionRow& option) { return option.name == "metacopy"; });
  }

  const Part* Next() const {
    const Part* next = nullptr;
    double least = 1;
    for (const Part& part : parts_) {
      if (part.kind == "real" && !TakesRealParts()) continue;
      const int64_t have = Tally(suites_, part.kind, part.name, part.percent).suites;
      const double share = static_cast<double>(have) / static_cast<double>(part.wanted);
      if (share < least) {
        least = share;
        next = &part;
      }
    }
    return next;
  }

  Result<CertificateSuite> RunSuite(const Part& part) {
    GateSide a = side_;
    GateSide b = side_;
    GateOptions options = options_;
    options.budget_seconds = 0;  // a suite is run to its end
    options.bench.seed = options_.bench.seed + suites_.size();
    CertificateSuite suite;
    suite.host_class = host_class_;
    suite.kind = part.kind;
    suite.name = part.name;
    suite.percent = part.percent;
    suite.started = record_.run.started;
    suite.tool_version = record_.run.tool_version;
    options.on_block = [&](const WorkloadChoice& choice, const BlockAnswer& block) {
      suite.blocks[Key(choice.entry->info.name, choice.params)].push_back(block.log_ratio);
    };
    b.slowdown = part.percent / 100;
    ChildProcess burner;
    if (part.kind == "load") {
      LM_ASSIGN(burner, BurnACore());
    }
    if (part.kind == "fault" || part.kind == "real") {
      options.timing = false;
      LM_TRY(Plant(part, a, b));
    }
    const auto began = Clock::now();
    const GateResult result = RunGate(a, b, choices_, options, progress_);
    suite.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    for (const GateRow& row : result.rows) {
      // Of an unchanged suite a count that differs is an alarm too.
      if (row.tier == "counts" && row.verdict == "pass") continue;
      suite.verdicts[Key(row.workload, row.params) + (row.tier == "counts" ? " " + row.metric : "")] =
          row.verdict;
    }
    return suite;
  }

  Status Plant(const Part& part, GateSide& a, GateSide& b) const {
    if (part.kind == "real") {
      a.instance.instance.options["metacopy"] = "on";
      b.instance.instance.options["metacopy"] = "off";
      a.instance = Examine(a.instance.instance, side_.instance.backing);
      b.instance = Examine(b.instance.instance, side_.instance.backing);
      return Status::Ok();
    }
    for (const PlantedFault fault : AllPlantedFaults()) {
      if (PlantedName(fault) == part.name)
        b.instance.instance.driver = &PlantedDriver(*side_.instance.instance.driver, fault);
    }
    return Status::Ok();
  }

  Status Write() const {
    const CertificateHead head{
        host_class_, fmt::format("./layermark gate {} --certify --state DIR", side_.instance.instance.name()),
        record_.run.tool_version, Today()};
    const std::string page = CertificateMarkdown(head, suites_, options_.plan);
    LM_TRY(WriteFile(command_.state + "/certificate.md", page));
    LM_TRY(WriteFile(command_.state + "/certificate.txt",
                     CertificateSentence(head, suites_, options_.plan) + "\n"));
    if (!command_.certificate.empty()) LM_TRY(WriteFile(command_.certificate, page));
    fmt::print("{}\n{} suites in {}; the page: {}/certificate.md\n",
               CertificateSentence(head, suites_, options_.plan), suites_.size(), StateFile(),
               command_.state);
    for (const Part& part : parts_) {
      const int64_t have = Tally(suites_, part.kind, part.name, part.percent).suites;
      if (have < part.wanted)
        fmt::print(
            "still wanted: {} of {}\n", part.wanted - have,
            part.kind == "slow" ? fmt::format("slow {:g} %", part.percent) : part.kind + " " + part.name);
    }
    std::fflush(stdout);
    return Status::Ok();
  }

  // A finding: a false alarm, or a planted fault that was not found. Not yet complete: inconclusive.
  int Verdict() const {
    int exit = kExitPass;
    for (const Part& part : parts_) {
      const CertificateTally tally = Tally(suites_, part.kind, part.name, part.percent);
      const bool must_find = part.kind == "fault" || part.kind == "real";
      const bool must_not =
          part.kind == "aa" || part.kind == "load" || (part.kind == "slow" && part.percent <= 1);
      if (must_find && tally.with_alarm < tally.suites) exit = WorseExit(exit, kExitFinding);
      if (must_not && tally.with_alarm > 0) exit = WorseExit(exit, kExitFinding);
      if (tally.suites < part.wanted) exit = WorseExit(exit, kExitInconclusive);
    }
    return exit;
  }

  const GateCommand& command_;
  const GateSide& side_;
  const std::vector<WorkloadChoice>& choices_;
  const GateOptions& options_;
  const Record& record_;
  Progress& progress_;
  const std::string host_class_;
  const std::vector<Part> parts_ = Parts();
  std::vector<std::string> all_;          // the lines, of other host classes too
  std::vector<CertificateSuite> suites_;  // of this one
};

}  // namespace

int Certify(const GateCommand& command, const GateSide& side, const std::vector<WorkloadChoice>& choices,
            const GateOptions& options, const Record& record, Progress& progress) {
  return Certifier(command, side, choices, options, record, progress).Run();
}

}  // namespace layermark
