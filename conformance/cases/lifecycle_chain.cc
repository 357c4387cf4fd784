// Areas lifecycle, rebase and usage: chains of snapshots, refused calls, stores opened again, and what is
// counted.
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "conformance/support/case.h"
#include "conformance/support/records.h"
#include "results/accounting.h"

namespace layermark {
namespace {

// Makes what is written part of what Usage sees on a file system that allocates late.
Result<Usage> SettledUsage(CaseContext& t, const MountedSnapshot& snapshot) {
  t.Check(syncfs(snapshot.root_fd()) == 0, "syncfs");
  return t.api().GetUsage(snapshot.key());
}

}  // namespace

LM_CASE(lifecycle, parents_of_a_long_chain,
        .claim = "each snapshot of a chain names the one it was made on, whatever was made from the others",
        .source = "rule 4; rule 5; SS TransitivityTest; peer-checks C3") {
  t.SameAsModel([](Snapshotter& s) {
    std::string parent;
    for (int i = 0; i < 8; ++i) {
      const std::string name = fmt::format("c{}", i);
      (void)s.Prepare("k" + name, parent);
      (void)s.View("v" + name, parent);
      (void)s.Commit(name, "k" + name);
      parent = name;
    }
    for (int i = 0; i < 8; ++i) {
      (void)s.Stat(fmt::format("c{}", i));
      (void)s.Stat(fmt::format("vc{}", i));
    }
  });
}

LM_CASE(lifecycle, a_chain_is_removed_from_the_top,
        .claim = "of a chain only the top can be removed, again and again, until nothing is left",
        .source = "rule 47; SS RemoveIntermediateSnapshot; peer-checks C8") {
  t.SameAsModel([](Snapshotter& s) {
    std::string parent;
    for (int i = 0; i < 5; ++i) {
      const std::string name = fmt::format("c{}", i);
      (void)s.Prepare("k", parent);
      (void)s.Commit(name, "k");
      parent = name;
    }
    for (int top = 4; top >= 0; --top) {
      for (int i = 0; i < top; ++i) (void)s.Remove(fmt::format("c{}", i));
      (void)s.Remove(fmt::format("c{}", top));
      (void)s.Walk([](const Info&) { return Status::Ok(); });
    }
  });
}

LM_CASE(lifecycle, freed_names_start_another_life,
        .claim = "a name freed by Remove can be a key, a view and a committed name with another parent",
        .source = "rule 2; rule 32; SS Remove; peer-checks C6") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("k", "", {{"life", "1"}});
    (void)s.Commit("n", "k", {{"life", "1"}});
    (void)s.Remove("n");
    (void)s.Prepare("n", "", {{"life", "2"}});
    (void)s.Stat("n");
    (void)s.Commit("k", "n");
    (void)s.View("n", "k", {{"life", "3"}});
    (void)s.Stat("n");
    (void)s.Remove("k");
    (void)s.Remove("n");
    (void)s.Remove("k");
    (void)s.Prepare("k2", "");
    (void)s.Commit("n", "k2");
    (void)s.Stat("n");
    (void)s.Prepare("k", "n");
    (void)s.Stat("k");
  });
}

LM_CASE(
    lifecycle, a_commit_onto_its_own_key,
    .claim = "Commit to the very key of the active snapshot is AlreadyExists, and the snapshot stays active",
    .source = "rule 2; rule 40") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"x", "1"}});
    (void)s.Commit("a", "a", {{"x", "2"}});
    (void)s.Stat("a");
    (void)s.Mounts("a");
  });
}

LM_CASE(
    lifecycle, a_refused_commit_keeps_everything,
    .claim =
        "a Commit refused for a taken name leaves the active snapshot's content, which another name takes",
    .source = "rule 35; rule 40; rule 45") {
  t.Given({Layer().File("f", "lower").Dir("d").File("d/g", "y")});
  if (!t.Ok(t.subject().CommitLayer("taken", t.given(), Layer().File("other", "o")), "commit")) return;
  MountedSnapshot* active = t.PrepareOnGiven("a");
  if (active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "m").Remove("d/g").Write("f", 0, "L"), active->root_fd()), "a change");
  Result<Manifest> expected = ReadManifest(active->root_fd());
  Result<Manifest> taken = t.subject().ViewManifest("taken");
  if (!t.Ok(active->Unmount(), "unmount")) return;
  t.HasCode(t.api().Commit("taken", "a"), Code::kAlreadyExists, "commit to a taken name");
  t.HasCode(t.api().Commit(t.given(), "a"), Code::kAlreadyExists, "commit to its parent's name");
  t.Ok(t.api().Mounts("a"), "mounts after that");
  if (!t.Ok(t.api().Commit("free", "a"), "commit to a free name")) return;
  Result<Manifest> seen = t.subject().ViewManifest("free");
  Result<Manifest> still = t.subject().ViewManifest("taken");
  if (t.Ok(expected, "reading") && t.Ok(seen, "view")) t.SameTree(*expected, *seen, "the committed snapshot");
  if (t.Ok(taken, "view") && t.Ok(still, "view"))
    t.SameTree(*taken, *still, "the snapshot of the taken name");
}

