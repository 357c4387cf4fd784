#include "conformance/support/recording_snapshotter.h"

#include <fmt/core.h>

#include <algorithm>

namespace layermark {
namespace {

std::string Text(const Info& info) {
  std::string labels;
  for (const auto& [k, v] : info.labels) labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", k, v);
  return fmt::format("{} {} on \"{}\" {{{}}} {}{}", KindName(info.kind), info.name, info.parent, labels,
                     info.created_ns > 0 ? "created" : "no created time",
                     info.updated_ns < info.created_ns   ? ", updated before created"
                     : info.updated_ns > info.created_ns ? ", updated later"
                                                         : "");
}

std::string Text(const Status& status, const std::string& answer = "") {
  if (!status.ok()) return std::string(CodeName(status.code()));
  return answer.empty() ? "OK" : "OK " + answer;
}

std::string MountsText(const Result<std::vector<Mount>>& mounts) {
  return Text(mounts.status(), mounts.ok() ? (mounts->empty() ? "no mounts" : "mounts") : "");
}

}  // namespace

Result<Info> RecordingSnapshotter::Stat(const std::string& key) {
  Result<Info> r = inner_.Stat(key);
  log_.push_back(fmt::format("Stat({}) -> {}", key, Text(r.status(), r.ok() ? Text(*r) : "")));
  return r;
}

Result<Info> RecordingSnapshotter::Update(const Info& info, const std::vector<std::string>& field_paths) {
  Result<Info> r = inner_.Update(info, field_paths);
  std::string paths;
  for (const std::string& p : field_paths) paths += (paths.empty() ? "" : ",") + p;
  log_.push_back(
      fmt::format("Update({}, [{}]) -> {}", info.name, paths, Text(r.status(), r.ok() ? Text(*r) : "")));
  return r;
}

Result<Usage> RecordingSnapshotter::GetUsage(const std::string& key) {
  // What a driver counts is its own definition; only the code can be compared, and the model measures
  // nothing.
  Result<Usage> r = inner_.GetUsage(key);
  const bool known = r.ok() || r.status().code() == Code::kUnimplemented;
  log_.push_back(fmt::format("Usage({}) -> {}", key, known ? "OK" : Text(r.status())));
  return r;
}

Result<std::vector<Mount>> RecordingSnapshotter::Mounts(const std::string& key) {
  Result<std::vector<Mount>> r = inner_.Mounts(key);
  log_.push_back(fmt::format("Mounts({}) -> {}", key, MountsText(r)));
  return r;
}

Result<std::vector<Mount>> RecordingSnapshotter::Prepare(const std::string& key, const std::string& parent,
                                                         const Labels& labels) {
  Result<std::vector<Mount>> r = inner_.Prepare(key, parent, labels);
  log_.push_back(fmt::format("Prepare({}, {}) -> {}", key, parent, MountsText(r)));
  return r;
}

Result<std::vector<Mount>> RecordingSnapshotter::View(const std::string& key, const std::string& parent,
                                                      const Labels& labels) {
  Result<std::vector<Mount>> r = inner_.View(key, parent, labels);
  log_.push_back(fmt::format("View({}, {}) -> {}", key, parent, MountsText(r)));
  return r;
}

Status RecordingSnapshotter::Commit(const std::string& name, const std::string& key, const Labels& labels,
                                    const std::optional<std::string>& parent) {
  Status s = inner_.Commit(name, key, labels, parent);
  log_.push_back(fmt::format("Commit({}, {}{}) -> {}", name, key, parent ? ", on " + *parent : "", Text(s)));
  return s;
}

Status RecordingSnapshotter::Remove(const std::string& key) {
  Status s = inner_.Remove(key);
  log_.push_back(fmt::format("Remove({}) -> {}", key, Text(s)));
  return s;
}

Status RecordingSnapshotter::Walk(const std::function<Status(const Info&)>& callback,
                                  const std::vector<std::string>& filters) {
  std::vector<std::string> seen;
  Status s = inner_.Walk(
      [&](const Info& info) {
        seen.push_back(Text(info));
        return callback(info);
      },
      filters);
  std::sort(seen.begin(), seen.end());
  std::string text;
  for (const std::string& line : seen) text += (text.empty() ? "" : "; ") + line;
  std::string filter_text;
  for (const std::string& f : filters) filter_text += (filter_text.empty() ? "" : " | ") + f;
  log_.push_back(fmt::format("Walk({}) -> {} [{}]", filter_text, Text(s), text));
  return s;
}

Status RecordingSnapshotter::Cleanup() {
  Status s = inner_.Cleanup();
  // A driver may have nothing to reclaim; that is an answer, too.
  const bool known = s.ok() || s.code() == Code::kUnimplemented;
  log_.push_back(fmt::format("Cleanup() -> {}", known ? "OK" : Text(s)));
  return s;
}

Status RecordingSnapshotter::Close() {
  Status s = inner_.Close();
  log_.push_back(fmt::format("Close() -> {}", Text(s)));
  return s;
}

}  // namespace layermark
