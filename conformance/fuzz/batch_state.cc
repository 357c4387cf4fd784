// How a worker's state comes back to the process that started it.
#include <nlohmann/json.hpp>

#include "conformance/fuzz/batch.h"
#include "conformance/fuzz/program_text.h"

namespace layermark {

using nlohmann::json;

std::string EncodeState(const FuzzState& state) {
  json out;
  out["next_index"] = state.next_index;
  out["next_calls"] = state.next_calls;
  out["calls"] = state.result.calls;
  out["programs"] = state.result.programs;
  out["steps"] = state.result.steps;
  out["seconds"] = state.result.seconds;
  out["shrink_seconds"] = state.result.shrink_seconds;
  out["accepted"] = state.result.accepted;
  out["known"] = state.known;
  out["shrunk"] = state.shrunk;
  out["bad_stacks"] = state.bad_stacks;
  out["ordinary"] = state.result.ordinary;
  out["coverage"] = json::object();
  for (const auto& [key, count] : state.result.coverage.counts())
    out["coverage"][key] = {count.ran, count.deviated};
  const UnionMount& mount = state.result.mount;
  out["mount"] = {{"kind", static_cast<int>(mount.kind)},
                  {"program", mount.program},
                  {"options", mount.options},
                  {"branches_as_option", mount.branches_as_option}};
  out["findings"] = json::array();
  for (const FuzzFinding& finding : state.result.findings) {
    const Signature& s = finding.signature;
    out["findings"].push_back({{"operation", s.operation},
                               {"origin", s.target.origin},
                               {"type", s.target.type},
                               {"expected", s.expected},
                               {"seen", s.seen},
                               {"argument", s.argument},
                               {"detail", finding.detail},
                               {"index", finding.index},
                               {"calls", finding.calls},
                               {"program", ToText(finding.program)}});
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Status DecodeState(const std::string& text, FuzzState& state) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object() || !in.contains("findings")) return Internal("a worker's answer is not a state");
  FuzzState out;
  out.next_index = in.at("next_index").get<uint64_t>();
  out.next_calls = in.at("next_calls").get<uint64_t>();
  out.result.calls = in.at("calls").get<int64_t>();
  out.result.programs = in.at("programs").get<int64_t>();
  out.result.steps = in.at("steps").get<int64_t>();
  out.result.seconds = in.at("seconds").get<double>();
  out.result.shrink_seconds = in.at("shrink_seconds").get<double>();
  out.result.accepted = in.at("accepted").get<std::map<std::string, int64_t>>();
  out.known = in.at("known").get<std::set<std::string>>();
  out.shrunk = in.at("shrunk").get<std::map<std::string, int>>();
  out.bad_stacks = in.at("bad_stacks").get<int64_t>();
  out.result.ordinary = in.at("ordinary").get<bool>();
  for (const auto& [key, count] : in.at("coverage").items()) {
    out.result.coverage.Set(key, {count.at(0).get<int64_t>(), count.at(1).get<int64_t>()});
  }
  const json& mount = in.at("mount");
  out.result.mount.kind = static_cast<UnionMount::Kind>(mount.at("kind").get<int>());
  out.result.mount.program = mount.at("program").get<std::string>();
  out.result.mount.options = mount.at("options").get<std::vector<std::string>>();
  out.result.mount.branches_as_option = mount.at("branches_as_option").get<bool>();
  for (const json& f : in.at("findings")) {
    FuzzFinding finding;
    finding.signature.operation = f.at("operation").get<std::string>();
    finding.signature.target.origin = f.at("origin").get<std::string>();
    finding.signature.target.type = f.at("type").get<std::string>();
    finding.signature.expected = f.at("expected").get<std::string>();
    finding.signature.seen = f.at("seen").get<std::string>();
    finding.signature.argument = f.at("argument").get<std::string>();
    finding.detail = f.at("detail").get<std::string>();
    finding.index = f.at("index").get<uint64_t>();
    finding.calls = f.at("calls").get<std::string>();
    LM_ASSIGN(finding.program, ParseFuzzProgram(f.at("program").get<std::string>()));
    out.result.findings.push_back(std::move(finding));
  }
  state = std::move(out);
  return Status::Ok();
}

}  // namespace layermark
