// The records of a store as text, to hold what was there before something against what is there after it.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_RECORDS_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_RECORDS_H_

#include <map>
#include <string>

#include "conformance/support/case.h"

namespace layermark {

// Each snapshot by its name: kind, parent, both times, labels, and of a committed one its usage. What cannot
// be asked is a failure of the case.
std::map<std::string, std::string> RecordsOf(CaseContext& t);
// Fails the case for each record of `before` that is gone or different, and for other numbers of them.
void SameRecords(CaseContext& t, const std::map<std::string, std::string>& before,
                 const std::map<std::string, std::string>& after);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_RECORDS_H_
