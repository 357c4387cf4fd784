// Runs calls on a driver and on the model, and compares the answers.
#include <fmt/core.h>

#include <map>
#include <set>

#include "conformance/fuzz/calls.h"
#include "conformance/support/recording_snapshotter.h"
#include "scenario/model_snapshotter.h"
#include "scenario/subject.h"

namespace layermark {
namespace {

Labels LabelsOf(const SnapshotCall& call) {
  Labels labels;
  for (const auto& [key, value] : call.arguments) {
    if (key != "label") continue;
    const size_t equals = std::min(value.find('='), value.size());
    labels[value.substr(0, equals)] = value.substr(std::min(equals + 1, value.size()));
  }
  return labels;
}

std::vector<std::string> AllOf(const SnapshotCall& call, std::string_view key) {
  std::vector<std::string> values;
  for (const auto& [name, value] : call.arguments) {
    if (name == key) values.push_back(value);
  }
  return values;
}

// One side. Its last answer, in words that two right ones share.
std::string Ask(Snapshotter& inner, const SnapshotCall& call) {
  RecordingSnapshotter api(inner);
  const std::string key = call.Get("key");
  if (call.verb == "prepare") {
    (void)api.Prepare(key, call.Get("parent"), LabelsOf(call));
  } else if (call.verb == "view") {
    (void)api.View(key, call.Get("parent"), LabelsOf(call));
  } else if (call.verb == "commit") {
    const std::vector<std::string> rebase = AllOf(call, "rebase");
    (void)api.Commit(call.Get("name"), key, LabelsOf(call),
                     rebase.empty() ? std::nullopt : std::optional<std::string>(rebase[0]));
  } else if (call.verb == "remove") {
    (void)api.Remove(key);
  } else if (call.verb == "stat") {
    (void)api.Stat(key);
  } else if (call.verb == "update") {
    Info info;
    info.name = key;
    info.labels = LabelsOf(call);
    (void)api.Update(info, AllOf(call, "path"));
  } else if (call.verb == "usage") {
    (void)api.GetUsage(key);
  } else if (call.verb == "mounts") {
    (void)api.Mounts(key);
  } else if (call.verb == "walk") {
    (void)api.Walk([](const Info&) { return Status::Ok(); }, AllOf(call, "filter"));
  } else if (call.verb == "cleanup") {
    (void)api.Cleanup();
  }
  const std::string line = api.log().empty() ? "" : api.log().back();
  const size_t arrow = line.find(" -> ");
  return arrow == std::string::npos ? "" : line.substr(arrow + 4);
}

class CallRun {
 public:
  CallRun(Subject& subject, bool rebase) : subject_(subject), model_(rebase) {}

  // What the two answered, where that differs.
  Result<std::optional<std::pair<std::string, std::string>>> Run(const SnapshotCall& call) {
    using Answers = std::optional<std::pair<std::string, std::string>>;
    if (call.verb == "reopen") {
      const Status s = subject_.Reopen();
      return s.ok() ? Answers() : Answers({"OK", std::string(CodeName(s.code()))});
    }
    if (call.verb == "touch" || call.verb == "look") return Look(call);
    const bool several = FaultsOf(call) > 1;
    std::string expected = Ask(model_, call);
    std::string seen = Ask(subject_.api(), call);
    if (expected.starts_with("OK")) Keep(call);
    if (several && !expected.starts_with("OK") && !seen.starts_with("OK")) return Answers();
    return expected == seen ? Answers() : Answers({expected, seen});
  }

  // active, view, committed or none
  std::string KindOf(const std::string& key) {
    const Result<Info> info = model_.Stat(key);
    return info.ok() ? std::string(KindName(info->kind)) : "none";
  }

 private:
  int FaultsOf(const SnapshotCall& call) {
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
      const std::vector<std::string> rebase = AllOf(call, "rebase");
      faults += !rebase.empty() && KindOf(rebase[0]) != "committed";
      const Result<Info> info = model_.Stat(key);
      faults += !rebase.empty() && info.ok() && !info->parent.empty() && info->parent != rebase[0];
    } else if (call.verb == "update" || call.verb == "walk") {
      faults = (KindOf(key) == "none" ? 1 : 0) + 1;
    }
    return faults;
  }