LM_CASE(lifecycle, a_call_after_each_refusal_works,
        .claim = "after every kind of refused call the next one is answered: nothing stays locked",
        .source = "peer bug 31; rule 35; containerd 6722", .deadline_seconds = 30) {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Prepare("act", "base");
    (void)s.View("view", "base");
    Info info;
    info.name = "missing";
    const std::vector<std::function<void()>> refused = {
        [&] { (void)s.Stat("missing"); },
        [&] { (void)s.Update(info, {}); },
        [&] { (void)s.GetUsage("missing"); },
        [&] { (void)s.Mounts("missing"); },
        [&] { (void)s.Mounts("base"); },
        [&] { (void)s.Prepare("act", "base"); },
        [&] { (void)s.Prepare("new", "missing"); },
        [&] { (void)s.Prepare("new", "act"); },
        [&] { (void)s.View("act", "base"); },
        [&] { (void)s.View("new", "view"); },
        [&] { (void)s.Commit("new", "missing"); },
        [&] { (void)s.Commit("base", "act"); },
        [&] { (void)s.Commit("new", "view"); },
        [&] { (void)s.Remove("missing"); },
        [&] { (void)s.Remove("base"); },
        [&] { (void)s.Walk([](const Info&) { return Status::Ok(); }, {"name=="}); },
    };
    for (size_t i = 0; i < refused.size(); ++i) {
      refused[i]();
      (void)s.Stat("act");
      (void)s.Prepare(fmt::format("next{}", i), "base");
      (void)s.Remove(fmt::format("next{}", i));
    }
    (void)s.Walk([](const Info&) { return Status::Ok(); });
  });
}

LM_CASE(lifecycle, every_kind_on_an_empty_parent,
        .claim = "snapshots without a parent of every kind stand beside each other and have no parent",
        .source = "rule 3; rule 4; rule 8") {
  t.SameAsModel([](Snapshotter& s) {
    for (int i = 0; i < 3; ++i) {
      (void)s.Prepare(fmt::format("a{}", i), "");
      (void)s.View(fmt::format("v{}", i), "");
      (void)s.Prepare("k", "");
      (void)s.Commit(fmt::format("c{}", i), "k");
    }
    for (const char* name : {"a0", "v1", "c2", "k"}) {
      (void)s.Stat(name);
      (void)s.Mounts(name);
      (void)s.GetUsage(name);
    }
    (void)s.Walk([](const Info&) { return Status::Ok(); }, {"parent==\"\"", "parent"});
  });
}

LM_CASE(lifecycle, opened_again_every_record_is_the_same,
        .claim = "kinds, parents, labels and both times of every snapshot are the same after Close and Open",
        .source = "rule 46; rule 59") {
  t.Given({Layer().File("f", "x"), Layer().File("g", "y")});
  t.Ok(t.api().Prepare("active", t.given(), {{"a.b/c", "1"}, {"empty", ""}}), "prepare");
  t.Ok(t.api().View("view", t.given(), {{"v", "\"quoted\", text"}}), "view");
  t.Ok(t.api().Prepare("gone", ""), "prepare");
  t.Ok(t.api().Remove("gone"), "remove");
  Info info;
  info.name = "view";
  info.labels = {{"v", "2"}};
  t.Ok(t.api().Update(info, {"labels.v"}), "update");
  const std::map<std::string, std::string> before = RecordsOf(t);
  if (!t.Ok(t.subject().Reopen(), "opening again")) return;
  SameRecords(t, before, RecordsOf(t));
}

