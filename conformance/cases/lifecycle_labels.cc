// Areas lifecycle and walk: labels, field paths of Update, and the filters of Walk. The expectation is the
// model's.
#include <fmt/core.h>

#include <string>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {
namespace {

Info Labelled(std::string name, Labels labels) {
  Info info;
  info.name = std::move(name);
  info.labels = std::move(labels);
  return info;
}

// Snapshots of every kind with labels that filters can tell apart.
void MakeAFew(Snapshotter& s) {
  (void)s.Prepare("first", "", {{"color", "red"}});
  (void)s.Commit("base", "first", {{"color", "blue"}, {"size", "10"}, {"io.x/long.name", "a b"}});
  (void)s.Prepare("mid", "base");
  (void)s.Commit("top", "mid", {{"size", "9"}});
  (void)s.Prepare("act", "top", {{"color", "red"}, {"size", "10"}});
  (void)s.Prepare("orphan", "", {{"color", "green, dark"}});
  (void)s.View("look", "base", {{"quote", "say \"hi\""}});
}

void WalkEach(CaseContext& t, const std::vector<std::string>& filters) {
  t.SameAsModel([&](Snapshotter& s) {
    MakeAFew(s);
    for (const std::string& filter : filters)
      (void)s.Walk([](const Info&) { return Status::Ok(); }, {filter});
  });
}

}  // namespace

LM_CASE(
    lifecycle, update_of_every_kind,
    .claim = "labels of an active snapshot, a view and a committed one are replaced and set one by one alike",
    .source = "rule 13; rule 14; SS Update") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"x", "1"}});
    (void)s.Commit("base", "a", {{"x", "1"}, {"y", "1"}});
    (void)s.Prepare("active", "base", {{"x", "1"}, {"y", "1"}});
    (void)s.View("view", "base", {{"x", "1"}, {"y", "1"}});
    for (const char* name : {"base", "active", "view"}) {
      (void)s.Update(Labelled(name, {{"x", "2"}, {"z", "2"}}), {"labels.x"});
      (void)s.Stat(name);
      (void)s.Update(Labelled(name, {}), {"labels.y"});
      (void)s.Stat(name);
      (void)s.Update(Labelled(name, {{"only", "this"}}), {"labels"});
      (void)s.Stat(name);
      (void)s.Update(Labelled(name, {}), {});
      (void)s.Stat(name);
    }
  });
}

