// The certificate as a page and as a sentence.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "results/gate/certificate.h"

namespace layermark {
namespace {

constexpr int64_t kBootstrapped = 300;  // suites
constexpr uint64_t kSeed = 1;
constexpr double kQuiet = 0.03;  // block noise up to which 5 % must be found

int64_t Of(const CertificateTally& tally, const std::string& workload, const std::string& verdict) {
  const auto row = tally.by_workload.find(workload);
  if (row == tally.by_workload.end()) return 0;
  const auto count = row->second.find(verdict);
  return count == row->second.end() ? 0 : count->second;
}

std::string Alarms(const CertificateTally& tally) {
  if (tally.suites == 0) return "none run";
  return fmt::format("{} of {} suites raised an alarm (at 95 % confidence at most {:.1f} % do)",
                     tally.with_alarm, tally.suites, 100 * ShareUpperBound(tally.with_alarm, tally.suites));
}

std::vector<double> Percentages(const std::vector<CertificateSuite>& suites) {
  std::set<double> seen;
  for (const CertificateSuite& suite : suites) {
    if (suite.kind == "slow") seen.insert(suite.percent);
  }
  return {seen.begin(), seen.end()};
}

std::string Unchanged(const std::vector<CertificateSuite>& suites, const GatePlan& plan) {
  const CertificateTally live = Tally(suites, "aa", "", 0);
  std::string out = "## Nothing changed\n\nA and B are the same. An alarm is a false one.\n\n";
  out += fmt::format("- live: {}\n", Alarms(live));
  out += fmt::format("- bootstrapped from the blocks of these: {}\n",
                     Alarms(Bootstrap(suites, "aa", 0, kBootstrapped, plan, kSeed)));
  out +=
      fmt::format("- live, while another process burned a core: {}\n", Alarms(Tally(suites, "load", "", 0)));
  double longest = 0;
  size_t most = 0;
  for (const CertificateSuite& suite : suites) {
    if (suite.kind != "aa") continue;
    longest = std::max(longest, suite.seconds);
    most = std::max(most, suite.verdicts.size());
  }
  out += fmt::format("- the longest of the live suites took {:.0f} s, for {} timed workloads\n\n", longest,
                     most);
  out += "| workload | block noise | blocks | pass | inconclusive | regressed |\n|---|--:|--:|--:|--:|--:|\n";
  for (const auto& [workload, noise] : BlockNoise(suites)) {
    size_t blocks = 0;
    for (const CertificateSuite& suite : suites) {
      const auto it = suite.kind == "aa" ? suite.blocks.find(workload) : suite.blocks.end();
      if (it != suite.blocks.end()) blocks += it->second.size();
    }
    out += fmt::format("| {} | {:.2f} % | {} | {} | {} | {} |\n", workload, 100 * noise, blocks,
                       Of(live, workload, "pass"), Of(live, workload, "inconclusive"),
                       Of(live, workload, "regressed"));
  }
  return out + "\n";
}

std::string Slowed(const std::vector<CertificateSuite>& suites, const GatePlan& plan) {
  const std::vector<double> percentages = Percentages(suites);
  std::string out =
      "## B slower by a known share\n\nA busy wait adds the share of each operation's own time. Found: "
      "REGRESSED, in live suites, and of 300 bootstrapped from their blocks.\n\n";
  if (percentages.empty()) return out + "None run.\n\n";
  out += "| workload |";
  std::string rule = "|---|";
  std::vector<CertificateTally> live, made;
  std::set<std::string> workloads;
  for (const double percent : percentages) {
    live.push_back(Tally(suites, "slow", "", percent));
    made.push_back(Bootstrap(suites, "slow", percent, kBootstrapped, plan, kSeed));
    out += fmt::format(" {:g} % live | {:g} % bootstrapped |", percent, percent);
    rule += "--:|--:|";
    for (const auto& [workload, verdicts] : live.back().by_workload) workloads.insert(workload);
  }
  out += "\n" + rule + "\n";
  for (const std::string& workload : workloads) {
    out += "| " + workload + " |";
    for (size_t i = 0; i < percentages.size(); ++i) {
      out += fmt::format(" {} of {} |", Of(live[i], workload, "regressed"), live[i].suites);
      out +=
          made[i].by_workload.contains(workload)
              ? fmt::format(" {:.1f} % |", 100.0 * static_cast<double>(Of(made[i], workload, "regressed")) /
                                               static_cast<double>(made[i].suites))
              : " - |";
    }
    out += "\n";
  }
  return out + "\n";
}

std::string Faults(const std::vector<CertificateSuite>& suites) {
  std::string out =
      "## Faults that the counts must find\n\n| what B does | found | by how many counts | seconds "
      "|\n|---|---|--:|--:|\n";
  bool any = false;
  for (const CertificateSuite& suite : suites) {
    if (suite.kind != "fault" && suite.kind != "real") continue;
    any = true;
    int64_t red = 0;
    for (const auto& [what, verdict] : suite.verdicts) red += verdict == "regressed" ? 1 : 0;
    out += fmt::format("| {}{} | {} | {} | {:.1f} |\n", suite.kind == "real" ? "real: " : "", suite.name,
                       red > 0 ? "yes" : "**no**", red, suite.seconds);
  }
  return out + (any ? "\n" : "| none run | | | |\n\n");
}

}  // namespace

std::string CertificateSentence(const CertificateHead& head, const std::vector<CertificateSuite>& suites,
                                const GatePlan& plan) {
  const CertificateTally live = Tally(suites, "aa", "", 0);
  const CertificateTally made = Bootstrap(suites, "aa", 0, kBootstrapped, plan, kSeed);
  const CertificateTally slow = Bootstrap(suites, "slow", 5, kBootstrapped, plan, kSeed);
  double worst = 1;
  size_t quiet = 0;
  for (const auto& [workload, noise] : BlockNoise(suites)) {
    if (noise > kQuiet || !slow.by_workload.contains(workload)) continue;
    ++quiet;
    worst = std::min(worst,
                     static_cast<double>(Of(slow, workload, "regressed")) / static_cast<double>(slow.suites));
  }
  std::string out = fmt::format(
      "gate certificate of this host class ({}): {} alarms in {} live and {} in {} bootstrapped unchanged "
      "suites",
      head.host_class, live.with_alarm, live.suites, made.with_alarm, made.suites);
  if (quiet > 0)
    out += fmt::format("; a planted 5 % found in at least {:.0f} % of 300 on each of {} quiet workloads",
                       100 * worst, quiet);
  return out;
}

std::string CertificateMarkdown(const CertificateHead& head, const std::vector<CertificateSuite>& suites,
                                const GatePlan& plan) {
  std::string out = "# Certificate of the gate\n\n";
  out += fmt::format(
      "What `layermark gate` said of suites whose truth is known. Host class: {}. Version {}, {}.\n\n",
      head.host_class, head.tool_version, head.written);
  out += fmt::format("Again, and further, with: `{}`\n\n", head.command);
  out += fmt::format(
      "Wanted: no alarm in 20 live suites and in {} bootstrapped ones; a planted 5 % found in 19 of 20 "
      "where the blocks' noise is below {:.0f} %; a planted 1 % never; every planted fault found by the "
      "counts alone; no alarm in 10 suites beside a busy process.\n\n",
      kBootstrapped, 100 * kQuiet);
  return out + Unchanged(suites, plan) + Slowed(suites, plan) + Faults(suites);
}

}  // namespace layermark
