// Random programs of calls. The generator follows the model, so that most calls can succeed, and what is
// wrong with the others is drawn on purpose.
#include <fmt/core.h>

#include <algorithm>

#include "conformance/fuzz/call_model.h"
#include "conformance/fuzz/generator.h"
#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

class CallMaker {
 public:
  CallMaker(FuzzRandom& random, bool rebase) : r_(random), rebase_(rebase), model_(rebase) {}

  CallProgram Make(size_t count) {
    while (program_.size() < count) Draw();
    End();
    return std::move(program_);
  }

  // A chain of so many layers; each adds a file and some replace or remove one of those below.
  CallProgram Chain(size_t count) {
    std::string parent;
    for (size_t i = 0; i < count; ++i) {
      Add({"prepare", {{"key", "key"}, {"parent", parent}}});
      if (i % 3 == 0 || i < 4 || i + 4 > count) {
        Layer layer;
        layer.File(fmt::format("f{}", i), fmt::format("layer {}", i));
        layer.File("every", fmt::format("layer {}", i));
        if (i % 9 == 0 && i >= 9) layer.Remove(fmt::format("f{}", i - 9));
        Fill("key", layer);
      }
      parent = fmt::format("layer{}", i);
      Add({"commit", {{"name", parent}, {"key", "key"}}});
    }
    Add({"look", {{"key", parent}}});
    Add({"prepare", {{"key", "top"}, {"parent", parent}}});
    Add({"look", {{"key", "top"}}});
    End();
    return std::move(program_);
  }

  // A directory of more names than a page or a thousand hold.
  CallProgram Wide(size_t count) {
    Layer layer;
    layer.Dir("wide");
    for (size_t i = 0; i < count; ++i) layer.File(fmt::format("wide/{:04}", i), "");
    Add({"prepare", {{"key", "a"}, {"parent", ""}}});
    Fill("a", layer);
    Add({"commit", {{"name", "b"}, {"key", "a"}}});
    Add({"look", {{"key", "b"}}});
    return std::move(program_);
  }

 private:
  void Add(SnapshotCall call) {
    (void)model_.Run(call);
    program_.push_back(std::move(call));
  }
  void Fill(const std::string& key, const Layer& layer, bool given = false) {
    SnapshotCall call{"fill", {{"key", key}}};
    if (given) call.arguments.emplace_back("mounts", "given");
    for (const Step& step : layer.steps()) call.arguments.emplace_back("step", LayerStepText(step));
    Add(std::move(call));
  }

  // Everything is looked at once more, and after the store was opened again.
  void End() {
    if (r_.OneIn(2)) Add({"reopen", {}});
    Add({"walk", {}});
    const std::vector<Info> all = model_.All();
    for (size_t i = 0; i < std::min<size_t>(all.size(), 8); ++i) {
      const Info& info = all.size() <= 8 ? all[i] : r_.Pick(all);
      Add({"stat", {{"key", info.name}}});
      Add({"look", {{"key", info.name}}});
      if (r_.OneIn(2)) Add({"usage", {{"key", info.name}}});
    }
  }

  void Draw() {
    // What makes snapshots comes more often than what looks at them.
    static const std::vector<std::string> verbs = {
        "prepare", "prepare", "prepare", "view",   "view",   "fill",   "fill",   "fill",
        "fill",    "commit",  "commit",  "commit", "commit", "remove", "stat",   "update",
        "update",  "usage",   "walk",    "mounts", "look",   "look",   "cleanup"};
    const std::string verb = r_.OneIn(40) ? "reopen" : r_.Pick(verbs);
    if (verb == "prepare" || verb == "view") return Prepare(verb);
    if (verb == "commit") return Commit();
    if (verb == "fill") return Write();
    if (verb == "update") return Update();
    if (verb == "walk") return Walk();
    if (verb == "cleanup" || verb == "reopen") {
      Add({verb, {}});
      return Look(Any());
    }
    if (verb == "remove") {
      const std::string key = Removable();
      const std::string parent = Parent(key);
      Add({"remove", {{"key", key}}});
      // What is taken away too much: the parent, its other children, whoever comes next.
      if (!parent.empty() && r_.OneIn(2)) Add({"look", {{"key", parent}}});
      if (r_.OneIn(3)) Look(Any());
      return;
    }
    const std::string key = Any();
    Add({verb, {{"key", key}}});
    // An answer is asked for twice: it is the same, and asking leaves the files.
    if (verb == "mounts" || verb == "stat") Look(key);
  }