LM_CASE(lifecycle, opened_again_the_usage_is_the_same,
        .claim = "the usage that was stored at Commit is the same after Close and Open",
        .source = "rule 42; rule 46") {
  t.Given(
      {Layer().File("f", std::string(70000, 'x')), Layer().File("g", std::string(9000, 'y')).Remove("f")});
  Result<Usage> before = t.api().GetUsage(t.given());
  if (!t.Ok(t.subject().Reopen(), "opening again")) return;
  Result<Usage> after = t.api().GetUsage(t.given());
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  t.Equal(before->size_bytes, after->size_bytes, "size");
  t.Equal(before->inodes, after->inodes, "inodes");
}

LM_CASE(
    lifecycle, numbers_are_not_used_again,
    .claim =
        "a snapshot made after the newest was removed and the store opened again shows nothing of that one",
    .source = "rule 6; rule 48; peer-checks C37") {
  t.Given({Layer().File("f", "x")});
  for (int round = 0; round < 3; ++round) {
    MountedSnapshot* old = t.PrepareOnGiven(fmt::format("old{}", round));
    if (old == nullptr) return;
    t.Ok(ApplyLayer(Layer().File("secret", "of the old one").Remove("f"), old->root_fd()), "a change");
    t.Ok(old->Unmount(), "unmount");
    t.Ok(t.api().Remove(old->key()), "remove");
    if (round > 0 && !t.Ok(t.subject().Reopen(), "opening again")) return;
    MountedSnapshot* fresh = t.PrepareOnGiven(fmt::format("new{}", round));
    if (fresh == nullptr) return;
    Result<Manifest> seen = ReadManifest(fresh->root_fd());
    if (t.Ok(seen, "reading")) t.SameTree(t.given_manifest(), *seen, fresh->key());
    t.Ok(fresh->Unmount(), "unmount");
  }
}

LM_CASE(lifecycle, one_that_is_mounted_keeps_no_other,
        .claim = "while one snapshot is mounted, all others can be removed, and nothing of them is left",
        .source = "peer bug 34; rule 48; rule 49; containerd 3923") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  MountedSnapshot* kept = t.PrepareOnGiven("kept");
  if (kept == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "m"), kept->root_fd()), "a change");
  Result<Manifest> before = ReadManifest(kept->root_fd());
  for (int i = 0; i < 10; ++i) {
    t.Ok(t.api().Prepare(fmt::format("a{}", i), t.given()), "prepare");
    t.Ok(t.api().View(fmt::format("v{}", i), t.given()), "view");
  }
  for (int i = 0; i < 10; ++i) {
    t.Ok(t.api().Remove(fmt::format("a{}", i)), "remove");
    t.Ok(t.api().Remove(fmt::format("v{}", i)), "remove");
  }
  const Status cleanup = t.api().Cleanup();
  t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  t.Equal(size_t{2}, RecordsOf(t).size(), "snapshots left");
  if (!t.Ok(kept->Remount(t.api()), "unmount and mount again")) return;
  Result<Manifest> after = ReadManifest(kept->root_fd());
  if (t.Ok(before, "reading") && t.Ok(after, "reading")) t.SameTree(*before, *after, "the mounted one");
}

LM_CASE(lifecycle, cleanup_changes_no_snapshot,
        .claim = "Cleanup leaves every snapshot as it is: kind, parent, labels, times and files",
        .source = "rule 54; rule 16; rule 5") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y"), Layer().Remove("d/g").File("d/h", "z")});
  MountedSnapshot* active = t.PrepareOnGiven("act");
  if (active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "m").Remove("f"), active->root_fd()), "a change");
  Result<Manifest> written = ReadManifest(active->root_fd());
  t.Ok(t.api().View("look", t.given()), "view");
  for (const auto& [name, text] : RecordsOf(t)) {
    Info info;
    info.name = name;
    info.labels = {{"of", name}, {"io.x/long.name", "a b"}};
    t.Ok(t.api().Update(info, {}), "labels of " + name);
  }
  t.Ok(t.api().Prepare("gone", t.given()), "prepare");
  t.Ok(t.api().Remove("gone"), "remove");
  Result<Manifest> parent_before = t.subject().ViewManifest(t.given());
  const std::map<std::string, std::string> before = RecordsOf(t);
  for (int i = 0; i < 2; ++i) {
    const Status cleanup = t.api().Cleanup();
    t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  }
  std::map<std::string, std::string> after = RecordsOf(t);
  for (const auto& [name, text] : before) t.Equal(text, after[name], "snapshot " + name);
  t.Equal(before.size(), after.size(), "snapshots");
  if (!t.Ok(active->Remount(t.api()), "unmount and mount again")) return;
  Result<Manifest> kept = ReadManifest(active->root_fd());
  if (t.Ok(written, "reading") && t.Ok(kept, "reading")) t.SameTree(*written, *kept, "the active snapshot");
  Result<Manifest> parent = t.subject().ViewManifest(t.given());
  if (t.Ok(parent_before, "view of the parent") && t.Ok(parent, "view of the parent"))
    t.SameTree(*parent_before, *parent, "the parent");
}

