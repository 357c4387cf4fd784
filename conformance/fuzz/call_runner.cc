// Runs calls on a driver and on the model, and compares the answers and the trees.
#include <fmt/core.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "conformance/fuzz/arena.h"
#include "conformance/fuzz/call_model.h"
#include "core/tree/compare.h"
#include "scenario/subject.h"

namespace layermark {
namespace {

// What the two sides said where that differs; with the signature where the trees differ.
struct Parted {
  std::string expected, seen;
  std::optional<Signature> signature = {};
  std::string word = {};  // which answer it is that differs, for the signature
};
using Answers = std::optional<Parted>;
Answers Disagree(std::string expected, std::string seen, std::string word = "another answer") {
  return Parted{std::move(expected), std::move(seen), std::nullopt, std::move(word)};
}

int64_t NowNs() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

// What is told of a snapshot's times and size, held together over the calls.
struct Told {
  int64_t made_ns = 0;     // just before the call that made it
  int64_t created_ns = 0;  // as first told
  int64_t updated_ns = 0;
  bool was_updated = false;  // since it was last told
  std::optional<Usage> usage;
};

bool StatesTimeOfRoot(const std::vector<Layer>& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const Layer& layer) {
    return std::any_of(layer.steps().begin(), layer.steps().end(),
                       [](const Step& step) { return step.op == StepOp::kTimes && step.path.empty(); });
  });
}

class CallRun {
 public:
  CallRun(Subject& subject, bool rebase) : subject_(subject), model_(rebase), began_ns_(NowNs()) {}

  Answers Run(const SnapshotCall& call) {
    if (call.verb == "fill") return Fill(call);
    if (call.verb == "look") return Look(call);
    if (Answers verdict = Release()) return verdict;
    if (call.verb == "reopen") {
      given_.clear();
      const Status s = subject_.Reopen();
      return s.ok() ? Answers() : Disagree("OK", std::string(CodeName(s.code())));
    }
    if (call.verb == "usage") return CheckUsage(call);
    const bool several = model_.FaultsOf(call) > 1;
    const int64_t before_ns = NowNs();
    const std::string expected = model_.Run(call);
    Listener listener(subject_.api());
    const std::string seen = AnswerTo(call, listener);
    if (!expected.starts_with("OK") && !seen.starts_with("OK") && several) return Answers();
    if (expected != seen) return Disagree(expected, seen);
    if (!expected.starts_with("OK")) return Answers();
    return Follow(call, listener, before_ns);
  }

  std::string KindOf(const std::string& key) { return model_.KindOf(key); }

