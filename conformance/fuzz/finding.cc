#include "conformance/fuzz/finding.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

namespace layermark {
namespace {

std::map<std::string, std::string> WordsOf(const std::string& text) {
  std::map<std::string, std::string> words;
  std::istringstream in(text);
  std::string word;
  while (in >> word) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) words[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return words;
}

bool OnlyLooks(FuzzOp op) {
  switch (op) {
    case FuzzOp::kCheck:
    case FuzzOp::kRemount:
    case FuzzOp::kCommit:
    case FuzzOp::kClose:
    case FuzzOp::kFdRead:
    case FuzzOp::kFdStat:
    case FuzzOp::kFdSync:
    case FuzzOp::kFdList:
    case FuzzOp::kRead:
    case FuzzOp::kReadlink:
    case FuzzOp::kList:
    case FuzzOp::kListPieces:
    case FuzzOp::kStat:
    case FuzzOp::kAccess:
    case FuzzOp::kGetXattr:
    case FuzzOp::kListXattr:
    case FuzzOp::kLock:
    case FuzzOp::kSeek:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string Signature::CaseName() const {
  return fmt::format("fuzz.{}.{}.{}", operation, target.origin, target.type);
}

std::string Signature::Effect() const {
  return fmt::format("expected {}, seen {}", expected, seen);
}

std::string FuzzFinding::file_name() const {
  std::string name;
  for (const char c : signature.operation + "-" + signature.target.origin + "-" + signature.target.type +
                          "-" + signature.expected + "-" + signature.seen) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ? c : '_';
  }
  return name.substr(0, 120);
}

std::string DifferingWords(const Outcome& expected, const Outcome& seen) {
  const std::map<std::string, std::string> left = WordsOf(expected.seen);
  const std::map<std::string, std::string> right = WordsOf(seen.seen);
  std::string keys;
  for (const auto& [key, value] : left) {
    const auto found = right.find(key);
    if (found == right.end() || found->second != value) keys += (keys.empty() ? "" : ",") + key;
  }
  for (const auto& [key, value] : right) {
    if (!left.contains(key)) keys += (keys.empty() ? "" : ",") + key;
  }
  if (!keys.empty()) return "other " + keys;
  return expected.seen == seen.seen ? "other count" : "other data";
}

Signature SignatureOf(const FuzzProgram& program, const Mismatch& m, const std::vector<Outcome>& outcomes) {
  Signature signature;
  signature.expected = "tree";
  signature.seen = m.seen.seen;
  if (m.kind == Mismatch::Kind::kOutcome) {
    signature.expected = m.expected.error == 0 ? "ok" : ErrnoName(m.expected.error);
    signature.seen = m.seen.error == 0 ? "ok" : ErrnoName(m.seen.error);
    if (m.expected.error == m.seen.error) signature.seen = DifferingWords(m.expected, m.seen);
  } else if (m.kind == Mismatch::Kind::kCall) {
    signature.expected = "ok";
    signature.seen = ErrnoName(m.seen.error);
    signature.operation = m.call;
  }
  OriginModel model(program.layers);
  std::string last = "layers";
  Target last_target;
  for (size_t i = 0; i < program.steps.size() && i <= m.step; ++i) {
    const FuzzStep& step = program.steps[i];
    const Target target = model.TargetOf(step);
    if (i == m.step && m.kind == Mismatch::Kind::kOutcome) {
      signature.operation = RowOf(step.op).name;
      signature.target = target;
      return signature;
    }
    const Outcome outcome = i < outcomes.size() ? outcomes[i] : Outcome{};
    if (!OnlyLooks(step.op)) {
      last = RowOf(step.op).name;
      last_target = target;
    }
    model.Apply(step, outcome);
  }
  signature.target = last_target;
  if (signature.operation.empty()) {
    signature.operation = last;
    const bool session = m.step < program.steps.size() && program.steps[m.step].op != FuzzOp::kCheck;
    if (session && IsMeta(program.steps[m.step].op)) {
      signature.operation += std::string("+") + RowOf(program.steps[m.step].op).name;
    }
  }
  return signature;
}

}  // namespace layermark
