// Cases of chains and families of snapshots: every layer of a long chain, siblings, cousins and views, and
// the calls that come between. The model holds what each must show, through everything that happens to its
// relatives.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "scenario/model.h"

namespace layermark {
namespace {

// Committed snapshots on the driver and in the model, by name.
class Family {
 public:
  explicit Family(CaseContext& t) : t_(t) {}

  void Commit(const std::string& name, const std::string& parent, const Layer& layer) {
    trees_[name] = parent.empty() ? ModelTree() : trees_.at(parent);
    if (!t_.Ok(trees_[name].Apply(layer), "the model cannot apply " + name)) return;
    t_.Ok(t_.subject().CommitLayer(name, parent, layer), "committing " + name);
  }

  // An active snapshot with `layer` on it, which is known to the family under its key from now on.
  void Prepare(const std::string& key, const std::string& parent, const Layer& layer) {
    trees_[key] = trees_.at(parent);
    if (!t_.Ok(trees_[key].Apply(layer), "the model cannot apply " + key)) return;
    Result<MountedSnapshot> mounted = t_.subject().Prepare(key, parent);
    if (!t_.Ok(mounted, "preparing " + key)) return;
    SameAsModel(parent, mounted->root_fd(), key + " at first");
    if (t_.Ok(ApplyLayer(layer, mounted->root_fd()), "changing " + key))
      t_.Ok(mounted->Unmount(), "unmounting " + key);
  }

  void CommitActive(const std::string& name, const std::string& key) {
    trees_[name] = trees_.at(key);
    trees_.erase(key);
    t_.Ok(t_.api().Commit(name, key), "committing " + key);
  }

  // What a view of the committed snapshot shows.
  void LookAt(const std::string& name) {
    Result<Manifest> seen = t_.subject().ViewManifest(name);
    if (t_.Ok(seen, "viewing " + name))
      t_.SameTree(trees_.at(name).ToManifestFor(*seen), *seen, "a view of " + name);
  }

  // What the active snapshot shows through the mounts that the driver names now.
  void LookAtActive(const std::string& key) {
    Result<std::vector<Mount>> mounts = t_.api().Mounts(key);
    if (!t_.Ok(mounts, "mounts of " + key)) return;
    Result<MountedSnapshot> mounted = MountedSnapshot::Mount(key, std::move(mounts).value());
    if (!t_.Ok(mounted, "mounting " + key)) return;
    SameAsModel(key, mounted->root_fd(), key);
    t_.Ok(mounted->Unmount(), "unmounting " + key);
  }

 private:
  void SameAsModel(const std::string& name, int root_fd, const std::string& what) {
    Result<Manifest> seen = ReadManifest(root_fd);
    if (t_.Ok(seen, "reading " + what)) t_.SameTree(trees_.at(name).ToManifestFor(*seen), *seen, what);
  }

