// Area lifecycle: update, usage, remove, walk, reopening and concurrency. The expectation is the model's.
#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {

LM_CASE(lifecycle, remove_of_nothing, .claim = "Remove of a missing key is NotFound", .source = "rule 47") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Remove("missing");
    (void)s.Prepare("a", "");
    (void)s.Remove("a");
    (void)s.Remove("a");
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, remove_with_children_is_refused,
        .claim = "Remove of a parent is FailedPrecondition while any child lives; afterwards it works",
        .source = "rule 47; SS Basic; SS RemoveIntermediateSnapshot") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Prepare("active", "base");
    (void)s.View("view", "base");
    (void)s.Prepare("b", "base");
    (void)s.Commit("next", "b");
    (void)s.Remove("base");
    (void)s.Remove("active");
    (void)s.Remove("base");
    (void)s.Remove("view");
    (void)s.Remove("base");
    (void)s.Remove("next");
    (void)s.Remove("base");
    (void)s.Stat("base");
  });
}

LM_CASE(lifecycle, remove_gives_the_space_back,
        .claim = "after Remove and Cleanup nothing of a snapshot is left in the store",
        .source = "rule 48; rule 54") {
  if (!t.Ok(t.subject().CommitLayer("base", "", Layer().File("f", "x")), "commit")) return;
  Result<Manifest> before = ReadManifest(t.subject().root());
  Result<MountedSnapshot> snapshot = t.subject().Prepare("k", "base");
  if (!t.Ok(snapshot, "prepare")) return;
  t.Ok(ApplyLayer(Layer().File("big", std::string(100000, 'x')).Dir("d").Remove("f"), snapshot->root_fd()),
       "apply");
  t.Ok(snapshot->Unmount(), "unmount");
  t.Ok(t.api().Remove("k"), "remove");
  const Status cleanup = t.api().Cleanup();
  t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  Result<Manifest> after = ReadManifest(t.subject().root());
  if (!t.Ok(before, "reading the store") || !t.Ok(after, "reading the store")) return;
  for (const auto& [path, entry] : after->entries)
    t.Check(before->entries.contains(path), "left behind: " + path);
}

LM_CASE(lifecycle, labels_are_stored, .claim = "labels given to Prepare, View and Commit are kept",
        .source = "rule 31") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"containerd.io/snapshot/x", "1"}, {"other", "2"}});
    (void)s.Stat("a");
    (void)s.View("v", "", {{"k", "v"}});
    (void)s.Stat("v");
    (void)s.Commit("base", "a", {{"committed", "yes"}});
    (void)s.Stat("base");
  });
}

LM_CASE(lifecycle, commit_does_not_inherit_labels,
        .claim = "a committed snapshot has the labels given to Commit and no others", .source = "rule 43") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"active", "1"}});
    (void)s.Commit("base", "a");
    (void)s.Stat("base");
  });
}

LM_CASE(lifecycle, long_labels_are_refused,
        .claim = "a label longer than 4096 bytes is InvalidArgument and leaves no key", .source = "rule 17") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"k", std::string(4096, 'v')}});
    (void)s.Stat("a");
    (void)s.Prepare("a", "", {{"k", std::string(4095, 'v')}});
  });
}