LM_CASE(lifecycle, update_of_several_labels,
        .claim = "Update with several paths sets and removes each of the labels and no other",
        .source = "rule 14") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"keep", "1"}, {"set", "1"}, {"drop", "1"}, {"empty", "1"}});
    (void)s.Update(Labelled("a", {{"set", "2"}, {"new", "2"}, {"empty", ""}, {"not.named", "2"}}),
                   {"labels.set", "labels.new", "labels.drop", "labels.empty"});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {{"set", "3"}}), {"labels.set", "labels.set"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, update_of_labels_that_look_like_paths,
        .claim = "a label whose key holds dots, commas or the word labels is one label",
        .source = "rule 14; rule 59") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"a", "1"}, {"a.b", "2"}, {"a.b.c", "3"}, {"labels", "4"}, {"labels.a", "5"}});
    (void)s.Update(Labelled("a", {{"a", "x"}, {"a.b", "new"}, {"a.b.c", "x"}}), {"labels.a.b"});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {{"labels.a", "new"}, {"a", "x"}}), {"labels.labels.a"});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {}), {"labels.labels"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, refused_update_changes_nothing,
        .claim = "an Update that is refused for one of its paths or labels sets none of them",
        .source = "rule 15; rule 17; rule 35") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"x", "1"}, {"y", "1"}});
    (void)s.Update(Labelled("a", {{"x", "2"}}), {"labels.x", "kind"});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {{"x", "2"}}), {"created_at", "labels.x"});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {{"x", "2"}, {"long", std::string(5000, 'v')}}), {});
    (void)s.Stat("a");
    (void)s.Update(Labelled("a", {{"x", "2"}, {"y", std::string(4096, 'v')}}), {"labels.x", "labels.y"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, labels_at_the_limit,
        .claim = "key and value of 4096 bytes together are accepted by each call, one byte more by none",
        .source = "rule 17") {
  t.SameAsModel([](Snapshotter& s) {
    const std::string key = "containerd.io/snapshot/k";
    const auto of_size = [&](size_t bytes) { return Labels{{key, std::string(bytes - key.size(), 'v')}}; };
    (void)s.Prepare("a", "", of_size(4096));
    (void)s.Stat("a");
    (void)s.Prepare("b", "", of_size(4097));
    (void)s.Stat("b");
    (void)s.View("v", "", of_size(4096));
    (void)s.View("w", "", of_size(4097));
    (void)s.Commit("c", "a", of_size(4097));
    (void)s.Stat("a");
    (void)s.Commit("c", "a", of_size(4096));
    (void)s.Stat("c");
    (void)s.Update(Labelled("c", of_size(4097)), {"labels." + key});
    (void)s.Update(Labelled("c", of_size(4096)), {"labels." + key});
    (void)s.Stat("c");
  });
}

LM_CASE(lifecycle, hundreds_of_labels,
        .claim = "hundreds of labels of one snapshot are kept and replaced as one map",
        .source = "rule 13; rule 31") {
  t.SameAsModel([](Snapshotter& s) {
    Labels many;
    for (int i = 0; i < 300; ++i)
      many[fmt::format("label.{}/x", i)] = std::string(static_cast<size_t>(i), 'v') + "!";
    (void)s.Prepare("a", "", many);
    (void)s.Stat("a");
    (void)s.Walk([](const Info&) { return Status::Ok(); }, {"labels.\"label.17/x\""});
    many.erase("label.3/x");
    (void)s.Update(Labelled("a", many), {});
    (void)s.Stat("a");
    (void)s.Commit("c", "a", many);
    (void)s.Stat("c");
  });
}

LM_CASE(lifecycle, labels_with_an_empty_value_at_every_call,
        .claim = "a label with an empty value is stored by no call, and removes what an Update finds",
        .source = "rule 14") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.View("v", "", {{"x", ""}, {"y", "1"}});
    (void)s.Stat("v");
    (void)s.Prepare("a", "", {{"x", "1"}});
    (void)s.Update(Labelled("a", {{"x", ""}, {"y", "2"}}), {"labels"});
    (void)s.Stat("a");
    (void)s.Commit("c", "a", {{"z", ""}, {"w", "1"}});
    (void)s.Stat("c");
  });
}

LM_CASE(lifecycle, size_hint_is_no_failure,
        .claim = "the label that hints at a size is accepted and stored like any other",
        .source = "rule 37; rule 31") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"containerd.io/snapshot/max-size", "10485760"}});
    (void)s.Stat("a");
    (void)s.Mounts("a");
    (void)s.Commit("c", "a");
    (void)s.Stat("c");
  });
}

LM_CASE(lifecycle, labels_leave_the_tree_alone,
        .claim = "Update of a mounted active snapshot and of its parent changes neither tree nor mounts",
        .source = "rule 5; rule 13") {
  t.Given({Layer().File("f", "x").Dir("d").File("d/g", "y")});
  MountedSnapshot* active = t.PrepareOnGiven("a");
  if (active == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("mine", "m"), active->root_fd()), "a change");
  Result<Manifest> before = ReadManifest(active->root_fd());
  Result<std::vector<Mount>> mounts = t.api().Mounts("a");
  for (const std::string& name : {std::string("a"), t.given()})
    t.Ok(t.api().Update(Labelled(name, {{"x", "1"}}), {}), "update of " + name);
  if (!t.Ok(active->Remount(t.api()), "unmount and mount again")) return;
  Result<Manifest> after = ReadManifest(active->root_fd());
  Result<std::vector<Mount>> again = t.api().Mounts("a");
  if (t.Ok(before, "reading") && t.Ok(after, "reading")) t.SameTree(*before, *after, "the tree after Update");
  if (t.Ok(mounts, "mounts") && t.Ok(again, "mounts"))
    t.Check(*mounts == *again, "the mounts are others now");
}

LM_CASE(walk, filters_of_kinds,
        .claim = "each kind is selected by its name in lower case and by nothing else",
        .source = "rule 1; rule 51") {
  WalkEach(t, {"kind==active", "kind==view", "kind==committed", "kind==Active", "kind==unknown", "kind!=view",
               "kind", "kind==\"active\"", "kind~=^c"});
}