 private:
  // Keeps what a call told besides its words.
  class Listener : public Snapshotter {
   public:
    explicit Listener(Snapshotter& inner) : inner_(inner) {}
    Result<Info> Stat(const std::string& key) override { return Keep(inner_.Stat(key)); }
    Result<Info> Update(const Info& info, const std::vector<std::string>& paths) override {
      return Keep(inner_.Update(info, paths));
    }
    Result<Usage> GetUsage(const std::string& key) override { return inner_.GetUsage(key); }
    Result<std::vector<Mount>> Mounts(const std::string& key) override { return inner_.Mounts(key); }
    Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                       const Labels& labels) override {
      return Keep(inner_.Prepare(key, parent, labels));
    }
    Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                    const Labels& labels) override {
      return Keep(inner_.View(key, parent, labels));
    }
    Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                  const std::optional<std::string>& parent) override {
      return inner_.Commit(name, key, labels, parent);
    }
    Status Remove(const std::string& key) override { return inner_.Remove(key); }
    Status Walk(const std::function<Status(const Info&)>& callback,
                const std::vector<std::string>& filters) override {
      return inner_.Walk(callback, filters);
    }
    Status Cleanup() override { return inner_.Cleanup(); }
    Status Close() override { return inner_.Close(); }

    const std::optional<Info>& info() const { return info_; }
    const std::optional<std::vector<Mount>>& mounts() const { return mounts_; }

   private:
    Result<Info> Keep(Result<Info> answer) {
      if (answer.ok()) info_ = *answer;
      return answer;
    }
    Result<std::vector<Mount>> Keep(Result<std::vector<Mount>> answer) {
      if (answer.ok()) mounts_ = *answer;
      return answer;
    }
    Snapshotter& inner_;
    std::optional<Info> info_;
    std::optional<std::vector<Mount>> mounts_;
  };

  Answers Follow(const SnapshotCall& call, const Listener& listener, int64_t before_ns) {
    const std::string key = call.Get("key");
    if (call.verb == "prepare" || call.verb == "view") {
      told_[key] = Told();
      told_[key].made_ns = before_ns;
      if (listener.mounts()) given_[key] = *listener.mounts();
    } else if (call.verb == "commit") {
      Told told;
      told.made_ns = before_ns;
      told_.erase(key);
      given_.erase(key);
      told_[call.Get("name")] = told;
    } else if (call.verb == "remove") {
      told_.erase(key);
      given_.erase(key);
    } else if (call.verb == "update") {
      told_[key].was_updated = true;
      if (listener.info()) return CheckTimes(*listener.info(), told_[key]);
    } else if (call.verb == "stat" && listener.info()) {
      return CheckTimes(*listener.info(), told_[key]);
    }
    return Answers();
  }

  // Created when it was made and never after; updated by updates alone.
  static Answers CheckTimes(const Info& info, Told& told) {
    constexpr int64_t kSlackNs = 1'100'000'000;  // a driver may count in seconds
    const auto parted = [](const char* what) {
      return Disagree("OK times", std::string("OK ") + what, what);
    };
    if (info.created_ns < told.made_ns - kSlackNs) return parted("created before it was made");
    if (info.created_ns > NowNs() + kSlackNs) return parted("created in the future");
    if (told.created_ns != 0 && info.created_ns != told.created_ns) return parted("another time of creation");
    if (told.updated_ns != 0 && !told.was_updated && info.updated_ns != told.updated_ns)
      return parted("updated without an update");
    if (told.updated_ns != 0 && told.was_updated && info.updated_ns <= told.updated_ns)
      return parted("not updated by an update");
    told.created_ns = info.created_ns;
    told.updated_ns = info.updated_ns;
    told.was_updated = false;
    return Answers();
  }

  // Bounds that hold however a driver counts: its own README says how.
  Answers CheckUsage(const SnapshotCall& call) {
    const std::string key = call.Get("key");
    const std::string expected = model_.Run(call);
    const Result<Usage> usage = subject_.api().GetUsage(key);
    if (!usage.ok() && usage.status().code() == Code::kUnimplemented) return Answers();
    const std::string seen = usage.ok() ? "OK" : std::string(CodeName(usage.status().code()));
    if (expected != seen) return Disagree(expected, seen);
    const CallModel::Shown* shown = model_.Of(key);
    if (!usage.ok() || shown == nullptr || !shown->known) return Answers();
    const std::string kind = KindOf(key);
    const std::string told = fmt::format("{} inodes, {} bytes", usage->inodes, usage->size_bytes);
    const auto parted = [&](const std::string& right, const char* word) {
      return Disagree("OK " + right, "OK " + told, word);
    };
    if (kind == "view") {
      return usage->inodes == 0 && usage->size_bytes == 0
                 ? Answers()
                 : parted("nothing, as it is a view", "usage of a view");
    }
    std::optional<Usage>& before = told_[key].usage;
    if (kind == "committed" && before &&
        (before->inodes != usage->inodes || before->size_bytes != usage->size_bytes)) {
      return parted(fmt::format("{} inodes, {} bytes, as counted before", before->inodes, before->size_bytes),
                    "another usage");
    }
    before = *usage;
    const Manifest tree = shown->tree.ToManifest();
    int64_t dense = 0;
    int64_t directories = 0;
    int64_t sparse = 0;
    for (const auto& [path, entry] : tree.entries) {
      dense += std::max<int64_t>(entry.data_bytes, 0);
      sparse += entry.type == FileType::kRegular && entry.data_bytes < entry.size_bytes;
      directories += entry.type == FileType::kDirectory;
    }
    const int64_t objects = InodeCount(tree);
    // What a commit makes may be other objects (an image, a farm of links), but something.
    const int64_t least = kind == "active" ? shown->made : std::min<int64_t>(shown->made, 1);
    if (usage->inodes < least && shown->only_adds)
      return parted(fmt::format("at least the {} objects that were made", shown->made), "few inodes");
    const CallModel::Shown* parent = model_.ParentOf(key);
    const int64_t below = parent != nullptr ? InodeCount(parent->tree.ToManifest()) : 0;
    // A union may put marks into the directories that it makes.
    if (usage->inodes > objects + 2 * directories + (shown->only_adds ? 0 : below) + 2)
      return parted(fmt::format("at most the {} objects that there are", objects), "many inodes");
    // Blocks, their maps and attributes: no more than so much for each object. A copy-up may go by pieces of
    // a MiB.
    const int64_t copied = shown->only_adds ? 0 : sparse * (int64_t{2} << 20);
    if (usage->size_bytes > 2 * dense + 96 * 1024 * (objects + 4) + copied)
      return parted(fmt::format("not much more than {} bytes of data", dense), "many bytes");
    return Answers();
  }

  // Unmounts what is mounted.
  Answers Release() {
    if (!mounted_) return Answers();
    const Status s = mounted_->Unmount();
    mounted_.reset();
    return s.ok() ? Answers() : Disagree("an unmount", ErrnoName(s.error_number()));
  }

  // Mounts an active snapshot or a view, unless it is mounted.
  Answers MountOf(const SnapshotCall& call) {
    const std::string key = call.Get("key");
    if (mounted_ && mounted_->key() == key) return Answers();
    if (Answers verdict = Release()) return verdict;
    std::vector<Mount> mounts;
    if (call.Get("mounts") == "given" && given_.contains(key)) {
      mounts = given_[key];
    } else {
      Result<std::vector<Mount>> asked = subject_.api().Mounts(key);
      if (!asked.ok()) return Disagree("OK mounts", std::string(CodeName(asked.status().code())));
      mounts = std::move(*asked);
    }
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount(key, std::move(mounts));
    if (!mounted.ok()) return Disagree("a mount", ErrnoName(mounted.status().error_number()));
    mounted_.emplace(std::move(*mounted));
    return CheckFlags();
  }

  // What is in an image is run, has devices and set-id bits, as on any other root.
  Answers CheckFlags() {
    struct statvfs status {};
    struct statvfs store {};
    if (fstatvfs(mounted_->root_fd(), &status) != 0) return Disagree("a mount", ErrnoName(errno));
    // A bind mount has the flags of where the store is.
    if (statvfs(subject_.root().c_str(), &store) == 0) status.f_flag &= ~store.f_flag;
    std::string flags;
    if ((status.f_flag & ST_NOEXEC) != 0) flags += " noexec";
    if ((status.f_flag & ST_NODEV) != 0) flags += " nodev";
    if ((status.f_flag & ST_NOSUID) != 0) flags += " nosuid";
    return flags.empty() ? Answers() : Disagree("OK mounted", "OK mounted" + flags, "mounted" + flags);
  }

  Answers Fill(const SnapshotCall& call) {
    const std::string kind = KindOf(call.Get("key"));
    if (kind != "active" && kind != "view") return Answers();
    if (Answers verdict = MountOf(call)) return verdict;
    const std::string expected = model_.Run(call);
    const Status s = ApplyLayer(call.layer(), mounted_->root_fd());
    told_[call.Get("key")].usage.reset();
    const std::string seen = s.ok() ? "OK" : ErrnoName(s.error_number());
    return expected == seen ? Answers() : Disagree(expected, seen);
  }

  Answers Look(const SnapshotCall& call) {
    const std::string key = call.Get("key");
    const std::string kind = KindOf(key);
    if (kind == "none") return Answers();
    if (kind == "committed") {
      if (Answers verdict = Release()) return verdict;
      std::string view = "look at it";
      while (KindOf(view) != "none") view += "!";
      Result<std::vector<Mount>> mounts = subject_.api().View(view, key);
      if (!mounts.ok()) return Disagree("OK a view", std::string(CodeName(mounts.status().code())));
      Result<MountedSnapshot> mounted = MountedSnapshot::Mount(view, std::move(*mounts));
      if (!mounted.ok()) return Disagree("a mount", ErrnoName(mounted.status().error_number()));
      mounted_.emplace(std::move(*mounted));
      Answers verdict = CompareWith(*model_.Of(key));
      if (Answers released = Release()) return released;
      const Status removed = subject_.api().Remove(view);
      if (!removed.ok()) return Disagree("OK a removed view", std::string(CodeName(removed.code())));
      return verdict;
    }
    if (Answers verdict = MountOf(call)) return verdict;
    return CompareWith(*model_.Of(key));
  }

  Answers CompareWith(const CallModel::Shown& shown) {
    if (!shown.known) return Answers();
    Result<Manifest> seen = ReadManifest(mounted_->root_fd());
    if (!seen.ok()) return Disagree("a tree", ErrnoName(seen.status().error_number()));
    // Where SEEK_DATA tells nothing the blocks do.
    for (auto& [path, entry] : seen->entries)
      entry.data_bytes = std::min(entry.data_bytes, entry.allocated_bytes);
    Manifest expected = shown.tree.ToManifestFor(*seen);
    if (!StatesTimeOfRoot(shown.layers)) expected.entries[""].mtime_ns = NowNs();
    CompareOptions how;
    how.hole_tolerance_bytes = int64_t{2} << 20;  // a copy-up may go by pieces of a MiB
    how.recent_after_ns = began_ns_ - 2'000'000'000;
    const std::vector<Difference> differences = Compare(expected, *seen, how);
    if (differences.empty()) return Answers();
    Parted parted{"tree", Describe(differences), std::nullopt, ""};
    parted.signature =
        SignatureOf(OriginModel(shown.layers), differences[0], EffectOf(differences[0], expected));
    return parted;
  }

  Subject& subject_;
  CallModel model_;
  std::map<std::string, Told> told_;
  std::map<std::string, std::vector<Mount>> given_;  // what prepare or view answered
  std::optional<MountedSnapshot> mounted_;
  const int64_t began_ns_;
};

