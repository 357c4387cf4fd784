// Area stacking: what several layers show together. The expectation is the model's and plain's.
#include <fmt/core.h>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// `depth` layers: each brings a file of its own, rewrites a shared one, and every third removes what the one
// two below it brought.
std::vector<Layer> Chain(int depth) {
  std::vector<Layer> layers;
  layers.push_back(Layer().Dir("d").File("shared", "layer 0").File("own0", "0").File("d/0", "0"));
  for (int i = 1; i < depth; ++i) {
    Layer layer;
    layer.File("shared", fmt::format("layer {}", i)).File(fmt::format("own{}", i), fmt::format("{}", i));
    layer.File(fmt::format("d/{}", i), fmt::format("{}", i));
    if (i % 3 == 2) layer.Remove(fmt::format("own{}", i - 2));
    layers.push_back(std::move(layer));
  }
  return layers;
}

void CheckDepth(CaseContext& t, int depth) {
  t.Given(Chain(depth));
  t.ThenStackIsRight();
  t.When([depth](Ops& fs) {
    fs.Read("shared");
    fs.List("");
    fs.List("d");
    fs.Append("shared", ", then the container");
    fs.Unlink(fmt::format("d/{}", depth - 1));
    fs.Create("d/new", "new");
    fs.Read("shared");
  });
}

}  // namespace

LM_CASE(stacking, no_parent_is_an_empty_root,
        .claim = "a snapshot without a parent shows an empty root directory of mode 0755 and owner 0",
        .source = "rule 4; rule 33") {
  t.When([](Ops& fs) {
    fs.Stat("");
    fs.List("");
    fs.Create("f", "x");
    fs.Mkdir("d");
  });
}

LM_CASE(stacking, one_layer, .claim = "a snapshot on one layer shows it", .source = "rule 23; properties 1") {
  CheckDepth(t, 1);
}

LM_CASE(stacking, two_layers, .claim = "a snapshot on two layers shows their union",
        .source = "rule 23; properties 2") {
  CheckDepth(t, 2);
}

LM_CASE(stacking, three_layers, .claim = "a name removed by a middle layer is gone",
        .source = "properties 3; L18") {
  CheckDepth(t, 3);
}

LM_CASE(stacking, eight_layers, .claim = "eight layers show their union", .source = "rule 26") {
  CheckDepth(t, 8);
}

LM_CASE(stacking, a_hundred_and_twenty_eight_layers, .claim = "128 layers show their union",
        .source = "rule 26", .needs = {Capability::layers_128}, .deadline_seconds = 120) {
  CheckDepth(t, 128);
}

LM_CASE(
    stacking, upper_file_hides_lower,
    .claim = "a file of an upper layer hides the lower one: content, size, mode, owner and times are its own",
    .source = "properties 1; um:open-plain") {
  t.Given(
      {Layer().File("f", "a longer lower content", 0600).Chown("f", 7, 8).SetXattr("f", "user.lower", "1"),
       Layer().Remove("f").File("f", "upper", 0640)});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Read("f");
    fs.Stat("f");
    fs.ListXattr("f");
  });
}

LM_CASE(stacking, directories_merge, .claim = "directories of one name merge: each entry of each layer once",
        .source = "properties 2; properties 5; ovl/038") {
  t.Given({Layer().Dir("d").File("d/a", "a").File("d/both", "lower"),
           Layer().File("d/b", "b").File("d/both", "upper"), Layer().Dir("d/e").File("d/e/c", "c")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.List("d");
    fs.Read("d/both");
    fs.List("d/e");
  });
}

LM_CASE(stacking, file_in_the_middle_stops_the_merge,
        .claim = "a file between two directories of its name hides the lower one for good",
        .source = "properties 3; no peer") {
  t.Given({Layer().Dir("x").File("x/3", "3"), Layer().RemoveAll("x").File("x", "a file"),
           Layer().Remove("x").Dir("x").File("x/1", "1")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.List("x");
    fs.Stat("x/3");
    fs.Create("x/3", "new");
    fs.Read("x/3");
  });
}

LM_CASE(
    stacking, topmost_directory_gives_the_attributes,
    .claim = "a merged directory has mode, owner, times and attributes of the topmost layer that names it",
    .source = "properties 4; ovl/025") {
  t.Given({Layer().Dir("d", 0700).Chown("d", 1, 1).SetXattr("d", "user.a", "1").Times("d", 100, 200),
           Layer().Chmod("d", 0751).Chown("d", 2, 3).Times("d", 300'000'000'007, 400'000'000'009),
           Layer().SetXattr("d", "user.b", "2")});
  t.ThenStackIsRight();
}

