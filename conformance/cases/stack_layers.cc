// Area stack: what a union of hand-made layers shows.
#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "conformance/support/stack.h"

namespace layermark {
namespace {

constexpr mode_t kWhiteout = S_IFCHR | 0600;
// Given to directories after a copy-up in them; that a copy-up leaves their times alone is area copy_up's
// claim.
constexpr int64_t kLater = kDefaultMtimeNs + 1'000'000'000;

// A lower tree with something of each kind in it.
Layer Base() {
  return Layer()
      .Dir("d")
      .File("d/a", "a of the bottom")
      .File("d/b", "b of the bottom")
      .Dir("d/sub")
      .File("d/sub/deep", "deep")
      .File("f", "f of the bottom")
      .Symlink("link", "d/a");
}

// Marks a directory opaque in the form of root's mounts and in that of `userxattr`.
Layer& Opaque(Layer& layer, const std::string& path) {
  return layer.SetXattr(path, "trusted.overlay.opaque", "y").SetXattr(path, "user.overlay.opaque", "y");
}

}  // namespace

LM_CASE(
    stack, whiteout_device_in_a_lower_hides_the_entry_below,
    .claim =
        "a 0/0 device in a lower hides the file, link or directory of that name below it, and is not shown",
    .source = "properties 26; ovl/003; kernel overlayfs.rst, whiteouts",
    .needs = {Capability::layer_stack, Capability::priv_mknod}) {
  Stack stack(t);
  const std::string bottom = stack.Dir("bottom", Base());
  const std::string middle = stack.Dir("middle", Layer()
                                                     .Dir("d", 0700)
                                                     .Mknod("d/a", kWhiteout, makedev(0, 0))
                                                     .Mknod("d/sub", kWhiteout, makedev(0, 0))
                                                     .Mknod("f", kWhiteout, makedev(0, 0))
                                                     .Mknod("link", kWhiteout, makedev(0, 0))
                                                     .Mknod("nothing", kWhiteout, makedev(0, 0)));
  const std::string top = stack.Dir("top", Layer().File("f", "f of the top"));
  for (const StackSpec& spec : {StackSpec{{middle, bottom}, "", "", {}}, stack.Over({top, middle, bottom})}) {
    MountedSnapshot* mounted = stack.Mount(spec);
    if (mounted == nullptr) return;
    stack.Shows(*mounted, stack.Model(spec), fmt::format("{} lowers", spec.lowers.size()));
    if (!stack.Unmount(mounted)) return;
  }
}

LM_CASE(stack, whiteout_in_the_lowest_layer_is_not_shown,
        .claim = "a 0/0 device in the root of the lowest layer, which hides nothing, is not shown",
        .source = "properties 26; ovl/003", .needs = {Capability::layer_stack, Capability::priv_mknod}) {
  Stack stack(t);
  const std::string lowest =
      stack.Dir("lowest", Layer().Mknod("f", kWhiteout, makedev(0, 0)).File("g", "g").Dir("d"));
  const StackSpec spec{{stack.Dir("top", Layer().File("x", "x")), lowest}, "", "", {}};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted != nullptr) stack.Shows(*mounted, stack.Model(spec), "the union");
}

LM_CASE(stack, whiteout_in_a_directory_of_one_layer_is_not_shown,
        .claim = "a 0/0 device in a directory that no other layer has is not shown",
        .source = "properties 26; properties 35; ovl/031",
        .needs = {Capability::layer_stack, Capability::priv_mknod}) {
  Stack stack(t);
  const std::string lowest =
      stack.Dir("lowest", Layer().Dir("d").Mknod("d/f", kWhiteout, makedev(0, 0)).File("d/g", "g"));
  const StackSpec spec{{stack.Dir("top", Layer().File("x", "x")), lowest}, "", "", {}};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  // What readdir gives, without asking for each name, to which a whiteout has no answer.
  const Manifest expected = stack.Model(spec).ToManifest();
  Result<std::vector<std::string>> names = ListDir(mounted->root_fd(), "d");
  if (!t.Ok(names, "listing the directory")) return;
  for (const std::string& name : *names)
    t.Check(expected.entries.contains("d/" + name), "listed, and not in the model: d/" + name);
  stack.Shows(*mounted, stack.Model(spec), "the union");
}