LM_CASE(lifecycle, removal_goes_through_no_mount,
        .claim =
            "Remove of a snapshot with something mounted in its directory deletes nothing of what is mounted",
        .source = "peer bug 28; peer bug 29; containerd 10704; containerd 1785") {
  Result<std::string> treasure = t.backing().NewDirectory("treasure");
  if (!treasure.ok()) return t.Error(treasure.status().ToString());
  if (Status s = WriteFile(*treasure + "/precious", "keep me"); !s.ok()) return t.Error(s.ToString());
  t.Given({Layer().File("f", "x").Dir("d")});
  MountedSnapshot* active = t.PrepareOnGiven("a");
  if (active == nullptr) return;
  const std::string inside = active->path() + "/d";
  if (Status s = BindMount(*treasure, inside, false, false); !s.ok()) return t.Error(s.ToString());
  // It may refuse, or remove the snapshot; either way it must not follow.
  (void)t.api().Remove("a");
  Result<std::string> content = ReadFile(*treasure + "/precious");
  if (t.Ok(content, "reading what was mounted")) t.Equal(std::string("keep me"), *content, "content");
  // A file system may take the mounts of a directory along with the directory.
  const Status unmounted = UnmountPath(inside);
  t.Check(unmounted.ok() || unmounted.code() == Code::kNotFound, "inner mount: " + unmounted.ToString());
  t.Ok(active->Unmount(), "unmount");
  const Status cleanup = t.api().Cleanup();
  t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
  Result<Manifest> parent = t.subject().ViewManifest(t.given());
  if (t.Ok(parent, "view of the parent")) t.SameTree(t.given_manifest(), *parent, "the parent");
  t.Ok(RemoveTree(*treasure), "removing the scratch directory");
}

LM_CASE(rebase, shows_the_new_parent,
        .claim = "a snapshot that Commit gave a parent shows the parent's tree below its own",
        .source = "rule 44; MS Rebase", .needs = {Capability::rebase}) {
  t.Given({Layer().File("f", "lower").File("both", "lower").Dir("d", 0750).File("d/g", "y")});
  Result<MountedSnapshot> alone = t.subject().Prepare("alone", "");
  if (!t.Ok(alone, "prepare")) return;
  const Layer own =
      Layer().File("both", "own").File("mine", "m").Dir("d", 0711).File("d/h", "z").Times("", 5, 5);
  t.Ok(ApplyLayer(own, alone->root_fd()), "a change");
  t.Ok(alone->Unmount(), "unmount");
  if (!t.Ok(t.api().Commit("rebased", "alone", {{"x", "1"}}, t.given()), "commit with a parent")) return;
  Result<Info> info = t.api().Stat("rebased");
  if (t.Ok(info, "stat")) t.Equal(t.given(), info->parent, "the parent");
  Result<MountedSnapshot> view = t.subject().View("look", "rebased");
  if (!t.Ok(view, "view")) return;
  Ops fs(view->root_fd());
  t.Equal(std::string("own"), fs.Read("both"), "the name of both");
  t.Equal(std::string("lower"), fs.Read("f"), "the parent's file");
  t.Equal(std::string("y"), fs.Read("d/g"), "the parent's file in a merged directory");
  t.Equal(std::string("z"), fs.Read("d/h"), "its own file in a merged directory");
  t.HasCode(t.api().Remove(t.given()), Code::kFailedPrecondition, "removing the new parent");
}

LM_CASE(rebase, onto_its_own_parent_is_a_plain_commit,
        .claim = "a Commit that names the parent which the snapshot has already, or none, changes no parent",
        .source = "rule 44", .needs = {Capability::rebase}) {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("k", "");
    (void)s.Commit("base", "k");
    (void)s.Prepare("a", "base");
    (void)s.Commit("same", "a", {}, "base");
    (void)s.Stat("same");
    (void)s.Prepare("b", "base");
    (void)s.Commit("none", "b", {}, "");
    (void)s.Stat("none");
    (void)s.Prepare("c", "");
    (void)s.Commit("still_none", "c", {}, "");
    (void)s.Stat("still_none");
  });
}