LM_CASE(stacking, directory_replaced_by_file_and_back,
        .claim = "a directory can become a file and a directory again, layer by layer",
        .source = "L11; L48") {
  t.Given({Layer().Dir("x").File("x/old", "old").Dir("x/sub"), Layer().RemoveAll("x").File("x", "file"),
           Layer().Remove("x").Dir("x", 0711), Layer().File("x/new", "new")});
  t.ThenStackIsRight();
}

LM_CASE(stacking, symlink_replaced_by_directory,
        .claim = "a directory that replaces a symlink to a directory leaves the symlink's target alone",
        .source = "L12") {
  t.Given({Layer().Dir("real").File("real/f", "f").Symlink("x", "real"),
           Layer().Remove("x").Dir("x").File("x/g", "g")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.List("real");
    fs.List("x");
    fs.Create("x/h", "h");
    fs.List("real");
  });
}

LM_CASE(stacking, siblings_do_not_see_each_other,
        .claim = "two snapshots on one parent are independent of each other",
        .source = "rule 5; SS siblings") {
  t.Given({Layer().File("f", "base").Dir("d").File("d/x", "x")});
  MountedSnapshot* a = t.PrepareOnGiven("a");
  MountedSnapshot* b = t.PrepareOnGiven("b");
  if (a == nullptr || b == nullptr) return;
  t.Ok(ApplyLayer(Layer().File("f", "changed in a").File("only_a", "a").RemoveAll("d"), a->root_fd()),
       "changing a");
  Result<Manifest> other = ReadManifest(b->root_fd());
  if (t.Ok(other, "reading b")) t.SameTree(t.given_manifest(), *other, "b after a was changed");
  t.Ok(ApplyLayer(Layer().File("d/x", "changed in b"), b->root_fd()), "changing b");
  Result<std::string> mine = ReadFileAt(a->root_fd(), "f");
  if (t.Ok(mine, "reading a")) t.Equal(std::string("changed in a"), *mine, "a's file after b was changed");
  t.Check(!ExistsAt(a->root_fd(), "d"), "a shows the directory that it removed");
}

LM_CASE(stacking, two_children_committed_from_one_parent,
        .claim = "two layers committed on one parent each show the parent and their own changes",
        .source = "rule 4; SS commit") {
  t.Given({Layer().File("f", "base").File("g", "base")});
  Subject& s = t.subject();
  if (!t.Ok(s.CommitLayer("left", t.given(), Layer().File("f", "left").Remove("g")), "committing left"))
    return;
  if (!t.Ok(s.CommitLayer("right", t.given(), Layer().File("g", "right").File("h", "h")), "committing right"))
    return;
  Result<Manifest> base = s.ViewManifest(t.given());
  Result<Manifest> left = s.ViewManifest("left");
  Result<Manifest> right = s.ViewManifest("right");
  if (!t.Ok(base, "view base") || !t.Ok(left, "view left") || !t.Ok(right, "view right")) return;
  t.SameTree(t.given_manifest(), *base, "the parent afterwards");
  t.Check(!left->entries.contains("g"), "left shows the file that it removed");
  t.Check(right->entries.contains("h") && right->entries.contains("f"),
          "right misses its own or its parent's file");
  t.Check(left->entries.at("f").digest != right->entries.at("f").digest, "left and right show the same f");
}

LM_CASE(stacking, names_of_every_byte,
        .claim = "names with spaces, newlines, bytes that are no UTF-8 and of 255 bytes pass through layers",
        .source = "properties 13; properties 17") {
  const std::string odd = "a b\n\\:,\xff\xfe*?\"'";
  const std::string longest(251, 'n');  // a FUSE union may keep four bytes of NAME_MAX for itself
  t.Given({Layer().File(odd, "odd").Dir(longest).File(longest + "/" + odd, "deep"),
           Layer().File(odd, "changed")});
  t.ThenStackIsRight();
  t.When([&](Ops& fs) {
    fs.Read(odd);
    fs.List("");
    fs.Unlink(odd);
    fs.Rename(longest + "/" + odd, longest + "/x");
    fs.Create(odd, "again");
  });
}

LM_CASE(
    stacking, root_attributes_are_inherited,
    .claim = "mode, owner, times and attributes that a layer gave the root directory show in its children",
    .source = "rule 34; L8; containers/storage graphtest") {
  t.Given({Layer()
               .File("f", "x")
               .Chmod("", 0711)
               .Chown("", 5, 6)
               .SetXattr("", "user.root", "r")
               .Times("", 500, 600)});
  t.ThenStackIsRight();
  t.When([](Ops& fs) { fs.Stat(""); });
}

}  // namespace layermark
