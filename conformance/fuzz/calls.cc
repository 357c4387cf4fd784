// The text of a program of calls, and random ones.
#include "conformance/fuzz/calls.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

constexpr std::string_view kHead = "layermark-calls 1";
constexpr size_t kMaxCalls = 10'000;
constexpr size_t kMaxText = 4096;

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
      {"touch", {"key", "file"}},
      {"look", {"key"}},
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
    if (key == "file" && (value.empty() || value.find('/') != std::string::npos || value[0] == '.')) {
      return InvalidArgument("file must be one plain name");
    }
    line.remove_prefix(used);
    call.arguments.emplace_back(key, std::move(value));
  }
  return call;
}

class CallMaker {
 public:
  CallMaker(FuzzRandom& random, bool rebase) : r_(random), rebase_(rebase) {}

  SnapshotCall Make() {
    // What makes snapshots comes more often than what looks at them.
    static const std::vector<std::string> verbs = {
        "prepare", "prepare", "prepare", "view", "commit", "commit", "commit", "remove", "remove", "stat",
        "update",  "update",  "usage",   "walk", "mounts", "touch",  "touch",  "look",   "look",   "cleanup"};
    SnapshotCall call;
    call.verb = r_.OneIn(40) ? "reopen" : r_.Pick(verbs);
    const auto add = [&](const char* key, std::string value) {
      call.arguments.emplace_back(key, std::move(value));
    };
    if (call.verb == "prepare" || call.verb == "view") {
      add("key", Name());
      add("parent", r_.OneIn(3) ? "" : Known());
      AddLabels(call);
    } else if (call.verb == "commit") {
      add("name", Name());
      add("key", Known());
      AddLabels(call);
      if (rebase_ && r_.OneIn(6)) add("rebase", Known());
    } else if (call.verb == "update") {
      add("key", Known());
      AddLabels(call);
      static const std::vector<std::string> paths = {"labels", "labels.a", "labels.b.c", "labels.a",
                                                     "kind",   "name",     "parent"};
      for (size_t n = r_.Below(3); n > 0; --n) add("path", r_.Pick(paths));
    } else if (call.verb == "walk") {
      static const std::vector<std::string> filters = {
          "kind==active",      "kind==committed", "kind!=view", "labels.a==x",  "labels.a",
          "labels.\"b.c\"==y", "name~=a",         "parent==b",  "parent!=\"\"", "kind==committed,labels.a==x",
          "name==a",           "labels.a~=^x",    "name=",      "==",           "labels.a!=x",
          "unknown==1"};
      for (size_t n = r_.Below(3); n > 0; --n) add("filter", r_.Pick(filters));
    } else if (call.verb != "cleanup" && call.verb != "reopen") {
      add("key", Known());
      if (call.verb == "touch") add("file", fmt::format("f{}", r_.Below(5)));
    }
    return call;
  }

 private:
  std::string Name() {
    static const std::vector<std::string> odd = {"",   "with space", "a/b",     "\xc3\xbc",
                                                 "..", "a:b,c\\d",   "'\"; --", "%s"};
    std::string name = r_.OneIn(25)   ? r_.Pick(odd)
                       : r_.OneIn(60) ? std::string(300, 'k')
                                      : std::string(1, static_cast<char>('a' + r_.Below(9)));
    known_.push_back(name);
    return name;
  }
  std::string Known() { return known_.empty() || r_.OneIn(20) ? Name() : r_.Pick(known_); }
  void AddLabels(SnapshotCall& call) {
    static const std::vector<std::string> labels = {
        "a=x", "a=y", "b.c=y", "a=", "containerd.io/gc.root=1", "d=with, comma"};
    for (size_t n = r_.Below(3); n > 0; --n) call.arguments.emplace_back("label", r_.Pick(labels));
  }

  FuzzRandom& r_;
  bool rebase_;
  std::vector<std::string> known_;
};

}  // namespace

std::string SnapshotCall::Get(std::string_view key) const {
  for (const auto& [name, value] : arguments) {
    if (name == key) return value;
  }
  return "";
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

CallProgram GenerateCalls(FuzzRandom& random, size_t count, bool rebase) {
  CallMaker maker(random, rebase);
  CallProgram program;
  while (program.size() < count) program.push_back(maker.Make());
  return program;
}

}  // namespace layermark