LM_CASE(lifecycle, update_replaces_all_labels,
        .claim = "Update without field paths replaces the label map and nothing else",
        .source = "rule 13; SS Update") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"old", "1"}, {"both", "2"}});
    Info info;
    info.name = "a";
    info.kind = Kind::kCommitted;
    info.parent = "bogus";
    info.created_ns = 5;
    info.labels = {{"both", "3"}, {"new", "4"}};
    (void)s.Update(info, {});
    (void)s.Stat("a");
    info.labels = {};
    (void)s.Update(info, {"labels"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, update_of_every_kind_keeps_the_rest,
        .claim = "whatever kind, parent and times the passed Info has, a snapshot of any kind keeps its own",
        .source = "rule 13; rule 3; rule 16") {
  t.SameAsModel([](Snapshotter& s) {
    for (const char* name : {"base", "other"}) {
      (void)s.Prepare("k", "");
      (void)s.Commit(name, "k");
    }
    (void)s.Prepare("k", "base");
    (void)s.Commit("done", "k");
    (void)s.Prepare("act", "base");
    (void)s.View("look", "base");
    const std::pair<Kind, const char*> passed[] = {
        {Kind::kActive, "other"}, {Kind::kView, ""}, {Kind::kCommitted, "act"}};
    for (const char* name : {"done", "act", "look"}) {
      for (const auto& [kind, parent] : passed) {
        Info info;
        info.name = name;
        info.kind = kind;
        info.parent = parent;
        info.created_ns = info.updated_ns = 1'500'000'000'000'000'000;
        info.labels = {{"passed", std::string(KindName(kind))}};
        (void)s.Update(info, {});
        (void)s.Update(info, {"labels.passed"});
        (void)s.Stat(name);
      }
    }
    (void)s.Walk([](const Info&) { return Status::Ok(); }, {});
    // A parent is one still, and a view no active snapshot.
    (void)s.Remove("base");
    (void)s.Remove("other");
    (void)s.Commit("from a view", "look");
    (void)s.Prepare("on top", "done");
  });
}

LM_CASE(lifecycle, update_of_one_label,
        .claim = "Update of labels.K sets K alone, and removes it where it is absent or empty",
        .source = "rule 14") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"x", "1"}, {"y", "2"}, {"z.dots/slash", "3"}});
    Info info;
    info.name = "a";
    info.labels = {{"x", "new"}, {"ignored", "9"}};
    (void)s.Update(info, {"labels.x"});
    (void)s.Update(info, {"labels.y"});
    info.labels = {{"z.dots/slash", ""}};
    (void)s.Update(info, {"labels.z.dots/slash"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, update_of_anything_else_is_refused,
        .claim = "a field path other than labels is InvalidArgument and changes nothing",
        .source = "rule 15") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"x", "1"}});
    Info info;
    info.name = "a";
    info.labels = {{"x", "2"}};
    for (const char* path : {"parent", "kind", "name", "label", "created_at"}) (void)s.Update(info, {path});
    (void)s.Update(info, {"labels.x", "parent"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, update_of_nothing, .claim = "Update of a missing name is NotFound", .source = "rule 12") {
  t.SameAsModel([](Snapshotter& s) {
    Info info;
    info.name = "missing";
    (void)s.Update(info, {});
    (void)s.Update(info, {"labels.x"});
  });
}

LM_CASE(lifecycle, update_of_a_committed_snapshot,
        .claim = "a committed snapshot's labels can be updated; its kind and parent stay",
        .source = "rule 13; rule 16") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a", {{"x", "1"}});
    Info info;
    info.name = "base";
    info.labels = {{"y", "2"}};
    (void)s.Update(info, {});
    (void)s.Stat("base");
  });
}

LM_CASE(lifecycle, times_of_a_snapshot,
        .claim = "created and updated agree at first; Update moves only updated",
        .source = "rule 16; rule 42") {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  Result<Info> fresh = t.api().Stat("a");
  if (!t.Ok(fresh, "stat")) return;
  t.Equal(fresh->created_ns, fresh->updated_ns, "updated of a fresh snapshot");
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  Result<Info> updated = t.api().Update(*fresh, {});
  if (!t.Ok(updated, "update")) return;
  t.Equal(fresh->created_ns, updated->created_ns, "created after Update");
  t.Check(updated->updated_ns > fresh->updated_ns, "updated did not move");
  Result<Info> again = t.api().Stat("a");
  if (t.Ok(again, "stat")) t.Equal(updated->updated_ns, again->updated_ns, "updated as Stat says");
}

LM_CASE(lifecycle, walk_sees_each_once, .claim = "Walk visits every snapshot once, with what Stat says",
        .source = "rule 50; MS Walk; SS StatInWalk; rule 10") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"l", "1"}});
    (void)s.Commit("base", "a", {{"l", "2"}});
    (void)s.Prepare("active", "base");
    (void)s.View("view", "base");
    (void)s.Walk([](const Info&) { return Status::Ok(); });
  });
  std::set<std::string> seen;
  t.Ok(t.api().Walk([&](const Info& info) -> Status {
    t.Check(seen.insert(info.name).second, "visited twice: " + info.name);
    LM_ASSIGN(Info stat, t.api().Stat(info.name));
    t.Check(stat.kind == info.kind && stat.parent == info.parent && stat.labels == info.labels,
            "Stat disagrees: " + info.name);
    return Status::Ok();
  }),
       "walk");
}