LM_CASE(stack, opaque_middle_layer_hides_what_is_below,
        .claim = "an opaque directory of a middle layer hides all entries below it and none above it",
        .source = "properties 33; kernel overlayfs.rst, opaque directories; ovl/026",
        .needs = {Capability::layer_stack, Capability::xattr_trusted}) {
  Stack stack(t);
  const std::string bottom = stack.Dir("bottom", Base());
  Layer hides = Layer().Dir("d").File("d/of_middle", "middle").Dir("d/sub").File("d/sub/new", "new");
  const std::string middle = stack.Dir("middle", Opaque(hides, "d"));
  const std::string top = stack.Dir("top", Layer().Dir("d").File("d/of_top", "top"));
  const StackSpec spec = stack.Over({top, middle, bottom});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "the union")) return;
  // Names that are hidden are free, and making them brings nothing back.
  stack.Change(*mounted, model, Layer().File("d/a", "again").RemoveAll("d/sub").Dir("d/sub"));
  stack.Shows(*mounted, model, "the hidden names made again");
  if (t.Ok(mounted->Remount(), "unmount and mount again")) stack.Shows(*mounted, model, "mounted again");
}

LM_CASE(
    stack, file_in_a_middle_layer_ends_the_merge,
    .claim = "a non-directory in a middle layer hides the directory below it, also from a directory above",
    .source = "properties 3; no peer", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const StackSpec spec = stack.Over({stack.Dir("top", Layer().Dir("x").File("x/1", "1")),
                                     stack.Dir("middle", Layer().File("x", "a file")),
                                     stack.Dir("bottom", Layer().Dir("x").File("x/3", "3"))});
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Shows(*mounted, stack.Model(spec), "the union");
}

LM_CASE(stack, used_upper_is_a_lower_of_the_next,
        .claim = "an upper directory, used as a lower, hides and shows what it did as an upper",
        .source = "properties 28; properties 33; peer-checks: the layer of a committed snapshot",
        .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string bottom = stack.Dir("bottom", Base());
  const StackSpec first = stack.Over({bottom});
  ModelTree model = stack.Model(first);
  MountedSnapshot* mounted = stack.Mount(first);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model,
               Layer().Remove("f").RemoveAll("d").Dir("d").File("d/b", "b again").File("new", "new"));
  if (!stack.Unmount(mounted)) return;
  const StackSpec second = stack.Over({first.upper, bottom});
  // Its own root is what a new upper covers the old one's with.
  stack.Edit(second.upper, Layer().Times("", kDefaultMtimeNs, kDefaultMtimeNs));
  if (!t.Ok(model.Apply(Layer().Times("", kDefaultMtimeNs, kDefaultMtimeNs)), "the model")) return;
  mounted = stack.Mount(second);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "above the used upper")) return;
  stack.Change(*mounted, model, Layer().File("f", "f again").Remove("d/b"));
  stack.Shows(*mounted, model, "changed above the used upper");
}

LM_CASE(stack, lower_edited_offline_is_seen_at_the_next_mount,
        .claim =
            "what is added, changed and removed in a lower while nothing is mounted shows at the next mount, "
            "except below what the upper has",
        .source = "kernel overlayfs.rst, changes to underlying filesystems; properties 146",
        .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  const StackSpec spec = stack.Over({lower});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model, Layer().File("f", "f of the upper").Remove("d/b"));
  if (!stack.Shows(*mounted, model, "before the edit") || !stack.Unmount(mounted)) return;

  stack.Edit(lower, Layer()
                        .File("d/added", "added")
                        .File("d/a", "a, and longer than it was")
                        .RemoveAll("d/sub")
                        .Remove("link")
                        .File("link", "no link any more")
                        .Dir("more")
                        .File("more/x", "x")
                        .Write("f", 0, "hidden by the upper's"));
  mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  // Expected is the edited lower, but for what the upper has: f, the root, and d with the whiteout in it.
  Manifest expected = stack.Model({{lower}, "", "", {}}).ToManifest();
  const Manifest before = model.ToManifest();
  for (const char* own : {"", "d", "f"}) expected.entries[own] = before.entries.at(own);
  expected.entries.erase("d/b");
  Result<Manifest> seen = ReadManifest(mounted->root_fd());
  if (!t.Ok(seen, "reading after the edit")) return;
  t.SameTree(expected, *seen, "after the edit");
}