  void Prepare(const std::string& verb) {
    const std::string key = r_.OneIn(8) ? Any() : NewName();
    const std::string parent = r_.OneIn(4) ? "" : r_.OneIn(10) ? Any() : Of(Kind::kCommitted);
    SnapshotCall call{verb, {{"key", key}, {"parent", parent}}};
    AddLabels(call);
    Add(std::move(call));
    if (verb == "view" || r_.OneIn(3)) Look(key, r_.OneIn(2));
    if (r_.OneIn(4)) Add({"stat", {{"key", key}}});
    if (verb == "prepare" && r_.OneIn(2)) WriteTo(key, r_.OneIn(2));
  }

  void Commit() {
    const std::string key = r_.OneIn(10) ? Any() : Of(Kind::kActive);
    const std::string name = r_.OneIn(10) ? Any() : NewName();
    if (r_.OneIn(4)) Add({"usage", {{"key", key}}});
    SnapshotCall call{"commit", {{"name", name}, {"key", key}}};
    AddLabels(call);
    if (rebase_ && r_.OneIn(8)) call.arguments.emplace_back("rebase", Any());
    Add(std::move(call));
    if (r_.OneIn(2)) Look(name);
    if (r_.OneIn(3)) Add({"stat", {{"key", name}}});
    if (r_.OneIn(3)) Add({"usage", {{"key", name}}});
    if (r_.OneIn(4)) Add({"stat", {{"key", key}}});
  }

  void Write() {
    const std::string key = r_.OneIn(10) ? Of(Kind::kView) : Of(Kind::kActive);
    WriteTo(key, r_.OneIn(4));
  }
  void WriteTo(const std::string& key, bool given) {
    const CallModel::Shown* shown = model_.Of(key);
    if (shown == nullptr || !shown->known) return;
    if (model_.KindOf(key) == "view") return Fill(key, Layer().File("written", "x"), given);
    const bool usage = r_.OneIn(4);
    if (usage) Add({"usage", {{"key", key}}});
    const size_t steps = r_.OneIn(3) ? 1 + r_.Below(4) : 10 + r_.Below(20);
    Fill(key, GenerateTree(r_, shown->tree, steps, shown->layers.size() > 1), given);
    if (usage) Add({"usage", {{"key", key}}});
    if (r_.OneIn(4)) Look(key);
  }

  void Update() {
    const std::string key = Any();
    SnapshotCall call{"update", {{"key", key}}};
    AddLabels(call);
    std::vector<std::string> paths = {"labels", "labels." + LabelKey(), "labels." + LabelKey()};
    if (r_.OneIn(6)) {
      for (const char* bad : {"kind", "name", "parent", "", "labels.", "labelsx"}) paths.emplace_back(bad);
    }
    for (size_t n = r_.Below(3); n > 0; --n) call.arguments.emplace_back("path", r_.Pick(paths));
    // The labels that are there, so that one is changed or taken away.
    for (const Info& info : model_.All()) {
      if (info.name != key || info.labels.empty() || r_.OneIn(3)) continue;
      const auto& label = *std::next(info.labels.begin(), static_cast<long>(r_.Below(info.labels.size())));
      if (r_.OneIn(2)) call.arguments.emplace_back("path", "labels." + label.first);
      if (r_.OneIn(2))
        call.arguments.emplace_back("label", label.first + "=" + (r_.OneIn(3) ? "" : "changed"));
    }
    Add(std::move(call));
    Add({"stat", {{"key", key}}});
    if (r_.OneIn(4)) Add({"walk", {}});
  }

  void Walk() {
    SnapshotCall call{"walk", {}};
    for (size_t n = r_.Below(4); n > 0; --n) {
      std::string filter = Clause();
      while (r_.OneIn(3)) filter += "," + Clause();
      call.arguments.emplace_back("filter", filter);
    }
    Add(std::move(call));
  }

