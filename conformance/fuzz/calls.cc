// The text of a program of calls.
#include "conformance/fuzz/calls.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

constexpr std::string_view kHead = "layermark-calls 1";
constexpr size_t kMaxCalls = 10'000;
constexpr size_t kMaxText = size_t{64} << 10;  // of a value; a step of a tree may hold a long one

struct VerbRow {
  const char* verb;
  std::vector<std::string_view> arguments;
};
const std::vector<VerbRow>& Verbs() {
  static const std::vector<VerbRow> rows = {
      {"prepare", {"key", "parent", "label"}},
      {"view", {"key", "parent", "label"}},
      {"commit", {"name", "key", "label", "rebase"}},
      {"remove", {"key"}},
      {"stat", {"key"}},
      {"update", {"key", "label", "path"}},
      {"usage", {"key"}},
      {"mounts", {"key"}},
      {"walk", {"filter"}},
      {"cleanup", {}},
      {"reopen", {}},
      {"fill", {"key", "mounts", "step"}},
      {"look", {"key", "mounts"}},
  };
  return rows;
}

const VerbRow* FindVerb(std::string_view verb) {
  const auto found =
      std::find_if(Verbs().begin(), Verbs().end(), [&](const VerbRow& row) { return row.verb == verb; });
  return found == Verbs().end() ? nullptr : &*found;
}

Result<SnapshotCall> ParseCall(std::string_view line) {
  SnapshotCall call;
  const size_t end = std::min(line.find(' '), line.size());
  call.verb = std::string(line.substr(0, end));
  const VerbRow* row = FindVerb(call.verb);
  if (row == nullptr) return InvalidArgument(fmt::format("unknown call \"{}\"", call.verb.substr(0, 40)));
  line.remove_prefix(end);
  while (!line.empty()) {
    if (line[0] == ' ') {
      line.remove_prefix(1);
      continue;
    }
    const size_t equals = line.find("=\"");
    if (equals == std::string_view::npos) return InvalidArgument("an argument must be KEY=\"VALUE\"");
    const std::string key(line.substr(0, equals));
    if (std::find(row->arguments.begin(), row->arguments.end(), key) == row->arguments.end()) {
      return InvalidArgument(fmt::format("{} takes no \"{}\"", call.verb, key.substr(0, 40)));
    }
    line.remove_prefix(equals + 1);
    size_t used = 0;
    LM_ASSIGN(std::string value, ParseQuotedBytes(line, &used));
    if (value.size() > kMaxText || value.find('\0') != std::string::npos)
      return InvalidArgument(key + ": too long, or holds NUL");
    if (key == "step") {
      if (Status step = ParseLayerStepText(value).status(); !step.ok())
        return InvalidArgument(step.message());
    }
    line.remove_prefix(used);
    call.arguments.emplace_back(key, std::move(value));
  }
  return call;
}

}  // namespace

std::string SnapshotCall::Get(std::string_view key) const {
  for (const auto& [name, value] : arguments) {
    if (name == key) return value;
  }
  return "";
}

std::vector<std::string> SnapshotCall::All(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : arguments) {
    if (name == key) values.push_back(value);
  }
  return values;
}

Labels SnapshotCall::labels() const {
  Labels labels;
  for (const std::string& label : All("label")) {
    const size_t equals = std::min(label.find('='), label.size());
    labels[label.substr(0, equals)] = label.substr(std::min(equals + 1, label.size()));
  }
  return labels;
}

Layer SnapshotCall::layer() const {
  Layer layer;
  for (const std::string& text : All("step")) {
    if (Result<Step> step = ParseLayerStepText(text); step.ok()) layer.Add(std::move(*step));
  }
  return layer;
}

bool IsCallProgram(std::string_view text) {
  while (text.starts_with("#")) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return text.starts_with(kHead);
}

std::string ToText(const CallProgram& program) {
  std::string text = std::string(kHead) + "\n";
  for (const SnapshotCall& call : program) {
    text += "  " + call.verb;
    for (const auto& [key, value] : call.arguments) text += fmt::format(" {}={}", key, QuoteBytes(value));
    text += "\n";
  }
  return text;
}

Result<CallProgram> ParseCallProgram(std::string_view text) {
  CallProgram program;
  bool headed = false;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.starts_with(" ")) line.remove_prefix(1);
    while (line.ends_with("\r") || line.ends_with(" ")) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    if (!headed) {
      if (line != kHead) return InvalidArgument(fmt::format("line {}: must be \"{}\"", number, kHead));
      headed = true;
      continue;
    }
    if (program.size() >= kMaxCalls) return InvalidArgument("too many calls");
    Result<SnapshotCall> call = ParseCall(line);
    if (!call.ok()) return InvalidArgument(fmt::format("line {}: {}", number, call.status().message()));
    program.push_back(std::move(*call));
  }
  if (!headed) return InvalidArgument(fmt::format("the line \"{}\" is missing", kHead));
  return program;
}

}  // namespace layermark
