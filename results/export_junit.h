// JUnit XML of a record, in xfstests' manner: one test suite per place, with the machine as properties.
#ifndef LAYERMARK_RESULTS_EXPORT_JUNIT_H_
#define LAYERMARK_RESULTS_EXPORT_JUNIT_H_

#include <string>

#include "results/record.h"

namespace layermark {

// Cases and workloads are test cases; fail and xpass are failures, error and timeout errors, skip and xfail
// skipped with the reason. system-out holds the command that runs the case again. An instance that cannot run
// here is one skipped test case. Well-formed for any bytes in the record.
std::string ExportJunit(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXPORT_JUNIT_H_
