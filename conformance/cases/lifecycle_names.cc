// Area lifecycle: keys, names and labels of every kind, many of them, and several stores. The expectation is
// the model's.
#include <fmt/core.h>

#include <set>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// A key is text: what a driver makes of it on disk must not show.
const std::vector<std::string> kOddKeys = {"default/12/sha256:0a",
                                           "../escape",
                                           "..",
                                           ".",
                                           "/",
                                           "a b",
                                           " a",
                                           "a\nb",
                                           "-rf",
                                           "*",
                                           "$HOME",
                                           "'\"",
                                           "a\\b",
                                           "%2e%2e",
                                           "a:b,c=d",
                                           "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7",
                                           std::string(300, 'k'),
                                           std::string(90, 'd') + "/" + std::string(400, 'e')};

}  // namespace

LM_CASE(
    lifecycle, keys_are_any_text,
    .claim =
        "keys and names may hold slashes, dots, blanks, quotes and hundreds of bytes, and mean themselves",
    .source = "rule 2; rule 32") {
  t.SameAsModel([](Snapshotter& s) {
    for (const std::string& key : kOddKeys) {
      (void)s.Prepare(key, "", {{"key", key}});
      (void)s.Stat(key);
    }
    (void)s.Walk([](const Info&) { return Status::Ok(); });
    std::string parent;
    for (const std::string& key : kOddKeys) {
      const std::string name = key + "\tcommitted";
      (void)s.Commit(name, key);
      (void)s.Prepare(key, name);
      (void)s.Mounts(key);
      (void)s.Remove(name);
      (void)s.Remove(key);
      (void)s.Remove(name);
    }
    (void)s.Walk([](const Info&) { return Status::Ok(); });
  });
}

LM_CASE(lifecycle, similar_keys_are_apart,
        .claim = "keys that differ in case, in a suffix or in one character are different snapshots",
        .source = "rule 2") {
  static const std::vector<std::string> kKeys = {"a",   "A",   "ab",    "a/b", "a.b", "a_b",
                                                 "a-b", "a b", "a%2Fb", "a ",  "a/"};
  t.SameAsModel([](Snapshotter& s) {
    for (const std::string& key : kKeys) (void)s.Prepare(key, "", {{"key", key}});
    (void)s.Remove("a");
    (void)s.Remove("a/b");
    (void)s.Commit("B", "ab");
    (void)s.Stat("b");
    for (const std::string& key : kKeys) (void)s.Stat(key);
  });
}

LM_CASE(lifecycle, trees_of_similar_keys_are_apart,
        .claim = "what is written to one snapshot does not show in another whose key resembles its own",
        .source = "rule 2; rule 27") {
  static const std::vector<std::string> kKeys = {"a", "a/b", "a_b", "../a", "A"};
  for (const std::string& key : kKeys) {
    Result<MountedSnapshot> snapshot = t.subject().Prepare(key, "");
    if (!t.Ok(snapshot, "prepare " + key)) return;
    t.Ok(ApplyLayer(Layer().File("key", key), snapshot->root_fd()), "apply");
    t.Ok(snapshot->Unmount(), "unmount");
  }
  for (const std::string& key : kKeys) {
    Result<std::vector<Mount>> mounts = t.api().Mounts(key);
    if (!t.Ok(mounts, "mounts of " + key)) continue;
    Result<MountedSnapshot> snapshot = MountedSnapshot::Mount(key, *mounts);
    if (!t.Ok(snapshot, "mounting " + key)) continue;
    Result<std::string> content = ReadFileAt(snapshot->root_fd(), "key");
    if (t.Ok(content, "reading " + key)) t.Equal(key, *content, "content");
  }
}

LM_CASE(lifecycle, walk_sees_more_than_a_page,
        .claim = "Walk visits each of more snapshots than a page of a hundred",
        .source = "rule 50; rule 53; rule 58", .deadline_seconds = 120) {
  constexpr int kCount = 130;
  for (int i = 0; i < kCount; ++i) {
    if (!t.Ok(t.api().View(fmt::format("v{}", i), "", {{"n", std::to_string(i % 10)}}), "view")) return;
  }
  std::set<std::string> all, some;
  t.Ok(t.api().Walk([&](const Info& info) {
    t.Check(all.insert(info.name).second, "visited twice: " + info.name);
    return Status::Ok();
  }),
       "walk");
  t.Ok(t.api().Walk(
           [&](const Info& info) {
             some.insert(info.name);
             return Status::Ok();
           },
           {"labels.n==7"}),
       "walk with a filter");
  t.Equal(size_t{kCount}, all.size(), "snapshots seen");
  t.Equal(size_t{kCount / 10}, some.size(), "snapshots that pass the filter");
}