  CaseContext& t_;
  std::map<std::string, ModelTree> trees_;
};

Layer BaseLayer() {
  Layer layer;
  layer.Dir("d").Dir("d/e").File("d/f", "base", 0640).Chown("d/f", 1000, 70000).File("top", "base");
  layer.Symlink("link", "d/f").Symlink("d/link", "nowhere").Fifo("fifo").Mknod("socket", S_IFSOCK | 0644);
  layer.Dir("empty", 0711).Chown("empty", 5, 6).Times("empty", 1, 1'222'333'444'555'666'777);
  layer.File("name1", "linked").Link("d/name2", "name1").File("nothing", "");
  return layer.Times("", 1, 1'000'000'000'000'000'123);
}

}  // namespace

LM_CASE(stacking, every_layer_of_thirteen,
        .claim = "each layer of a chain of thirteen shows its own union while the others stand on it",
        .source = "rule 6; rule 26; C3; C14", .deadline_seconds = 120) {
  Family family(t);
  std::string parent;
  for (int i = 0; i < 13 && !t.ended(); ++i) {
    Layer layer = i == 0 ? BaseLayer() : Layer();
    layer.File(fmt::format("own{}", i), fmt::format("layer {}", i)).Dir(fmt::format("d/dir{}", i));
    if (i > 0) layer.File("top", fmt::format("from layer {}", i));
    if (i > 0) layer.Remove(fmt::format("d/dir{}", i - 1)).Chmod("d/f", static_cast<mode_t>(0600 + i));
    if (i >= 3 && i % 2 == 1)
      layer.Remove(fmt::format("own{}", i - 3)).Times("d/e", i, 1'500'000'000'000'000'000 + i);
    if (i % 5 == 4) layer.RemoveAll("d/e").Dir("d/e").File("d/e/again", std::to_string(i));
    const std::string name = fmt::format("chain{}", i);
    family.Commit(name, parent, layer);
    parent = name;
  }
  for (int i = 0; i < 13 && !t.ended(); ++i) family.LookAt(fmt::format("chain{}", i));
  for (const int i : {2, 9, 12}) {
    if (!t.ended())
      family.Prepare(fmt::format("on{}", i), fmt::format("chain{}", i), Layer().File("new", "x"));
    if (!t.ended()) family.LookAtActive(fmt::format("on{}", i));
  }
}

LM_CASE(
    stacking, siblings_cousins_and_views_stay_apart,
    .claim =
        "each child and grandchild of one snapshot shows its own files, whatever becomes of its relatives",
    .source = "rule 5; rule 7; rule 27; C20", .deadline_seconds = 120) {
  Family family(t);
  family.Commit("base", "", BaseLayer());
  const auto own = [](const std::string& name) {
    return Layer()
        .File("own." + name, name)
        .File("top", name)
        .Chmod("d", 0700)
        .Remove("link")
        .File("d/e/" + name, name)
        .Times("d", 1, 1'600'000'000'000'000'001);
  };
  for (const char* name : {"a", "b", "c"}) family.Commit(name, "base", own(name));
  for (const char* name : {"a1", "a2"})
    family.Commit(name, "a", Layer().File("young." + std::string(name), name).Remove("fifo"));
  family.Commit("b1", "b", Layer().RemoveAll("d").Dir("d").File("d/new", "x"));
  if (t.ended()) return;
  for (const char* name : {"x", "y", "z"}) family.Prepare(name, "base", own(name));
  for (const char* name : {"xa", "ya", "za"})
    family.Prepare(name, "a", Layer().File("on.a", name).Remove("nothing"));
  if (t.ended()) return;
  t.Ok(t.api().View("view", "base"), "view");
  for (const char* name : {"base", "a", "b", "c", "a1", "a2", "b1"}) family.LookAt(name);
  for (const char* name : {"x", "y", "z", "xa", "ya", "za"}) family.LookAtActive(name);
  if (t.ended()) return;
  t.Ok(t.api().Remove("view"), "removing the view");
  t.Ok(t.api().Remove("y"), "removing an active snapshot");
  family.CommitActive("z.done", "z");
  family.CommitActive("za.done", "za");
  t.Ok(t.api().Remove("a2"), "removing a committed snapshot");
  const Status cleanup = t.api().Cleanup();
  t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  for (const char* name : {"base", "a", "b", "c", "a1", "b1", "z.done", "za.done"}) family.LookAt(name);
  for (const char* name : {"x", "xa", "ya"}) family.LookAtActive(name);
}

LM_CASE(
    lifecycle, calls_in_between_leave_the_files,
    .claim =
        "an active snapshot keeps what was written to it through every call about it and its relatives, and "
        "commit takes all of it",
    .source = "rule 8; rule 22; rule 18; rule 54; C10") {
  Family family(t);
  family.Commit("base", "", BaseLayer());
  family.Prepare("active", "base",
                 Layer().File("first", "1").Remove("d/f").File("top", "changed").Chmod("empty", 0700));
  if (t.ended()) return;
  std::vector<std::function<void()>> calls = {
      [&] { (void)t.api().Stat("active"); },
      [&] { (void)t.api().GetUsage("active"); },
      [&] { (void)t.api().Mounts("active"); },
      [&] { (void)t.api().Walk([](const Info&) { return Status(); }, {}); },
      [&] {
        Info info;
        info.name = "active";
        info.labels = {{"a", "b"}};
        (void)t.api().Update(info, {});
      },
      [&] { (void)t.api().Prepare("active", "base"); },
      [&] { (void)t.api().Commit("base", "active"); },
      [&] { (void)t.api().Remove("base"); },
      [&] { (void)t.api().Cleanup(); },
      [&] {
        if (t.Ok(t.api().View("view", "base"), "view")) t.Ok(t.api().Remove("view"), "removing the view");
      },
      [&] {
        if (t.Ok(t.api().Prepare("sibling", "base"), "sibling"))
          t.Ok(t.api().Remove("sibling"), "removing the sibling");
      },
  };
  // One after the other, and the second time the other way round.
  const auto look_around = [&] {
    for (const auto& call : calls) call();
    std::reverse(calls.begin(), calls.end());
  };
  look_around();
  family.LookAtActive("active");
  Result<std::vector<Mount>> mounts = t.api().Mounts("active");
  if (!t.Ok(mounts, "mounts")) return;
  Result<MountedSnapshot> mounted = MountedSnapshot::Mount("active", *mounts);
  if (!t.Ok(mounted, "mounting")) return;
  t.Ok(ApplyLayer(Layer().File("second", "2").Remove("name1"), mounted->root_fd()), "writing more");
  t.Ok(mounted->Unmount(), "unmounting");
  look_around();
  // What is written after the last of the calls is as much part of it as what was written before.
  mounted = MountedSnapshot::Mount("active", *mounts);
  if (!t.Ok(mounted, "mounting again")) return;
  t.Ok(
      ApplyLayer(Layer().File("third", "3").Remove("first").File("top", "changed again"), mounted->root_fd()),
      "writing last");
  Result<Manifest> written = ReadManifest(mounted->root_fd());
  t.Ok(mounted->Unmount(), "unmounting");
  t.Ok(t.api().Commit("done", "active"), "commit");
  Result<Manifest> kept = t.subject().ViewManifest("done");
  if (t.Ok(written, "reading") && t.Ok(kept, "viewing")) t.SameTree(*written, *kept, "what was committed");
  family.LookAt("base");
}

LM_CASE(lifecycle, keys_and_names_used_again_show_nothing_old,
        .claim =
            "a key or name that is used again shows what is made under it now, on the same parent or another",
        .source = "rule 32; rule 48; C6") {
  Family family(t);
  family.Commit("base", "", BaseLayer());
  family.Commit("other", "", Layer().File("other", "x").Times("", 1, 1'000'000'000'000'000'321));
  for (const char* round : {"1", "2", "3"}) {
    if (t.ended()) return;
    family.Prepare("key", "base", Layer().File("round" + std::string(round), round).File("top", round));
    family.LookAtActive("key");
    t.Ok(t.api().Remove("key"), "remove");
    family.Prepare("key", "other", Layer().File("on_other" + std::string(round), round));
    family.CommitActive("name", "key");
    family.LookAt("name");
    t.Ok(t.api().Remove("name"), "removing the name");
    family.Prepare("key", "base", Layer().File("named" + std::string(round), round));
    family.CommitActive("name", "key");
    family.LookAt("name");
    t.Ok(t.api().Remove("name"), "removing the name");
  }
}

LM_CASE(
    lifecycle, removals_leave_the_other_twenty,
    .claim =
        "removing one of many snapshots leaves the files of all others, whatever their numbers begin with",
    .source = "rule 48; C37", .deadline_seconds = 120) {
  Family family(t);
  family.Commit("base", "", Layer().File("f", "base").Times("", 1, 1'000'000'000'000'000'456));
  const auto key = [](int i) { return fmt::format("key{}", i); };
  for (int i = 1; i <= 21 && !t.ended(); ++i) family.Prepare(key(i), "base", Layer().File(key(i), key(i)));
  for (const int gone : {1, 2, 20}) t.Ok(t.api().Remove(key(gone)), "removing " + key(gone));
  for (int i = 3; i <= 21 && !t.ended(); ++i) {
    if (i != 20) family.LookAtActive(key(i));
  }
  family.LookAt("base");
}

}  // namespace layermark
