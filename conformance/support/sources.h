// Sources: where the claims of cases come from, and which of them a case covers (conformance/sources.def).
//
// A case names any number of sources, separated by "; ". Those with a number of this repository ("rule 28",
// "L19", "properties 31", "peer bug 1") stand in the table; others (a test of somebody else, an issue, a
// manual page) are addresses for people. Threads: pure functions.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_SOURCES_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_SOURCES_H_

#include <string>
#include <string_view>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {

struct SourceRow {
  std::string_view id;
  std::string_view sentence;
  std::string_view reason;  // why no case covers it; empty where one does
};
const std::vector<SourceRow>& AllSources();

// "rule 28; ovl/003" -> "rule 28", "ovl/003".
std::vector<std::string> SplitSources(const std::string& text);

// One sentence for each fault: a row without case and reason, or with both; an id that stands twice; a case
// without any source, or with one that has the form of a number of the table and is not in it.
std::vector<std::string> SourceFaults(const std::vector<SourceRow>& rows, const std::vector<Case>& cases);

// docs/sources.md: each row with the cases that cover it, or the reason.
std::string SourcesMarkdown(const std::vector<SourceRow>& rows, const std::vector<Case>& cases);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_SOURCES_H_