  std::string Clause() {
    static const std::vector<std::string> bad = {"name=",  "==", "unknown==1", "name==\"open",
                                                 "kind==", ",",  "name"};
    static const std::vector<std::string> kinds = {"active", "view", "committed", "nothing"};
    static const std::vector<std::string> operators = {"==", "==", "!=", "~="};
    if (r_.OneIn(15)) return r_.Pick(bad);
    const std::string op = r_.Pick(operators);
    const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
    // Plain words alone: how filters quote is another matter.
    const auto word = [&](std::string text) {
      const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0;
      });
      if (!plain) text = "a";
      if (r_.OneIn(4) && text.size() > 1) text.pop_back();  // a prefix of one that is there
      return text;
    };
    switch (r_.Below(5)) {
      case 0:
        return "kind" + (op == "~=" ? "==" : op) + r_.Pick(kinds);
      case 1:
        return "name" + op + quoted(word(Any()));
      case 2:
        return "parent" + op + (r_.OneIn(6) ? quoted("") : quoted(word(Any())));
      default: {
        const std::string field = "labels." + quoted(LabelKey());
        return r_.OneIn(3) ? field : field + op + quoted(word(Value()));
      }
    }
  }

  std::string LabelKey() {
    static const std::vector<std::string> keys = {"a",   "b",     "a.b", "a.b.c", "containerd.io/gc.root",
                                                  "Key", "other", "x/y", "c",     "d"};
    return r_.Pick(keys);
  }
  std::string Value() {
    static const std::vector<std::string> values = {
        "x", "y", "", "true", " blanks ", "k=v=w", "a, b", "long", "\xc3\xa9", "X", "line\n", "quote\""};
    if (r_.OneIn(20)) return std::string(r_.OneIn(4) ? 5000 : r_.OneIn(2) ? 256 : 4000, 'v');
    return r_.Pick(values);
  }
  void AddLabels(SnapshotCall& call) {
    const size_t count = r_.OneIn(12) ? 14 : r_.Below(4);
    for (size_t n = 0; n < count; ++n) {
      const std::string key = count > 4 ? fmt::format("label{}", n) : LabelKey();
      call.arguments.emplace_back("label", key + "=" + Value());
    }
  }

  std::string NewName() {
    static const std::vector<std::string> odd = {
        "",         "with space", "a ", " a",   "a/b",      "a//b", "/a", "\xc3\xbc", "..", "../x",
        "a:b,c\\d", "'\"",        "%s", "a\nb", "sha256:0", "10",   "9",  "1",        "ab", "abc"};
    std::string name;
    if (r_.OneIn(12)) {
      name = r_.Pick(odd);
    } else if (r_.OneIn(40)) {
      name = std::string(r_.OneIn(2) ? 300 : 70, static_cast<char>('k' + r_.Below(3)));
    } else {
      // A small pool with names of both cases, so that names come up again.
      name = std::string(1, static_cast<char>((r_.OneIn(6) ? 'A' : 'a') + r_.Below(9)));
    }
    for (int i = 0; i < 6 && model_.KindOf(name) != "none"; ++i) name = fmt::format("n{}", serial_++);
    return name;
  }
  // A snapshot of the kind; where there is none, a name.
  std::string Of(Kind kind) {
    std::vector<std::string> names;
    for (const Info& info : model_.All()) {
      if (info.kind == kind) names.push_back(info.name);
    }
    return names.empty() ? "missing" : r_.Pick(names);
  }
  // Any snapshot, and now and then a name that is none.
  std::string Any() {
    const std::vector<Info> all = model_.All();
    return all.empty() || r_.OneIn(12) ? (r_.OneIn(2) ? "missing" : NewName()) : r_.Pick(all).name;
  }
  // One with children as often as one without.
  std::string Removable() {
    std::vector<std::string> parents;
    const std::vector<Info> all = model_.All();
    for (const Info& info : all) {
      if (!info.parent.empty()) parents.push_back(info.parent);
    }
    return !parents.empty() && r_.OneIn(3) ? r_.Pick(parents) : Any();
  }
  std::string Parent(const std::string& key) {
    for (const Info& info : model_.All()) {
      if (info.name == key) return info.parent;
    }
    return "";
  }
  void Look(const std::string& key, bool given = false) {
    if (model_.KindOf(key) == "none") return;
    SnapshotCall call{"look", {{"key", key}}};
    if (given && model_.KindOf(key) != "committed") call.arguments.emplace_back("mounts", "given");
    Add(std::move(call));
  }

  FuzzRandom& r_;
  const bool rebase_;
  CallModel model_;
  CallProgram program_;
  int serial_ = 0;
};

}  // namespace

CallProgram GenerateCalls(FuzzRandom& random, size_t count, bool rebase, uint64_t index, size_t most_layers) {
  CallMaker maker(random, rebase);
  if (index % 8 == 5) return maker.Chain(index % 16 == 5 ? most_layers : std::min<size_t>(most_layers, 20));
  if (index % 8 == 6) return maker.Wide(1500);
  return maker.Make(count);
}

}  // namespace layermark
