// Area lifecycle: prepare, view, stat and the error classes of making snapshots. The expectation is the
// model's.
#include "conformance/support/case.h"

namespace layermark {

LM_CASE(lifecycle, prepare_makes_an_active_snapshot,
        .claim = "Prepare without a parent makes an active snapshot that Stat and Mounts know",
        .source = "rule 3; rule 8; rule 23; rule 27") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Stat("a");
    (void)s.Mounts("a");
  });
}

LM_CASE(lifecycle, view_makes_a_view_snapshot, .claim = "View without and with a parent makes a view",
        .source = "rule 3; rule 27") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.View("v", "");
    (void)s.Stat("v");
    (void)s.Mounts("v");
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.View("w", "base");
    (void)s.Stat("w");
  });
}

LM_CASE(lifecycle, stat_of_nothing, .claim = "Stat of a missing key is NotFound, on an empty store too",
        .source = "rule 8; MS GetInfoEmptyDB") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Stat("missing");
    (void)s.Prepare("a", "");
    (void)s.Stat("missing");
    (void)s.Stat("");
  });
}

LM_CASE(lifecycle, mounts_of_nothing_and_of_committed,
        .claim = "Mounts of a missing key is NotFound, of a committed snapshot FailedPrecondition",
        .source = "rule 22") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Mounts("missing");
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Mounts("base");
    (void)s.Mounts("a");
  });
}

LM_CASE(lifecycle, mounts_answers_what_prepare_did,
        .claim = "Mounts answers the very mounts that Prepare and View answered", .source = "rule 22") {
  Subject& s = t.subject();
  if (!t.Ok(s.CommitLayer("base", "", Layer().File("f", "x")), "commit")) return;
  if (!t.Ok(s.CommitLayer("next", "base", Layer().File("g", "x")), "commit")) return;
  for (const char* parent : {"", "base", "next"}) {
    const std::string suffix = parent;
    Result<std::vector<Mount>> prepared = t.api().Prepare("p" + suffix, parent);
    Result<std::vector<Mount>> again = t.api().Mounts("p" + suffix);
    if (t.Ok(prepared, "prepare") && t.Ok(again, "mounts"))
      t.Check(*prepared == *again, "Mounts differs from Prepare");
    Result<std::vector<Mount>> viewed = t.api().View("v" + suffix, parent);
    Result<std::vector<Mount>> view_again = t.api().Mounts("v" + suffix);
    if (t.Ok(viewed, "view") && t.Ok(view_again, "mounts"))
      t.Check(*viewed == *view_again, "Mounts differs from View");
  }
}

LM_CASE(lifecycle, existing_key_is_refused,
        .claim = "Prepare and View on a key of any kind are AlreadyExists",
        .source = "rule 28; SS PreareViewFailingtest") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("active", "");
    (void)s.View("view", "");
    (void)s.Prepare("tmp", "");
    (void)s.Commit("committed", "tmp");
    for (const char* key : {"active", "view", "committed"}) {
      (void)s.Prepare(key, "");
      (void)s.View(key, "");
      (void)s.Stat(key);
    }
  });
}

LM_CASE(lifecycle, missing_parent_is_not_found,
        .claim = "Prepare and View on a missing parent are NotFound and leave no key",
        .source = "rule 29; rule 35") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "missing");
    (void)s.View("v", "missing");
    (void)s.Stat("a");
    (void)s.Stat("v");
    (void)s.Prepare("a", "");
  });
}

LM_CASE(lifecycle, only_committed_parents,
        .claim = "an active snapshot or a view cannot be a parent: InvalidArgument",
        .source = "rule 4; rule 29; MS CreateActiveFromActive") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("active", "");
    (void)s.View("view", "");
    (void)s.Prepare("a", "active");
    (void)s.View("b", "active");
    (void)s.Prepare("c", "view");
    (void)s.View("d", "view");
    for (const char* key : {"a", "b", "c", "d"}) (void)s.Stat(key);
  });
}

LM_CASE(lifecycle, empty_key_is_refused, .claim = "an empty key or name is InvalidArgument",
        .source = "rule 12") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("", "");
    (void)s.View("", "");
    (void)s.Prepare("a", "");
    (void)s.Commit("", "a");
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, failed_prepare_leaves_nothing, .claim = "a Prepare that fails leaves no file in the store",
        .source = "rule 35; containerd 2900") {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  Result<Manifest> before = ReadManifest(t.subject().root());
  t.HasCode(t.api().Prepare("b", "missing").status(), Code::kNotFound, "missing parent");
  t.HasCode(t.api().Prepare("a", "").status(), Code::kAlreadyExists, "existing key");
  t.HasCode(t.api().Prepare("c", "a").status(), Code::kInvalidArgument, "active parent");
  Result<Manifest> after = ReadManifest(t.subject().root());
  if (!t.Ok(before, "reading the store") || !t.Ok(after, "reading the store")) return;
  for (const auto& [path, entry] : after->entries) {
    t.Check(before->entries.contains(path), "left behind: " + path);
  }
}