LM_CASE(lifecycle, walk_of_an_empty_store, .claim = "Walk of an empty store visits nothing",
        .source = "rule 50") {
  t.SameAsModel([](Snapshotter& s) { (void)s.Walk([](const Info&) { return Status::Ok(); }); });
}

LM_CASE(lifecycle, walk_stops_at_an_error,
        .claim = "an error of the callback ends the walk and is its answer", .source = "rule 52") {
  for (const char* key : {"a", "b", "c"}) t.Ok(t.api().Prepare(key, ""), "prepare");
  int calls = 0;
  const Status s = t.api().Walk([&](const Info&) {
    ++calls;
    return Status(Code::kAborted, "enough");
  });
  t.HasCode(s, Code::kAborted, "the walk's answer");
  t.Equal(1, calls, "calls");
}

LM_CASE(lifecycle, walk_filters,
        .claim = "filters select by name, parent, kind and label; commas mean and, several filters or",
        .source = "rule 51; SS Walk") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"color", "red"}, {"a.b/c", "x"}});
    (void)s.Commit("base", "a", {{"color", "blue"}, {"a.b/c", "y"}});
    (void)s.Prepare("one", "base", {{"color", "red"}});
    (void)s.Prepare("two", "base", {{"shape", "round"}});
    (void)s.View("three", "base");
    auto walk = [&](const std::vector<std::string>& filters) {
      (void)s.Walk([](const Info&) { return Status::Ok(); }, filters);
    };
    walk({"name==one"});
    walk({"kind==active"});
    walk({"kind==committed"});
    walk({"kind==view"});
    walk({"parent==base"});
    walk({"parent==base,kind==active"});
    walk({"name==one", "name==two"});
    walk({"labels.color==red"});
    walk({"labels.color!=red"});
    walk({"labels.color"});
    walk({"labels.\"a.b/c\"==y"});
    walk({"name~=t.*"});
    walk({"name==nobody"});
  });
}

LM_CASE(lifecycle, walk_refuses_a_bad_filter, .claim = "a filter that cannot be parsed is InvalidArgument",
        .source = "rule 51") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    for (const char* filter : {"name=", "==x", "name==a,", "labels.\"open==x", "name=!x"}) {
      (void)s.Walk([](const Info&) { return Status::Ok(); }, {filter});
    }
  });
}

LM_CASE(lifecycle, close_twice, .claim = "Close is idempotent", .source = "rule 55; SS CloseTwice") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Close();
    (void)s.Close();
  });
}

LM_CASE(lifecycle, a_store_opened_again_knows_everything,
        .claim = "after Close and a new Open every snapshot is there, with labels, parents and content",
        .source = "rule 22; rule 46") {
  t.Given({Layer().File("f", "x"), Layer().File("g", "y")});
  MountedSnapshot* active = t.PrepareOnGiven("active");
  if (active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "kept"), active->root_fd()), "apply");
  t.Ok(active->Unmount(), "unmount");
  if (!t.Ok(t.subject().Reopen(), "opening again")) return;
  t.ThenStackIsRight();
  Result<std::vector<Mount>> mounts = t.api().Mounts("active");
  if (!t.Ok(mounts, "mounts after opening again")) return;
  Result<MountedSnapshot> again = MountedSnapshot::Mount("active", *mounts);
  if (!t.Ok(again, "mounting again")) return;
  Result<std::string> content = ReadFileAt(again->root_fd(), "mine");
  if (t.Ok(content, "reading")) t.Equal(std::string("kept"), *content, "content");
}

