// Counting and grouping rows of a record, for exporters. Threads: pure functions.
#ifndef LAYERMARK_RESULTS_TALLY_H_
#define LAYERMARK_RESULTS_TALLY_H_

#include <map>
#include <string>
#include <vector>

#include "results/record.h"

namespace layermark {

// A finding makes the exit status 1: fail, xpass, error, timeout, and a wrong workload.
bool IsFinding(Verdict verdict);
bool IsFinding(WorkloadVerdict verdict);

// What ran in one place, rows in the record's order.
struct PlaceRows {
  Place place;
  const DriverRow* driver = nullptr;  // null where the record has no such row
  std::vector<const ConformanceRow*> conformance;
  std::vector<const WorkloadRow*> workloads;
};
// One entry for each place that a driver, case or workload row names, in the order of first mention. The
// pointers go into `record`, which must stay.
std::vector<PlaceRows> ByPlace(const Record& record);

// "overlay2:metacopy=on on ext4 (ram)"
std::string PlaceText(const Place& place);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_TALLY_H_
