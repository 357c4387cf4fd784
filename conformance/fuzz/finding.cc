#include "conformance/fuzz/finding.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "conformance/fuzz/program_text.h"

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

}  // namespace

std::string Signature::CaseName() const {
  return fmt::format("fuzz.{}.{}.{}", operation, target.origin, target.type);
}

std::string Signature::Effect() const {
  return fmt::format("expected {}, seen {}", expected, seen);
}

std::string FuzzFinding::Text() const {
  return calls.empty() ? layermark::ToText(program) : calls;
}

size_t FuzzFinding::steps() const {
  if (calls.empty()) return program.steps.size();
  return static_cast<size_t>(std::count(calls.begin(), calls.end(), '\n')) - 1;  // the head
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

Signature SignatureOf(const OriginModel& model, const Difference& difference, const std::string& effect) {
  const OriginModel::Change change = model.LastChange(difference.path);
  return {change.operation, change.target, "tree", effect};
}

std::vector<Signature> SignaturesOf(const FuzzProgram& program, const Mismatch& m,
                                    const std::vector<Outcome>& outcomes) {
  OriginModel model(program.layers);
  const size_t steps = std::min(m.step, program.steps.size());
  for (size_t i = 0; i < steps; ++i) {
    // A step that is at fault itself has no outcome yet.
    model.Apply(program.steps[i], i < outcomes.size() ? outcomes[i] : Outcome{});
  }
  const FuzzStep* at = m.step < program.steps.size() ? &program.steps[m.step] : nullptr;
  if (m.kind == Mismatch::Kind::kOutcome) {
    Signature signature;
    signature.operation = RowOf(at->op).name;
    signature.target = model.TargetOf(*at);
    signature.argument = ArgumentText(*at);
    signature.expected = m.expected.error == 0 ? "ok" : ErrnoName(m.expected.error);
    signature.seen = m.seen.error == 0 ? "ok" : ErrnoName(m.seen.error);
    if (m.expected.error == m.seen.error) signature.seen = DifferingWords(m.expected, m.seen);
    return {signature};
  }
  if (m.kind == Mismatch::Kind::kCall) return {{m.call, {}, "ok", ErrnoName(m.seen.error)}};
  std::vector<Signature> signatures;
  for (size_t i = 0; i < m.tree.size(); ++i) {
    signatures.push_back(SignatureOf(model, m.tree[i], m.effects[i]));
    if (at != nullptr && IsMeta(at->op) && at->op != FuzzOp::kCheck) {
      signatures.back().operation += std::string("+") + RowOf(at->op).name;
    }
  }
  return signatures;
}

}  // namespace layermark