  // Which files there are is followed beside the model, which knows nothing of bytes.
  void Keep(const SnapshotCall& call) {
    const std::string key = call.Get("key");
    if (call.verb == "prepare" || call.verb == "view") {
      files_[key] = files_[call.Get("parent")];
    } else if (call.verb == "commit") {
      std::set<std::string> files = files_[key];
      const std::string below = call.Get("rebase");
      if (!below.empty()) files.insert(files_[below].begin(), files_[below].end());
      files_.erase(key);
      files_[call.Get("name")] = files;
    } else if (call.verb == "remove") {
      files_.erase(key);
    }
  }

  Result<std::optional<std::pair<std::string, std::string>>> Look(const SnapshotCall& call) {
    using Answers = std::optional<std::pair<std::string, std::string>>;
    const std::string key = call.Get("key");
    const std::string kind = KindOf(key);
    if (kind != "active" && kind != "view") return Answers();
    Result<std::vector<Mount>> mounts = subject_.api().Mounts(key);
    if (!mounts.ok()) return Answers({"OK mounts", std::string(CodeName(mounts.status().code()))});
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount(key, std::move(*mounts));
    if (!mounted.ok()) return Answers({"a mount", "a failed mount"});
    if (call.verb == "touch") {
      const Status s = WriteFileAt(mounted->root_fd(), call.Get("file"), "touched");
      const bool should = kind == "active";
      if (should) files_[key].insert(call.Get("file"));
      if (s.ok() != should) {
        LM_TRY(mounted->Unmount());
        return Answers(
            {should ? "a write" : "a read-only view", s.ok() ? "a write" : ErrnoName(s.error_number())});
      }
    }
    Result<std::vector<std::string>> names = ListDir(mounted->root_fd());
    LM_TRY(mounted->Unmount());
    if (!names.ok()) return Answers({"names", ErrnoName(names.status().error_number())});
    const std::set<std::string> seen(names->begin(), names->end());
    if (seen == files_[key]) return Answers();
    const auto text = [](const std::set<std::string>& of) {
      std::string out = "files";
      for (const std::string& name : of) out += " " + name;
      return out;
    };
    return Answers({text(files_[key]), text(seen)});
  }

  Subject& subject_;
  ModelSnapshotter model_;
  std::map<std::string, std::set<std::string>> files_;
};

// "OK ..." against "OK ...": another answer; otherwise the codes.
std::string Brief(const std::string& answer) {
  return answer.substr(0, answer.find(' '));
}

}  // namespace

Result<std::optional<FuzzFinding>> RunCalls(const ExaminedInstance& instance, Backing& backing,
                                            const CallProgram& program) {
  LM_ASSIGN(Subject subject, Subject::Open(instance.instance, backing));
  CallRun run(subject, instance.Has(Capability::rebase));
  std::optional<FuzzFinding> finding;
  for (size_t i = 0; i < program.size() && !finding; ++i) {
    const SnapshotCall& call = program[i];
    const std::string kind = run.KindOf(call.Get("key"));
    LM_ASSIGN(const auto answers, run.Run(call));
    if (!answers) continue;
    finding.emplace();
    const std::string expected = Brief(answers->first);
    const std::string seen = Brief(answers->second);
    finding->signature = {
        "call_" + call.verb, {kind, "snapshot"}, expected, expected == seen ? "another answer" : seen};
    finding->detail = fmt::format("expected {}\nseen     {}\n", answers->first, answers->second);
    finding->calls = ToText(CallProgram(program.begin(), program.begin() + static_cast<long>(i) + 1));
    finding->index = i;
  }
  // What is left of a store that answers wrongly goes with the backing.
  (void)subject.Discard();
  return finding;
}

}  // namespace layermark
