#include "conformance/fuzz/call_model.h"

#include <algorithm>
#include <optional>
#include <set>

#include "conformance/support/recording_snapshotter.h"

namespace layermark {
namespace {

// Whether a step makes an object where there was none, and nothing else.
bool Makes(const Step& step) {
  return step.op == StepOp::kDir || step.op == StepOp::kFile || step.op == StepOp::kSparse ||
         step.op == StepOp::kSymlink || step.op == StepOp::kMknod;
}
// Whether it leaves the number of objects.
bool OnlyMarks(const Step& step) {
  return step.op == StepOp::kChmod || step.op == StepOp::kChown || step.op == StepOp::kTimes ||
         step.op == StepOp::kLink;
}

bool OnlyFilesOfTheRoot(const std::vector<Layer>& layers) {
  return std::all_of(layers.begin(), layers.end(), [](const Layer& layer) {
    return std::all_of(layer.steps().begin(), layer.steps().end(), [](const Step& step) {
      return step.op == StepOp::kFile && step.path.find('/') == std::string::npos;
    });
  });
}

}  // namespace

bool HasPath(const ModelTree& tree, const std::string& path) {
  ModelTree copy = tree;
  return copy.Apply(Layer().Chown(path, 0, 0)).ok();
}

std::string AnswerTo(const SnapshotCall& call, Snapshotter& side) {
  RecordingSnapshotter api(side);
  const std::string key = call.Get("key");
  if (call.verb == "prepare") {
    (void)api.Prepare(key, call.Get("parent"), call.labels());
  } else if (call.verb == "view") {
    (void)api.View(key, call.Get("parent"), call.labels());
  } else if (call.verb == "commit") {
    const std::vector<std::string> rebase = call.All("rebase");
    (void)api.Commit(call.Get("name"), key, call.labels(),
                     rebase.empty() ? std::nullopt : std::optional<std::string>(rebase[0]));
  } else if (call.verb == "remove") {
    (void)api.Remove(key);
  } else if (call.verb == "stat") {
    (void)api.Stat(key);
  } else if (call.verb == "update") {
    Info info;
    info.name = key;
    info.parent = call.Get("parent");  // not to be taken over
    info.labels = call.labels();
    (void)api.Update(info, call.All("path"));
  } else if (call.verb == "usage") {
    (void)api.GetUsage(key);
  } else if (call.verb == "mounts") {
    (void)api.Mounts(key);
  } else if (call.verb == "walk") {
    (void)api.Walk([](const Info&) { return Status::Ok(); }, call.All("filter"));
  } else if (call.verb == "cleanup") {
    (void)api.Cleanup();
  }
  const std::string line = api.log().empty() ? "" : api.log().back();
  const size_t arrow = line.find(" -> ");
  return arrow == std::string::npos ? "" : line.substr(arrow + 4);
}

std::string CallModel::KindOf(const std::string& key) {
  const Result<Info> info = snapshots_.Stat(key);
  return info.ok() ? std::string(KindName(info->kind)) : "none";
}

int CallModel::FaultsOf(const SnapshotCall& call) {
  const std::string key = call.Get("key");
  int faults = 0;
  if (call.verb == "prepare" || call.verb == "view") {
    const std::string parent = call.Get("parent");
    faults += key.empty();
    faults += KindOf(key) != "none";
    faults += !parent.empty() && KindOf(parent) != "committed";
  } else if (call.verb == "commit") {
    faults += KindOf(key) != "active";
    faults += KindOf(call.Get("name")) != "none" || call.Get("name").empty();
    const std::vector<std::string> rebase = call.All("rebase");
    faults += !rebase.empty() && KindOf(rebase[0]) != "committed";
    const Result<Info> info = snapshots_.Stat(key);
    faults += !rebase.empty() && info.ok() && !info->parent.empty() && info->parent != rebase[0];
  } else if (call.verb == "update") {
    // Which of the fields is looked at first is open.
    faults += KindOf(key) == "none";
    for (const std::string& path : call.All("path")) {
      faults += path != "labels" && (!path.starts_with("labels.") || path.size() == 7);
    }
  } else if (call.verb == "walk") {
    faults += static_cast<int>(call.All("filter").size());
  }
  const Labels labels = call.labels();
  faults += std::any_of(labels.begin(), labels.end(),
                        [](const auto& label) { return label.first.size() + label.second.size() > 4096; });
  return faults;
}

std::vector<Info> CallModel::All() {
  std::vector<Info> all;
  (void)snapshots_.Walk(
      [&](const Info& info) {
        all.push_back(info);
        return Status::Ok();
      },
      {});
  return all;
}

const CallModel::Shown* CallModel::Of(const std::string& key) const {
  const auto found = shown_.find(key);
  return found == shown_.end() ? nullptr : &found->second;
}

const CallModel::Shown* CallModel::ParentOf(const std::string& key) {
  const Result<Info> info = snapshots_.Stat(key);
  return info.ok() && !info->parent.empty() ? Of(info->parent) : nullptr;
}

std::string CallModel::Run(const SnapshotCall& call) {
  if (call.verb == "fill") return Fill(call);
  std::string answer = AnswerTo(call, snapshots_);
  if (answer.starts_with("OK")) Follow(call);
  return answer;
}

void CallModel::Follow(const SnapshotCall& call) {
  const std::string key = call.Get("key");
  if (call.verb == "prepare" || call.verb == "view") {
    Shown shown = call.Get("parent").empty() ? Shown() : shown_[call.Get("parent")];
    shown.layers.emplace_back();
    shown.only_adds = true;
    shown.made = 0;
    shown_[key] = std::move(shown);
  } else if (call.verb == "commit") {
    Shown shown = std::move(shown_[key]);
    shown_.erase(key);
    const std::vector<std::string> rebase = call.All("rebase");
    if (!rebase.empty() && !rebase[0].empty() && shown.layers.size() == 1) {
      const Shown& below = shown_[rebase[0]];
      const Layer own = shown.layers.back();
      // Files of the root replace what is there; of more the model cannot tell.
      const bool plain = OnlyFilesOfTheRoot({own}) && OnlyFilesOfTheRoot(below.layers);
      const bool known = shown.known && below.known && plain;
      shown.layers = below.layers;
      shown.tree = below.tree;
      shown.known = shown.tree.Apply(own).ok() && known;
      shown.layers.push_back(own);
    }
    shown_[call.Get("name")] = std::move(shown);
  } else if (call.verb == "remove") {
    shown_.erase(key);
  }
}

std::string CallModel::Fill(const SnapshotCall& call) {
  const std::string key = call.Get("key");
  const std::string kind = KindOf(key);
  if (kind == "view") return call.All("step").empty() ? "OK" : "EROFS";
  if (kind != "active") return "OK";
  Shown& shown = shown_[key];
  const Layer layer = call.layer();
  std::set<std::string> made;
  for (const Step& step : layer.steps()) {
    const bool replaces =
        step.op == StepOp::kFile && (made.contains(step.path) || HasPath(shown.tree, step.path));
    shown.layers.back().Add(step);
    shown.only_adds = shown.only_adds && !replaces && (Makes(step) || OnlyMarks(step));
    if (Makes(step) && !replaces) made.insert(step.path);
  }
  shown.made += static_cast<int64_t>(made.size());
  // As a whole: the times that are not stated depend on the place of a step in its layer.
  const Status status = shown.tree.Apply(layer);
  shown.only_adds = shown.only_adds && status.ok();
  return status.ok() ? "OK" : ErrnoName(status.error_number());
}

}  // namespace layermark
