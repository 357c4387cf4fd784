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
  std::vector<std::string>
      filters;  // what the run's cases were selected by; for the command of the whole batch
  uint64_t seed = 1;
  int parallel = 2;
  const ImageSource* image = nullptr;  // for cases with .wants_image; null: they are an error
  std::vector<ExpectedFailure> expected;
  double deadline_scale = 1;  // slow builds (sanitizers) need more
  std::string reproduce_prefix = "./layermark check";
  std::vector<std::string> reproduce_more;  // further words of that command, such as --image and its value
};

// The cases that the filters (and the shard, 0-based) select.
std::vector<const Case*> SelectCases(const std::vector<std::string>& filters, int shard = 0, int shards = 1);

// Runs `cases` on one available instance: a fresh backing, workers, expected failures applied, kernel log
// looked at (lines that no case declares are found again one case at a time and fail it). Appends one row per
// case; one that could not be begun has verdict error and the reason: an interrupt, no backing store, no
// worker. Fails where the cases could not all be begun (kCancelled: an interrupt).
Status RunCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
                const CheckOptions& options, Progress& progress, std::vector<ConformanceRow>& rows);

struct InstanceStatus {
  const ExaminedInstance* instance = nullptr;
  Status status;
};
// Runs `cases` on the instances one after the other, so that each has a row for each case whatever happens:
// those that cannot run here are skipped, those that an interrupt came before have verdict error. Answers the
// instances whose RunCases failed; the others go on.
std::vector<InstanceStatus> CheckInstances(const std::vector<ExaminedInstance>& instances,
                                           const std::vector<const Case*>& cases, const CheckOptions& options,
                                           Progress& progress, std::vector<ConformanceRow>& rows);

// The rows of an instance that cannot run: skip, with the reason.
void SkipCases(const ExaminedInstance& instance, const std::vector<const Case*>& cases,
               const CheckOptions& options, std::vector<ConformanceRow>& rows);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_HARNESS_H_