LM_CASE(stack, two_mounts_of_the_same_lowers_are_apart,
        .claim = "two mounts of the same lowers with uppers of their own do not see each other's changes",
        .source = "properties 4; peer-checks: two containers of one image; ovl/029",
        .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string bottom = stack.Dir("bottom", Base());
  const std::string top = stack.Dir("top", Layer().Dir("d").File("d/c", "c"));
  const std::string before = stack.Fingerprint({top, bottom});
  const StackSpec one = stack.Over({top, bottom}), two = stack.Over({top, bottom});
  ModelTree model_one = stack.Model(one), model_two = stack.Model(two);
  MountedSnapshot* mounted_one = stack.Mount(one);
  MountedSnapshot* mounted_two = mounted_one == nullptr ? nullptr : stack.Mount(two);
  if (mounted_two == nullptr) return;
  stack.Change(*mounted_one, model_one, Layer().Write("f", 0, "ONE").Remove("d/a").File("own", "1"));
  stack.Shows(*mounted_two, model_two, "the second after changes of the first");
  stack.Change(*mounted_two, model_two, Layer().Write("f", 0, "two").RemoveAll("d/sub").File("own", "2"));
  stack.Shows(*mounted_one, model_one, "the first after changes of both");
  stack.Shows(*mounted_two, model_two, "the second after changes of both");
  t.Equal(before, stack.Fingerprint({top, bottom}), "the lowers, before and after");
}

LM_CASE(stack, five_hundred_lowers_are_merged,
        .claim = "500 lowers can be mounted, each is seen, and the topmost wins",
        .source = "properties 139; no peer", .needs = {Capability::layer_stack, Capability::layers_500},
        .deadline_seconds = 180) {
  Stack stack(t);
  std::vector<std::string> lowers;
  for (int i = 0; i < 500; ++i) {
    const std::string number = fmt::format("{:03}", i);
    lowers.push_back(stack.Dir("l" + number, Layer()
                                                 .Dir("d")
                                                 .File("d/" + number, number)
                                                 .File("common", "of layer " + number)
                                                 .Dir("only" + number)));
  }
  const StackSpec spec = stack.Over(lowers);
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "the union")) return;
  // A copy-up from the lowest, a whiteout over it, a name in the merged directory.
  stack.Change(*mounted, model,
               Layer()
                   .Write("d/499", 0, "ABC")
                   .Remove("d/498")
                   .Remove("common")
                   .File("d/new", "new")
                   .Times("d", kLater, kLater));
  stack.Shows(*mounted, model, "changed");
}

LM_CASE(stack, lowers_on_another_file_system,
        .claim = "lowers on another file system than the upper are merged, copied up and hidden all the same",
        .source = "properties 24; design: --lower-backing; ovl/041, ovl/043",
        .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string other = stack.OtherFileSystem();
  const std::string bottom = stack.DirIn(other, "bottom", Base().SetXattr("f", AnAttribute(), "kept"));
  const std::string top = stack.Dir("top", Layer().Dir("d").File("d/c", "c"));
  const StackSpec spec = stack.Over({top, bottom});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "the union")) return;
  stack.Change(*mounted, model,
               Layer()
                   .Write("d/a", 2, "A")
                   .Chmod("d/sub/deep", 0600)
                   .Remove("d/b")
                   .Remove("link")
                   .Rename("d/c", "d/moved")
                   .Times("d", kLater, kLater)
                   .Times("d/sub", kLater, kLater));
  if (!stack.Shows(*mounted, model, "changed")) return;
  if (t.Ok(mounted->Remount(), "unmount and mount again")) stack.Shows(*mounted, model, "mounted again");
}

LM_CASE(
    stack, lower_paths_hold_any_character,
    .claim = "paths of lowers with colon, comma, backslash, quotes, blanks and newline are taken as they are",
    .source = "properties 17; ovl/083; ovl/086", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  std::vector<std::string> lowers;
  for (const char* name :
       {"a:b", "a,b", "a\\b", "a\\:b", "a b", "a\nb", "a\tb", "a\"b'c", "a=b", "::", "a#b"}) {
    lowers.push_back(stack.Dir(name, Layer()
                                         .File(fmt::format("from{}", lowers.size()), name)
                                         .File("common", name)
                                         .Dir("d")
                                         .File(fmt::format("d/{}", lowers.size()), name)));
  }
  const StackSpec spec = stack.Over(lowers);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted != nullptr) stack.Shows(*mounted, stack.Model(spec), "the union");
}

