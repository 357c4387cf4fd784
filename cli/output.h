// What a run prints on standard output when it is done.
#ifndef LAYERMARK_CLI_OUTPUT_H_
#define LAYERMARK_CLI_OUTPUT_H_

#include <string>
#include <string_view>

#include "results/record.h"

namespace layermark {

// How the reason of a workload begins that is right although an expected_failures.toml says it is wrong.
inline constexpr std::string_view kRightAgainstExpectation = "expected to be wrong and is right: ";

// "text": verdict counts per instance, what failed, key figures, in 100 columns. "json": the record. "ktap",
// "junit": exports.
void PrintRecord(const Record& record, const std::string& format);

// The parts of the text form.
std::string DriversText(const Record& record);
std::string VerdictsText(const Record& record);
std::string FindingsText(const Record& record);
std::string SkipsText(const Record& record);  // what was skipped, one entry for each code and reason
std::string MeasurementsText(const Record& record);
// Published results held against this run; those that it could not measure are counted alone.
std::string AnchorsText(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_CLI_OUTPUT_H_
