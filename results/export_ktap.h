// KTAP version 1 of a record: what kselftest's readers and the KernelCI tools take in.
#ifndef LAYERMARK_RESULTS_EXPORT_KTAP_H_
#define LAYERMARK_RESULTS_EXPORT_KTAP_H_

#include <string>

#include "results/record.h"

namespace layermark {

// One test per place, with a nested plan of its cases and workloads. Diagnostics ("# ...") stand before the
// result line they explain. skip is "ok # SKIP", xfail "ok # XFAIL", error and timeout "not ok # ERROR / #
// TIMEOUT"; an unexpected pass is "not ok" and says so in a diagnostic.
std::string ExportKtap(const Record& record);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_EXPORT_KTAP_H_