LM_CASE(walk, filters_of_names_and_parents,
        .claim = "names and parents are compared whole; a snapshot without parent has none to compare",
        .source = "rule 51; SS Walk") {
  WalkEach(t, {"name==a", "name==act", "name!=act", "name", "parent==base", "parent!=base", "parent",
               "parent==top", "parent==", "name==\"look\"", "name==orphan,parent!=base"});
}

LM_CASE(walk, filters_of_labels,
        .claim =
            "labels are selected by value, by another value, and by presence, with any text in key and value",
        .source = "rule 51; SS Walk") {
  WalkEach(
      t, {"labels.color==red", "labels.color!=red", "labels.color", "labels.none", "labels.none!=x",
          "labels.\"io.x/long.name\"==\"a b\"", "labels.\"io.x/long.name\"", "labels.color==\"green, dark\"",
          "labels.quote==\"say \\\"hi\\\"\"", "labels.size==10", "labels.size!=10", "labels"});
}

LM_CASE(walk, filters_of_patterns, .claim = "a pattern matches anywhere in the value unless it is anchored",
        .source = "rule 51") {
  WalkEach(t, {"name~=o", "name~=^o", "name~=k$", "name~=/^(top|mid|act)$/", "labels.color~=\"re.\"",
               "labels.size~=^[0-9]$", "parent~=.", "name~=|a.t|"});
}

LM_CASE(walk, clauses_must_all_hold, .claim = "all clauses of one filter must hold, in any number and order",
        .source = "rule 51") {
  WalkEach(t, {"kind==active,labels.color==red,labels.size==10", "labels.size==10,kind==committed",
               "kind==active,kind==view", "name!=base,name!=top,kind==committed",
               " kind==active , parent==top ", "labels.color,labels.size"});
}

LM_CASE(walk, any_filter_is_enough, .claim = "a snapshot that passes several filters is visited once",
        .source = "rule 50; rule 51") {
  t.SameAsModel([](Snapshotter& s) {
    MakeAFew(s);
    const auto walk = [&](const std::vector<std::string>& filters) {
      (void)s.Walk([](const Info&) { return Status::Ok(); }, filters);
    };
    walk({"kind==active", "labels.color==red", "name==act"});
    walk({"name==nobody", "name==base"});
    walk({"name==nobody", "kind==nothing"});
    walk({"name==base", ""});
    walk({""});
    walk({"kind==view", "kind==active", "kind==committed"});
  });
}

LM_CASE(walk, a_bad_filter_among_good_ones_is_refused,
        .claim = "one filter that cannot be read refuses the whole Walk, which then visits nothing",
        .source = "rule 51; rule 56") {
  t.SameAsModel([](Snapshotter& s) {
    MakeAFew(s);
    for (const char* bad :
         {"name==a,", ",", "name===", "name==\"x", "labels.", "name=x", "~=x", "name==a b", "name~=("})
      (void)s.Walk([](const Info&) { return Status::Ok(); }, {"kind==active", bad});
  });
  int calls = 0;
  const Status refused = t.api().Walk(
      [&](const Info&) {
        ++calls;
        return Status::Ok();
      },
      {"kind==active", "name==\"x"});
  t.HasCode(refused, Code::kInvalidArgument, "a walk with a bad filter");
  t.Equal(0, calls, "snapshots visited");
}

LM_CASE(walk, the_callbacks_error_keeps_its_class,
        .claim = "whatever class of error the callback answers, Walk answers it, with filters as without",
        .source = "rule 52; rule 56") {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  for (Code code :
       {Code::kNotFound, Code::kInvalidArgument, Code::kAlreadyExists, Code::kCancelled, Code::kInternal}) {
    for (const std::vector<std::string>& filters : {std::vector<std::string>{}, {"name==a"}}) {
      const Status s = t.api().Walk([&](const Info&) { return Status(code, "stop"); }, filters);
      t.HasCode(s, code, "the walk's answer");
    }
  }
  const Status none = t.api().Walk([](const Info&) { return Status(Code::kAborted, "never"); }, {"name==b"});
  t.Ok(none, "a walk that visits nothing");
}

}  // namespace layermark
