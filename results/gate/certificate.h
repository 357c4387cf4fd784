// The gate's certificate: what it said of suites whose truth is known. Lines of a state directory, the
// bootstrap over recorded blocks, and the page. Pure functions, but for nothing: reading and writing files is
// the caller's.
#ifndef LAYERMARK_RESULTS_GATE_CERTIFICATE_H_
#define LAYERMARK_RESULTS_GATE_CERTIFICATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "results/gate/gate_plan.h"

namespace layermark {

// What was done to B: "aa" nothing, "load" nothing while another process burned a core, "slow" an operation
// slower by `percent`, "fault" a planted fault `name`, "real" a change that is known to cost (`name`).
struct CertificateSuite {
  std::string host_class;
  std::string kind;
  std::string name;
  double percent = 0;
  std::map<std::string, std::string> verdicts;        // by workload and parameters; kind fault: of the counts
  std::map<std::string, std::vector<double>> blocks;  // their log ratios, the same keys
  double seconds = 0;
  std::string started, tool_version;
};

// One line of suites.jsonl, without its end; and back. kInvalidArgument for what is none.
std::string ToLine(const CertificateSuite& suite);
Result<CertificateSuite> SuiteFromLine(const std::string& line);

// How often each verdict fell.
struct CertificateTally {
  int64_t suites = 0;
  int64_t with_alarm = 0;                                             // at least one REGRESSED
  std::map<std::string, std::map<std::string, int64_t>> by_workload;  // workload -> verdict -> suites
};
CertificateTally Tally(const std::vector<CertificateSuite>& suites, const std::string& kind,
                       const std::string& name, double percent);

// `suites` made-up suites: each workload draws its blocks from the recorded ones of this kind and percentage,
// with replacement, through the plan's looks. Workloads with fewer than 12 recorded blocks are left out.
CertificateTally Bootstrap(const std::vector<CertificateSuite>& recorded, const std::string& kind,
                           double percent, int64_t suites, const GatePlan& plan, uint64_t seed);

// Standard deviation of a workload's recorded A/A blocks; by workload.
std::map<std::string, double> BlockNoise(const std::vector<CertificateSuite>& recorded);

// The upper end of the exact one-sided 95 % interval for a share of which `hits` of `n` were seen.
double ShareUpperBound(int64_t hits, int64_t n);

struct CertificateHead {
  std::string host_class, command, tool_version, written;
};
// The page, from the suites of that class alone, and its one-sentence form for reports.
std::string CertificateMarkdown(const CertificateHead& head, const std::vector<CertificateSuite>& suites,
                                const GatePlan& plan);
std::string CertificateSentence(const CertificateHead& head, const std::vector<CertificateSuite>& suites,
                                const GatePlan& plan);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_GATE_CERTIFICATE_H_