// "OK ..." against "OK ...": another answer; otherwise the codes.
std::string Brief(const std::string& answer) {
  return answer.substr(0, answer.find(' '));
}

}  // namespace

Result<std::optional<FuzzFinding>> RunCalls(const ExaminedInstance& instance, Backing& backing,
                                            const CallProgram& program, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  LM_ASSIGN(Subject subject, Subject::Open(instance.instance, backing));
  std::optional<FuzzFinding> finding;
  {
    CallRun run(subject, instance.Has(Capability::rebase));
    for (size_t i = 0; i < program.size() && !finding && std::chrono::steady_clock::now() < end; ++i) {
      const SnapshotCall& call = program[i];
      const std::string kind = run.KindOf(call.Get("key"));
      const Answers parted = run.Run(call);
      if (!parted) continue;
      finding.emplace();
      if (parted->signature) {
        finding->signature = *parted->signature;
        finding->detail = parted->seen + "\n";
      } else {
        const std::string expected = Brief(parted->expected);
        const std::string seen = Brief(parted->seen);
        finding->signature = {
            "call_" + call.verb, {kind, "snapshot"}, expected, expected == seen ? parted->word : seen};
        finding->detail = fmt::format("expected {}\nseen     {}\n", parted->expected, parted->seen);
      }
      finding->calls = ToText(CallProgram(program.begin(), program.begin() + static_cast<long>(i) + 1));
      finding->index = i;
    }
  }
  // What is left of a store that answers wrongly goes with the backing.
  (void)subject.Discard();
  return finding;
}

}  // namespace layermark
