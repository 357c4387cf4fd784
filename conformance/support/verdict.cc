#include "conformance/support/verdict.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>

namespace layermark {

using nlohmann::json;

bool Judge(const WorkerAnswer& answer, ConformanceRow& row) {
  row.seconds = answer.seconds;
  if (answer.status.timed_out) {
    row.verdict = Verdict::kTimeout;
    row.reason = fmt::format("no answer after {:.1f} s", answer.seconds);
    return false;
  }
  const json parsed = json::parse(answer.text, nullptr, false);
  if (!answer.status.success() || !parsed.is_object()) {
    row.verdict = Verdict::kError;
    row.reason = fmt::format("the worker ended without an answer: {}", answer.status.ToString());
    return false;
  }
  const std::string failures = parsed.value("failures", "");
  const std::string error = parsed.value("error", "");
  const std::string skip = parsed.value("skip", "");
  if (!failures.empty()) {
    row.verdict = Verdict::kFail;
    row.reason = failures;
  } else if (!error.empty()) {
    row.verdict = Verdict::kError;
    row.reason = error;
  } else if (!skip.empty()) {
    row.verdict = Verdict::kSkip;
    row.reason = skip;
  } else {
    row.verdict = Verdict::kPass;
    row.reason.clear();
  }
  return parsed.value("hung", false);
}

void ApplyExpectations(const std::vector<ExpectedFailure>& entries, const DeviationContext& context,
                       ConformanceRow& row) {
  if (row.verdict == Verdict::kFail) {
    const ExpectedFailure* expected = FindExpected(entries, context, row.case_name, row.reason);
    if (expected == nullptr) return;
    row.verdict = Verdict::kXfail;
    row.reason = fmt::format("{}{}\n{}", expected->cause,
                             expected->link.empty() ? "" : " (" + expected->link + ")", row.reason);
  } else if (row.verdict == Verdict::kPass) {
    const ExpectedFailure* expected = FindExpected(entries, context, row.case_name, "");
    if (expected == nullptr) return;
    row.verdict = Verdict::kXpass;
    row.reason = fmt::format("expected to fail and passes: {}", expected->cause);
  }
}

}  // namespace layermark