LM_CASE(stack, upper_and_work_paths_hold_any_character,
        .claim =
            "paths of upper and work directory with comma, backslash, quotes, blanks and newline are "
            "taken "
            "as they are",
        .source = "properties 17; ovl/083", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  for (const char* name : {"a,b", "a\\b", "a b", "a\nb", "a\"b'c", "a=b"}) {
    StackSpec spec{{lower}, stack.Dir(name), stack.Dir(std::string(name) + ".work"), {}};
    ModelTree model = stack.Model(spec);
    MountedSnapshot* mounted = stack.Mount(spec);
    if (mounted == nullptr) return;
    stack.Change(*mounted, model, Layer().Write("f", 0, "F").Remove("d/b").File("new", name));
    stack.Shows(*mounted, model, fmt::format("upper \"{}\"", name));
    if (!stack.Unmount(mounted)) return;
    t.Check(Exists(spec.upper + "/new"), fmt::format("upper \"{}\": the new file is not in it", name));
  }
}

LM_CASE(
    stack, upper_and_work_paths_hold_a_colon,
    .claim = "paths of upper and work directory with a colon, which separates lowers, are taken as they are",
    .source = "properties 17; ovl/083", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const StackSpec spec{{stack.Dir("lower", Base())}, stack.Dir("a:b"), stack.Dir("c:d"), {}};
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Change(*mounted, model, Layer().Write("f", 0, "F").Remove("d/b").File("new", "new"));
  stack.Shows(*mounted, model, "the union");
  if (stack.Unmount(mounted)) t.Check(Exists(spec.upper + "/new"), "the new file is not in the upper");
}

LM_CASE(stack, stack_on_a_stack,
        .claim = "the mount of a stack can be a lower of another, whose changes stay out of it",
        .source = "properties 137; ovl/029; ovl/070", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const StackSpec inner = stack.Over({stack.Dir("inner", Base())});
  MountedSnapshot* inside = stack.Mount(inner);
  if (inside == nullptr) return;
  ModelTree inner_model = stack.Model(inner);
  stack.Change(*inside, inner_model, Layer().Remove("d/b").File("inner_only", "inner"));
  const StackSpec outer = stack.Over({stack.Dir("above", Layer().Dir("d").File("d/c", "c")), inside->path()});
  ModelTree outer_model = stack.Model(outer);
  MountedSnapshot* outside = stack.Mount(outer);
  if (outside == nullptr || !stack.Shows(*outside, outer_model, "the outer stack")) return;
  stack.Change(*outside, outer_model,
               Layer()
                   .Write("f", 0, "F")
                   .Remove("inner_only")
                   .Chmod("d/a", 0600)
                   .RemoveAll("d/sub")
                   .Times("d", kLater, kLater));
  stack.Shows(*outside, outer_model, "the outer stack, changed");
  stack.Shows(*inside, inner_model, "the inner stack");
}

LM_CASE(
    stack, id_mapped_lower_shows_its_mapped_owners,
    .claim =
        "files of an id-mapped lower belong to the mapped users in the stack, after a copy-up too, and keep "
        "their owners in the lower",
    .source = "properties 129; generic/699; peer-checks C35",
    .needs = {Capability::layer_stack, Capability::priv_namespaces}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base().Chown("d/a", 5, 66).Chown("link", 7, 7));
  const std::string before = stack.Fingerprint({lower});
  const std::string mapped = stack.IdMapped(lower, 100'000);
  if (mapped.empty()) return;
  const StackSpec spec = stack.Over({mapped});
  ModelTree model = stack.Model(spec);
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Shows(*mounted, model, "the union")) return;
  stack.Change(*mounted, model,
               Layer()
                   .Write("d/a", 0, "A")
                   .Remove("d/b")
                   .Times("d", kLater, kLater)
                   .Chmod("d/sub/deep", 0600)
                   .Times("d/sub", kLater, kLater));
  stack.Shows(*mounted, model, "changed");
  if (t.Ok(mounted->Remount(), "unmount and mount again")) stack.Shows(*mounted, model, "mounted again");
  t.Equal(before, stack.Fingerprint({lower}), "the lower, before and after");
}

}  // namespace layermark