LM_CASE(lifecycle, one_key_from_many_threads,
        .claim = "of many concurrent Prepares of one key exactly one succeeds",
        .source = "rule 28; concurrency") {
  t.Given({Layer().File("f", "x")});
  Snapshotter& api = t.api();
  std::atomic<int> ok{0};
  std::atomic<int> exists{0};
  std::vector<std::thread> threads;
  const bool serial = t.Has(Capability::serial);
  auto prepare = [&] {
    const Status s = api.Prepare("k", t.given()).status();
    if (s.ok()) ++ok;
    if (s.code() == Code::kAlreadyExists) ++exists;
  };
  for (int i = 0; i < 8; ++i) {
    if (serial) {
      prepare();
    } else {
      threads.emplace_back(prepare);
    }
  }
  for (std::thread& thread : threads) thread.join();
  t.Equal(1, ok.load(), "Prepares that succeeded");
  t.Equal(7, exists.load(), "Prepares that answered AlreadyExists");
}

LM_CASE(lifecycle, many_keys_from_many_threads,
        .claim = "concurrent Prepare, Commit, Remove and Walk of different keys all succeed",
        .source = "rule 53; concurrency") {
  t.Given({Layer().File("f", "x").Dir("d")});
  Snapshotter& api = t.api();
  std::mutex mutex;
  std::vector<std::string> failed;
  const auto worked = [&](const char* call, const std::string& key, const Status& status) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!status.ok()) failed.push_back(fmt::format("{} {}: {}", call, key, status.ToString()));
  };
  auto work = [&](int id) {
    for (int i = 0; i < 6; ++i) {
      const std::string key = fmt::format("k{}.{}", id, i);
      worked("prepare", key, api.Prepare(key, t.given()).status());
      worked("walk", key, api.Walk([](const Info&) { return Status::Ok(); }));
      if (i % 2 == 0) {
        worked("commit", key, api.Commit(key + "c", key));
        worked("remove", key + "c", api.Remove(key + "c"));
      } else {
        worked("remove", key, api.Remove(key));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    if (t.Has(Capability::serial)) {
      work(id);
    } else {
      threads.emplace_back(work, id);
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& what : failed) t.Fail(what);
  int left = 0;
  t.Ok(api.Walk([&](const Info&) {
    ++left;
    return Status::Ok();
  }),
       "walk");
  t.Equal(1, left, "snapshots left");
}

LM_CASE(usage, of_nothing, .claim = "Usage of a missing key is NotFound", .source = "rule 18") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.GetUsage("missing");
    (void)s.Prepare("a", "");
    (void)s.GetUsage("a");
    (void)s.Commit("base", "a");
    (void)s.GetUsage("base");
    (void)s.GetUsage("a");
  });
}

LM_CASE(usage, grows_with_what_is_written,
        .claim = "Usage of an active snapshot grows by what is written to it",
        .source = "rule 18; rule 19; SS usage") {
  t.Given({Layer().File("base", std::string(50000, 'b'))});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<Usage> before = t.api().GetUsage("a");
  t.Ok(ApplyLayer(Layer().File("f", std::string(1 << 20, 'x')).File("g", "y").Dir("d"), snapshot->root_fd()),
       "apply");
  t.Check(syncfs(snapshot->root_fd()) == 0, "syncfs");
  Result<Usage> after = t.api().GetUsage("a");
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  t.Check(after->size_bytes >= before->size_bytes + (1 << 20),
          fmt::format("size went from {} to {}", before->size_bytes, after->size_bytes));
  t.Check(after->inodes >= before->inodes + 3,
          fmt::format("inodes went from {} to {}", before->inodes, after->inodes));
}

LM_CASE(usage, excludes_the_parent,
        .claim = "Usage of a fresh snapshot on a large parent does not count the parent's bytes",
        .source = "rule 7; rule 20", .needs = {Capability::usage_own_changes}) {
  t.Given({Layer().File("base", std::string(4 << 20, 'b'))});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<Usage> usage = t.api().GetUsage("a");
  if (t.Ok(usage, "usage"))
    t.Check(usage->size_bytes < (1 << 20), fmt::format("{} bytes", usage->size_bytes));
}

