#include "drivers/exec/exec_snapshotter.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "drivers/exec/timestamp.h"

namespace layermark {
namespace {

using nlohmann::json;

std::string_view KindWord(Kind kind) {
  switch (kind) {
    case Kind::kView:
      return "VIEW";
    case Kind::kActive:
      return "ACTIVE";
    case Kind::kCommitted:
      return "COMMITTED";
    case Kind::kUnknown:
      break;
  }
  return "UNKNOWN";
}

json InfoJson(const Info& info) {
  return {{"name", info.name},
          {"parent", info.parent},
          {"kind", KindWord(info.kind)},
          {"createdAt", FormatTimestamp(info.created_ns)},
          {"updatedAt", FormatTimestamp(info.updated_ns)},
          {"labels", json(info.labels)}};
}

json SnapshotJson(const std::string& key, const std::string& parent, const Labels& labels) {
  return {{"key", key}, {"parent", parent}, {"labels", json(labels)}};
}

}  // namespace

Result<ExecReply> ExecSnapshotter::Call(ExecVerb verb, json request) {
  LM_ASSIGN(ExecReply reply, program_->Call(verb, std::move(request)));
  LM_TRY(reply.status);
  return reply;
}

Result<Info> ExecSnapshotter::Stat(const std::string& key) {
  LM_ASSIGN(ExecReply reply, Call(ExecVerb::kStat, {{"key", key}}));
  return std::move(reply.infos.front());
}

Result<Info> ExecSnapshotter::Update(const Info& info, const std::vector<std::string>& field_paths) {
  std::string mask;
  for (const std::string& path : field_paths) mask += (mask.empty() ? "" : ",") + path;
  LM_ASSIGN(ExecReply reply,
            Call(ExecVerb::kUpdate,
                 {{"info", InfoJson(info)}, {"updatePaths", json(field_paths)}, {"updateMask", mask}}));
  return std::move(reply.infos.front());
}

Result<Usage> ExecSnapshotter::GetUsage(const std::string& key) {
  LM_ASSIGN(const ExecReply reply, Call(ExecVerb::kUsage, {{"key", key}}));
  return reply.usage;
}

Result<std::vector<Mount>> ExecSnapshotter::Mounts(const std::string& key) {
  LM_ASSIGN(ExecReply reply, Call(ExecVerb::kMounts, {{"key", key}}));
  return std::move(reply.mounts);
}

Result<std::vector<Mount>> ExecSnapshotter::Prepare(const std::string& key, const std::string& parent,
                                                    const Labels& labels) {
  LM_ASSIGN(ExecReply reply, Call(ExecVerb::kPrepare, SnapshotJson(key, parent, labels)));
  return std::move(reply.mounts);
}

Result<std::vector<Mount>> ExecSnapshotter::View(const std::string& key, const std::string& parent,
                                                 const Labels& labels) {
  LM_ASSIGN(ExecReply reply, Call(ExecVerb::kView, SnapshotJson(key, parent, labels)));
  return std::move(reply.mounts);
}

Status ExecSnapshotter::Commit(const std::string& name, const std::string& key, const Labels& labels,
                               const std::optional<std::string>& parent) {
  json request = {{"name", name}, {"key", key}, {"labels", json(labels)}};
  if (parent) request["parent"] = *parent;
  return Call(ExecVerb::kCommit, std::move(request)).status();
}

Status ExecSnapshotter::Remove(const std::string& key) {
  return Call(ExecVerb::kRemove, {{"key", key}}).status();
}

Status ExecSnapshotter::Walk(const std::function<Status(const Info&)>& callback,
                             const std::vector<std::string>& filters) {
  LM_ASSIGN(const ExecReply reply, Call(ExecVerb::kWalk, {{"filters", json(filters)}}));
  for (const Info& info : reply.infos) LM_TRY(callback(info));
  return Status::Ok();
}

Status ExecSnapshotter::Cleanup() {
  return Call(ExecVerb::kCleanup, json::object()).status();
}

}  // namespace layermark