LM_CASE(lifecycle, commit_starts_its_times_anew,
        .claim = "created and updated of a committed snapshot are the time of its Commit",
        .source = "rule 42") {
  if (!t.Ok(t.api().Prepare("a", ""), "prepare")) return;
  Result<Info> active = t.api().Stat("a");
  t.Ok(t.api().Commit("base", "a"), "commit");
  Result<Info> committed = t.api().Stat("base");
  if (!t.Ok(active, "stat") || !t.Ok(committed, "stat")) return;
  t.Check(committed->created_ns > active->created_ns,
          "created is not later than that of the active snapshot");
  t.Equal(committed->created_ns, committed->updated_ns, "updated of a fresh committed snapshot");
}

LM_CASE(
    lifecycle, long_labels_are_refused_by_every_call,
    .claim =
        "a label longer than 4096 bytes is InvalidArgument for View, Commit and Update, and changes nothing",
    .source = "rule 17") {
  t.SameAsModel([](Snapshotter& s) {
    const Labels too_long = {{"k", std::string(4096, 'v')}};
    (void)s.View("v", "", too_long);
    (void)s.Stat("v");
    (void)s.Prepare("a", "", {{"x", "1"}});
    (void)s.Commit("base", "a", too_long);
    (void)s.Stat("base");
    Info info;
    info.name = "a";
    info.labels = too_long;
    (void)s.Update(info, {});
    (void)s.Update(info, {"labels.k"});
    (void)s.Stat("a");
  });
}

LM_CASE(lifecycle, empty_labels_are_none, .claim = "a label with an empty value is not stored",
        .source = "rule 14") {
  t.SameAsModel([](Snapshotter& s) {
    (void)s.Prepare("a", "", {{"empty", ""}, {"x", "1"}});
    (void)s.Stat("a");
    Info info;
    info.name = "a";
    info.labels = {{"x", ""}, {"y", "2"}};
    (void)s.Update(info, {});
    (void)s.Commit("base", "a", {{"empty", ""}, {"z", "3"}});
    (void)s.Stat("base");
    (void)s.Walk([](const Info&) { return Status::Ok(); }, {"labels.empty"});
  });
}

LM_CASE(lifecycle, labels_are_any_text, .claim = "keys and values of labels come back byte by byte",
        .source = "rule 31; rule 59") {
  t.SameAsModel([](Snapshotter& s) {
    Labels labels;
    for (const std::string& text : kOddKeys) labels[text] = "value of " + text;
    labels["lines"] = "1\n2\r\n\t3";
    (void)s.Prepare("a", "", labels);
    (void)s.Stat("a");
    Info info;
    info.name = "a";
    info.labels = labels;
    info.labels["a b"] = "new";
    (void)s.Update(info, {"labels.a b", "labels.a:b,c=d"});
    (void)s.Walk([](const Info&) { return Status::Ok(); });
  });
}

LM_CASE(lifecycle, stores_are_apart,
        .claim = "two stores on one file system do not know each other's snapshots", .source = "rule 2") {
  Result<Subject> other = Subject::Open(t.instance(), t.backing());
  if (!t.Ok(other, "opening a second store")) return;
  t.Ok(t.subject().CommitLayer("base", "", Layer().File("f", "first")), "commit");
  t.HasCode(other->api().Stat("base").status(), Code::kNotFound, "the first store's snapshot in the second");
  t.Ok(other->CommitLayer("base", "", Layer().File("f", "second")), "commit under the same name");
  t.Ok(other->api().Remove("base"), "remove from the second");
  Result<MountedSnapshot> view = t.subject().View("v", "base");
  if (!t.Ok(view, "view of the first")) return;
  Result<std::string> content = ReadFileAt(view->root_fd(), "f");
  if (t.Ok(content, "reading")) t.Equal(std::string("first"), *content, "content");
}

LM_CASE(usage, counts_a_file_once, .claim = "Usage counts a file once, however many names it has",
        .source = "rule 19") {
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Layer layer;
  layer.File("f", std::string(1 << 20, 'x'));
  for (int i = 0; i < 4; ++i) layer.Link(fmt::format("f{}", i), "f");
  t.Ok(ApplyLayer(layer, snapshot->root_fd()), "apply");
  t.Ok(snapshot->Unmount(), "unmount");
  Result<Usage> usage = t.api().GetUsage("a");
  if (!t.Ok(usage, "usage")) return;
  t.Check(usage->size_bytes < (2 << 20), fmt::format("{} bytes for one file of 1 MiB", usage->size_bytes));
  t.Check(usage->inodes <= 2, fmt::format("{} inodes for one file and the root", usage->inodes));
}

}  // namespace layermark
