// From a worker's answer to the verdict of a case's row.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_VERDICT_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_VERDICT_H_

#include <vector>

#include "results/record.h"
#include "scenario/expected_failures.h"
#include "scenario/worker.h"

namespace layermark {

// Fills in verdict, reason and seconds from how the worker ended and from its text: a JSON object with any of
// "failures", "error" and "skip" (the first that is not empty, in that order, decides; none: pass) and
// "hung". A skip is "CODE: sentence" with a code of core/skip_codes.def; another word is an error, and so is
// an answer of another form. Expected failures are not looked at. Answers whether the driver's own program
// hung.
bool Judge(const WorkerAnswer& answer, ConformanceRow& row);

// A failure that an entry covers becomes xfail, with its cause and link before the failure; a pass where one
// would cover a failure becomes xpass. Other verdicts stay.
void ApplyExpectations(const std::vector<ExpectedFailure>& entries, const DeviationContext& context,
                       ConformanceRow& row);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_VERDICT_H_
