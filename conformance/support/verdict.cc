#include "conformance/support/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/skip_code.h"

namespace layermark {

using nlohmann::json;

namespace {

// The text `name` of an object, "" where it has none; nullopt for anything else.
std::optional<std::string> TextOf(const json& object, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(name);
  if (found == object.end()) return "";
  if (!found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

void JudgeSkip(const std::string& text, ConformanceRow& row) {
  const size_t colon = text.find(": ");
  const std::string code = text.substr(0, colon);
  if (colon == std::string::npos || !IsSkipCode(code)) {
    row.verdict = Verdict::kError;
    row.reason = fmt::format("skipped without a code of core/skip_codes.def: {}", text);
    return;
  }
  row.verdict = Verdict::kSkip;
  row.skip_code = code;
  row.reason = text.substr(colon + 2);
}

}  // namespace

bool Judge(const WorkerAnswer& answer, ConformanceRow& row) {
  row.seconds = answer.seconds;
  if (answer.status.timed_out) {
    row.verdict = Verdict::kTimeout;
    row.reason = fmt::format("no answer after {:.1f} s", answer.seconds);
    return false;
  }
  const json parsed = json::parse(answer.text, nullptr, false);
  const std::array texts = {TextOf(parsed, "failures"), TextOf(parsed, "error"), TextOf(parsed, "skip")};
  const bool readable = std::all_of(texts.begin(), texts.end(), [](const auto& text) { return text; }) &&
                        parsed.value("hung", json(false)).is_boolean();
  if (!answer.status.success() || !readable) {
    row.verdict = Verdict::kError;
    row.reason = fmt::format("the worker ended without an answer: {}", answer.status.ToString());
    return false;
  }
  const std::string& failures = *texts[0];
  const std::string& error = *texts[1];
  const std::string& skip = *texts[2];
  if (!failures.empty()) {
    row.verdict = Verdict::kFail;
    row.reason = failures;
  } else if (!error.empty()) {
    row.verdict = Verdict::kError;
    row.reason = error;
  } else if (!skip.empty()) {
    JudgeSkip(skip, row);
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
