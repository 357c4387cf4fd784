// Markdown summary of a record: for a pull request, a CI step summary or a mail.
#ifndef LAYERMARK_RESULTS_EXPORT_MARKDOWN_H_
#define LAYERMARK_RESULTS_EXPORT_MARKDOWN_H_

#include <string>

#include "results/record.h"

namespace layermark {

// Verdict counts per place, findings with the command that runs them again, one latency table (for each
// workload the first parameters; all others folded away), space and inodes, what did not run and why, the
// machine. Table cells hold no unescaped '|' or line end, whatever the record holds.
std::string ExportMarkdown(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXPORT_MARKDOWN_H_
