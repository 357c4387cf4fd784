// Anchors: published results (results/anchors.def), held against a record's measurements.
//
// Threads: pure functions. Cost: linear in measurements times anchors.
#ifndef LAYERMARK_RESULTS_ANCHORS_H_
#define LAYERMARK_RESULTS_ANCHORS_H_

#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace layermark {

struct Anchor {
  std::string_view id, claim, workload;
  Metric metric;
  std::string_view params;          // "k=v,k=v" of both sides
  std::string_view side_a, side_b;  // "INSTANCE[ k=v,k=v]"
  double published;                 // 0: only a direction
  double low, high;                 // a band that holds 1 claims equality
  std::string_view source, doubt;
};
const std::vector<Anchor>& AllAnchors();

// One row for each anchor whose workload the record selected, in the order of the file:
//   reproduced      the factor is in the band, and its interval on the claimed side of 1
//   other_factor    on the claimed side of 1, outside the band
//   not_reproduced  neither; for a claim of equality: outside the band
//   not_runnable    a side was not measured (the reason is that of the workload's row, or that the
//                   instance is not in this run), or a time has too few samples for an interval
//
// The interval is that of the two medians, taken to their far ends (at least 90 %); an exact count is its
// own. A factor over a count of 0 is the count of A itself, and at most equal where both are 0.
std::vector<AnchorRow> EvaluateAnchors(const Record& record);

// "reproduced", "same direction, other factor", "not reproduced", "not runnable".
std::string_view AnchorVerdictText(std::string_view verdict);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_ANCHORS_H_
