// The conformance harness: runs cases on instances in worker processes and writes a row for each.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_HARNESS_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_HARNESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "core/result.h"
#include "results/record.h"
#include "scenario/examine.h"
#include "scenario/expected_failures.h"
#include "scenario/image_source.h"
#include "scenario/progress.h"

namespace layermark {

struct CheckOptions {
  std::vector<std::string> filters;  // globs over "area.name", the area, and each source id
  uint64_t seed = 1;
  int parallel = 2;
  const ImageSource* image = nullptr;  // for cases with .wants_image; null: they are an error
  std::vector<ExpectedFailure> expected;
  double deadline_scale = 1;  // slow builds (sanitizers) need more
  std::string reproduce_prefix = "./layermark check";
};

// The cases that the filters (and the shard, 0-based) select.
std::vector<const Case*> SelectCases(const std::vector<std::string>& filters, int shard = 0, int shards = 1);

// Runs `cases` on one available instance: a fresh backing, workers, expected failures applied, kernel log
// looked at (lines that no case declares are found again one case at a time and fail it). Appends one row per
// case, also for those an interrupt kept from running (verdict error, "interrupted"). Fails only where
// nothing could be run at all.
Status RunCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const CheckOptions& options, Progress& progress, std::vector<ConformanceRow>& rows);

// The rows of an instance that cannot run: skip, with the reason.
void SkipCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
               std::vector<ConformanceRow>& rows);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_HARNESS_H_