LM_CASE(usage, is_frozen_at_commit,
        .claim = "Usage of a committed snapshot is what it was at Commit, whatever its children do",
        .source = "rule 18; rule 42") {
  t.Given({Layer().File("base", std::string(100000, 'b'))});
  Result<Usage> before = t.api().GetUsage(t.given());
  MountedSnapshot* child = t.PrepareOnGiven("a");
  if (child == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("base", std::string(300000, 'c')).File("more", std::string(200000, 'd')),
                  child->root_fd()),
       "apply");
  Result<Usage> after = t.api().GetUsage(t.given());
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  t.Equal(before->size_bytes, after->size_bytes, "size");
  t.Equal(before->inodes, after->inodes, "inodes");
  t.Check(before->inodes > 0, "no inodes counted");
}

LM_CASE(view, is_read_only, .claim = "every change through a view's mount is refused, and the tree stays",
        .source = "rule 27; SS ViewReadonly; containerd 1368") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  Result<MountedSnapshot> view = t.subject().View("v", t.given());
  if (!t.Ok(view, "view")) return;
  Ops fs(view->root_fd());
  fs.Create("new", "x");
  fs.WriteFile("f", "x");
  fs.Unlink("f");
  fs.Mkdir("e");
  fs.Rename("f", "h");
  fs.Chmod("f", 0600);
  fs.SetXattr("f", "user.x", "1");
  fs.Utimens("f", 1, 1);
  fs.RemoveAll("d");
  for (const Observation& o : fs.log()) t.Check(o.error != 0, o.step + " worked on a view");
  Result<Manifest> manifest = ReadManifest(view->root_fd());
  if (t.Ok(manifest, "reading")) t.SameTree(t.given_manifest(), *manifest, "the view afterwards");
}

LM_CASE(view, of_two_layers_is_read_only,
        .claim = "a view on two layers shows their union and refuses changes", .source = "rule 23; rule 27") {
  t.Given({Layer().File("f", "x").File("gone", "x"), Layer().File("g", "y").Remove("gone")});
  Result<MountedSnapshot> view = t.subject().View("v", t.given());
  if (!t.Ok(view, "view")) return;
  Ops fs(view->root_fd());
  fs.Create("new", "x");
  fs.Unlink("f");
  fs.WriteFile("g", "x");
  for (const Observation& o : fs.log()) t.Check(o.error != 0, o.step + " worked on a view");
  Result<Manifest> manifest = ReadManifest(view->root_fd());
  if (t.Ok(manifest, "reading")) t.SameTree(t.given_manifest(), *manifest, "the view");
}

LM_CASE(view, of_nothing_is_empty, .claim = "a view without a parent is an empty read-only directory",
        .source = "rule 4; rule 27") {
  Result<MountedSnapshot> view = t.subject().View("v", "");
  if (!t.Ok(view, "view")) return;
  Result<std::vector<std::string>> names = ListDir(view->root_fd());
  if (t.Ok(names, "list")) t.Equal(size_t{0}, names->size(), "entries");
  Ops fs(view->root_fd());
  t.Check(fs.Create("new", "x") != 0, "create worked on a view");
}

LM_CASE(view, stays_while_a_sibling_changes,
        .claim = "a mounted view does not see what an active sibling changes", .source = "rule 5; rule 27") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  Result<MountedSnapshot> view = t.subject().View("v", t.given());
  MountedSnapshot* active = t.PrepareOnGiven("a");
  if (!t.Ok(view, "view") || active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("f", "changed").RemoveAll("d").File("new", "n"), active->root_fd()), "apply");
  Result<Manifest> manifest = ReadManifest(view->root_fd());
  if (t.Ok(manifest, "reading")) t.SameTree(t.given_manifest(), *manifest, "the view afterwards");
}

LM_CASE(view, can_be_removed_and_made_again,
        .claim = "removing a view leaves its parent whole, and the key free", .source = "rule 32; rule 48") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  for (int i = 0; i < 3; ++i) {
    Result<MountedSnapshot> view = t.subject().View("v", t.given());
    if (!t.Ok(view, "view")) return;
    t.Ok(view->Unmount(), "unmount");
    t.Ok(t.api().Remove("v"), "remove");
  }
  t.ThenStackIsRight();
}

}  // namespace layermark
