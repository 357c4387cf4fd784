// What gate and compare print on a terminal.
#ifndef LAYERMARK_CLI_GATE_TEXT_H_
#define LAYERMARK_CLI_GATE_TEXT_H_

#include <string>

#include "results/record.h"

namespace layermark {

// Tables of at most 100 columns: times with effect, interval and what could have been seen; counts that
// differ; what was not run; the verdict in one sentence.
std::string GateText(const Record& record);
// "text", "json", "junit" or "markdown" on standard output.
void PrintGate(const Record& record, const std::string& format);

}  // namespace layermark

#endif  // LAYERMARK_CLI_GATE_TEXT_H_