LM_CASE(
    rebase, refused_leaves_the_snapshot_active,
    .claim = "after a refused rebase the snapshot is active, without a parent, and can be committed as it is",
    .source = "rule 44; rule 35", .needs = {Capability::rebase}) {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("k", "");
    (void)s.Commit("base", "k");
    (void)s.Prepare("act", "base");
    (void)s.View("view", "base");
    (void)s.Prepare("a", "");
    for (const char* parent : {"missing", "act", "view", "a"}) {
      (void)s.Commit("n", "a", {}, parent);
      (void)s.Stat("a");
      (void)s.Stat("n");
    }
    (void)s.Commit("n", "a");
    (void)s.Stat("n");
    (void)s.Remove("base");
  });
}

LM_CASE(usage, holes_take_no_room,
        .claim = "a file that is mostly hole counts for what it takes, not for its size",
        .source = "rule 19; peer bug 46; continuity 163", .needs = {Capability::seek_hole}) {
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<Usage> before = SettledUsage(t, *snapshot);
  t.Ok(ApplyLayer(Layer().Sparse("f", int64_t{64} << 20, 1 << 20, "some data"), snapshot->root_fd()),
       "apply");
  Result<Usage> after = SettledUsage(t, *snapshot);
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  const int64_t grown = after->size_bytes - before->size_bytes;
  t.Check(grown > 0 && grown < (1 << 20), fmt::format("the size grew by {} bytes", grown));
}

