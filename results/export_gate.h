// What a gate or a comparison found, for people: text for a terminal, Markdown for a merge request.
// Threads: pure functions. Cost: linear.
#ifndef LAYERMARK_RESULTS_EXPORT_GATE_H_
#define LAYERMARK_RESULTS_EXPORT_GATE_H_

#include <string>
#include <vector>

#include "results/record.h"

namespace layermark {

// "+1.2 %", "-0.3 %"; "-" where there is none.
std::string PercentText(const std::optional<double>& share);
// The worst verdict of the rows: "regressed", then "inconclusive", then "pass"; "inconclusive" for none.
std::string GateVerdictOf(const std::vector<GateRow>& rows);
// One sentence: how many of each, and the worst.
std::string GateSentence(const std::vector<GateRow>& rows);
// Rows in the order to be read: what regressed, what is inconclusive, what was not run, what passed.
std::vector<const GateRow*> InReadingOrder(const std::vector<GateRow>& rows);
// A heading with the verdict, what was compared, a table of what is not a PASS, the rest folded away. Fit for
// a comment on a merge request.
std::string ExportGateMarkdown(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXPORT_GATE_H_