LM_CASE(lifecycle, commit_turns_active_into_committed,
        .claim = "after Commit the key is gone, the name is committed, and its parent is the active one's",
        .source = "rule 9; rule 42") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Stat("a");
    (void)s.Stat("base");
    (void)s.Prepare("b", "base");
    (void)s.Commit("next", "b");
    (void)s.Stat("next");
    (void)s.Mounts("b");
  });
}

LM_CASE(lifecycle, commit_of_what_is_not_active,
        .claim = "Commit of a missing key is NotFound, of a view or a committed snapshot FailedPrecondition",
        .source = "rule 40; MS CommitViewFails; MS CommitCommitted") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Commit("x", "missing");
    (void)s.View("v", "");
    (void)s.Commit("x", "v");
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Commit("x", "base");
    (void)s.Stat("x");
  });
}

LM_CASE(lifecycle, commit_of_a_view_with_a_parent,
        .claim = "Commit of a view that has a parent is FailedPrecondition too", .source = "rule 41") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.View("v", "base");
    (void)s.Commit("x", "v");
    (void)s.Stat("v");
    (void)s.Stat("x");
  });
}

LM_CASE(lifecycle, commit_onto_a_taken_name,
        .claim = "Commit under a name of any kind is AlreadyExists and keeps the active snapshot",
        .source = "rule 2; rule 40") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Prepare("b", "");
    (void)s.View("v", "");
    (void)s.Prepare("c", "");
    for (const char* name : {"base", "v", "c", "b"}) (void)s.Commit(name, "b");
    (void)s.Stat("b");
    (void)s.Mounts("b");
  });
}

LM_CASE(lifecycle, a_key_is_free_after_commit_and_remove,
        .claim = "after Commit or Remove a key can be used again, with another kind and parent",
        .source = "rule 32; SS Remove") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("k", "");
    (void)s.Commit("base", "k");
    (void)s.View("k", "base");
    (void)s.Stat("k");
    (void)s.Remove("k");
    (void)s.Prepare("k", "base");
    (void)s.Stat("k");
    (void)s.Remove("k");
    (void)s.Prepare("k", "");
    (void)s.Stat("k");
  });
}

LM_CASE(lifecycle, a_reused_key_is_empty,
        .claim = "a key used again after Remove shows nothing of its former life",
        .source = "rule 32; rule 48") {
  Result<MountedSnapshot> first = t.subject().Prepare("k", "");
  if (!t.Ok(first, "prepare")) return;
  t.Ok(ApplyLayer(Layer().File("old", "x").Dir("d"), first->root_fd()), "apply");
  t.Ok(first->Unmount(), "unmount");
  t.Ok(t.api().Remove("k"), "remove");
  Result<MountedSnapshot> second = t.subject().Prepare("k", "");
  if (!t.Ok(second, "prepare again")) return;
  Result<std::vector<std::string>> names = ListDir(second->root_fd());
  if (t.Ok(names, "list")) t.Equal(size_t{0}, names->size(), "entries in the new snapshot");
}

LM_CASE(lifecycle, rebase_at_commit,
        .claim = "a snapshot prepared without a parent can be given one at Commit",
        .source = "rule 44; MS Rebase", .needs = {Capability::rebase}) {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Prepare("b", "");
    (void)s.Commit("next", "b", {}, "base");
    (void)s.Stat("next");
    (void)s.Remove("base");
    (void)s.Prepare("c", "base");
    (void)s.Commit("same", "c", {}, "base");
    (void)s.Stat("same");
  });
}

LM_CASE(lifecycle, rebase_errors,
        .claim = "a rebase onto a missing, an uncommitted or another parent is refused, each with its class",
        .source = "rule 44", .needs = {Capability::rebase}) {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "");
    (void)s.Commit("base", "a");
    (void)s.Prepare("a", "");
    (void)s.Commit("other", "a");
    (void)s.Prepare("active", "");
    (void)s.Prepare("b", "");
    (void)s.Commit("x", "b", {}, "missing");
    (void)s.Commit("x", "b", {}, "active");
    (void)s.Prepare("c", "base");
    (void)s.Commit("x", "c", {}, "other");
    (void)s.Stat("x");
    (void)s.Stat("b");
    (void)s.Stat("c");
  });
}

}  // namespace layermark