LM_CASE(usage, shrinks_with_what_is_removed,
        .claim = "Usage of an active snapshot goes down again when what was written is removed",
        .source = "rule 18") {
  t.Given({Layer().File("base", "b")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  t.Ok(
      ApplyLayer(Layer().File("f", std::string(2 << 20, 'x')).Dir("d").File("d/g", "y"), snapshot->root_fd()),
      "apply");
  Result<Usage> full = SettledUsage(t, *snapshot);
  t.Ok(ApplyLayer(Layer().Remove("f").RemoveAll("d"), snapshot->root_fd()), "removing");
  Result<Usage> after = SettledUsage(t, *snapshot);
  if (!t.Ok(full, "usage") || !t.Ok(after, "usage")) return;
  t.Check(after->size_bytes <= full->size_bytes - (2 << 20),
          fmt::format("size went from {} to {}", full->size_bytes, after->size_bytes));
  t.Check(after->inodes <= full->inodes - 3,
          fmt::format("inodes went from {} to {}", full->inodes, after->inodes));
}

LM_CASE(usage, counts_each_object_once,
        .claim = "a symlink, fifo, socket, device, empty file and file with three names add one inode each",
        .source = "rule 19; CT Usage") {
  t.Given({Layer().File("base", "b")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  // The directories that change are counted before; a new directory may come with a marker of the union.
  t.Ok(ApplyLayer(Layer().Dir("d").File("first", "x"), snapshot->root_fd()), "apply");
  Result<Usage> before = SettledUsage(t, *snapshot);
  Layer layer = Layer()
                    .Symlink("d/l", "x")
                    .Fifo("d/p")
                    .Mknod("d/s", S_IFSOCK | 0644)
                    .File("d/empty", "")
                    .File("d/f", "x")
                    .Link("d/g", "d/f")
                    .Link("h", "d/f");
  int64_t made = 5;
  if (t.Has(Capability::priv_mknod)) {
    layer.Mknod("d/c", S_IFCHR | 0600, makedev(1, 3)).Mknod("d/b", S_IFBLK | 0600, makedev(7, 0));
    made += 2;
  }
  t.Ok(ApplyLayer(layer, snapshot->root_fd()), "apply");
  Result<Usage> after = SettledUsage(t, *snapshot);
  if (t.Ok(before, "usage") && t.Ok(after, "usage"))
    t.Equal(before->inodes + made, after->inodes, "inodes afterwards");
}

LM_CASE(usage, counts_the_blocks_that_stat_tells,
        .claim = "Usage grows by at least the blocks that the new objects take, those of attributes included",
        .source = "rule 19; rule 21; moby 52845") {
  t.Given({Layer().File("base", "b")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<Usage> before = SettledUsage(t, *snapshot);
  Layer layer = Layer()
                    .File("f", std::string(12345, 'x'))
                    .File("g", std::string(200'000, 'y'))
                    .Dir("d")
                    .File("d/h", std::string(5000, 'z'));
  if (t.Has(Capability::xattr_user)) layer.SetXattr("d/h", "user.big", std::string(3000, 'v'));
  t.Ok(ApplyLayer(layer, snapshot->root_fd()), "apply");
  Result<Usage> after = SettledUsage(t, *snapshot);
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  int64_t taken = 0;
  for (const char* path : {"f", "g", "d", "d/h"}) {
    struct stat st = {};
    if (t.Check(fstatat(snapshot->root_fd(), path, &st, AT_SYMLINK_NOFOLLOW) == 0,
                std::string("stat of ") + path))
      taken += st.st_blocks * 512;
  }
  t.Check(after->size_bytes - before->size_bytes >= taken,
          fmt::format("{} bytes more, the new files take {}", after->size_bytes - before->size_bytes, taken));
}

LM_CASE(usage, a_commit_freezes_what_was_counted,
        .claim = "Usage of a committed snapshot is what it was of the active one just before",
        .source = "rule 18; rule 42") {
  t.Given({Layer().File("base", std::string(30000, 'b')).Dir("d").File("d/g", "x")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("f", std::string(100'000, 'x')).Remove("d/g").Chmod("base", 0600),
                  snapshot->root_fd()),
       "apply");
  t.Check(syncfs(snapshot->root_fd()) == 0, "syncfs");
  t.Ok(snapshot->Unmount(), "unmount");
  Result<Usage> active = t.api().GetUsage("a");
  t.Ok(t.api().Commit("c", "a"), "commit");
  Result<Usage> committed = t.api().GetUsage("c");
  if (!t.Ok(active, "usage") || !t.Ok(committed, "usage")) return;
  t.Equal(active->size_bytes, committed->size_bytes, "size");
  t.Equal(active->inodes, committed->inodes, "inodes");
}

LM_CASE(usage, a_view_takes_nothing_of_its_parent,
        .claim = "Usage of a view is answered and does not count the parent's bytes",
        .source = "rule 7; rule 18", .needs = {Capability::usage_own_changes}) {
  t.Given({Layer().File("base", std::string(4 << 20, 'b'))});
  t.Ok(t.api().View("v", t.given()), "view");
  Result<Usage> usage = t.api().GetUsage("v");
  if (t.Ok(usage, "usage"))
    t.Check(usage->size_bytes < (1 << 20), fmt::format("{} bytes", usage->size_bytes));
}

LM_CASE(
    usage, a_view_counts_no_more_than_making_it_took,
    .claim = "Usage of a view counts no more than making it added to the store, so that nothing counts twice",
    .source = "rule 7; rule 18; rule 20") {
  Layer layer = Layer().File("big", std::string(4 << 20, 'b')).Dir("d");
  for (int i = 0; i < 40; ++i) layer.File(fmt::format("d/f{}", i), "x");
  t.Given({layer});
  const SpaceOptions walk_only{.extents = false};
  Result<SpaceCount> before = CountSpace(t.subject().root(), walk_only);
  if (!t.Ok(t.api().View("v", t.given()), "view")) return;
  Result<SpaceCount> after = CountSpace(t.subject().root(), walk_only);
  Result<Usage> usage = t.api().GetUsage("v");
  if (!t.Ok(before, "counting the store") || !t.Ok(after, "counting the store") || !t.Ok(usage, "usage"))
    return;
  // An empty directory of its own and its blocks may be there before the view is.
  const int64_t inodes = after->inodes - before->inodes + 1;
  const int64_t bytes = after->allocated_bytes - before->allocated_bytes + 65536;
  t.Check(usage->inodes <= inodes,
          fmt::format("{} inodes, where the store has {} more", usage->inodes, inodes - 1));
  t.Check(usage->size_bytes <= bytes,
          fmt::format("{} bytes, where the store takes {} more", usage->size_bytes, bytes - 65536));
}

LM_CASE(usage, of_a_change_of_one_byte_depends_on_the_definition,
        .claim = "changing one byte of a lower file adds at least one block, and no more than the whole file",
        .source = "rule 20", .needs = {Capability::usage_own_changes}) {
  t.Given({Layer().File("big", std::string(1 << 20, 'b'))});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<Usage> before = SettledUsage(t, *snapshot);
  t.Ok(ApplyLayer(Layer().Write("big", 5000, "X"), snapshot->root_fd()), "apply");
  Result<Usage> after = SettledUsage(t, *snapshot);
  if (!t.Ok(before, "usage") || !t.Ok(after, "usage")) return;
  const int64_t grown = after->size_bytes - before->size_bytes;
  t.Check(grown >= 4096 && grown <= (1 << 20) + 65536, fmt::format("the size grew by {} bytes", grown));
}

}  // namespace layermark
