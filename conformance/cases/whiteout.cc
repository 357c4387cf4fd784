// Area whiteout: removing what a lower layer brought.
#include "conformance/support/case.h"

namespace layermark {
namespace {

const Layer kBase = Layer()
                        .Dir("d")
                        .File("d/a", "a")
                        .File("d/b", "b")
                        .Dir("d/sub")
                        .File("d/sub/deep", "deep")
                        .File("f", "lower")
                        .Symlink("link", "f")
                        .Fifo("pipe");

}  // namespace

LM_CASE(whiteout, unlink_hides_lower_file,
        .claim = "unlink of a file that a lower layer brought hides it and leaves the layer as it was",
        .source = "properties 28; ovl/003") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Unlink("f");
    fs.Stat("f");
    fs.Read("f");
    fs.List("");
    fs.Unlink("f");
  });
}

LM_CASE(whiteout, unlink_works_on_every_type,
        .claim = "a lower symlink, fifo and emptied directory can be removed like a file",
        .source = "properties 28; L18") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Unlink("link");
    fs.Unlink("pipe");
    fs.RemoveAll("d");
    fs.List("");
    fs.Read("f");
  });
}

LM_CASE(whiteout, create_over_removed_file_shows_only_the_new,
        .claim = "a new file over a removed lower file has only its own content and attributes",
        .source = "properties 30; ovl/008; ovl/015") {
  t.Given(
      {Layer().File("f", "a long lower content", 0600).Chown("f", 12, 34).SetXattr("f", "user.old", "x")});
  t.When([](Ops& fs) {
    fs.Unlink("f");
    fs.Create("f", "new");
    fs.Read("f");
    fs.Stat("f");
    fs.ListXattr("f");
  });
}

LM_CASE(whiteout, every_type_over_a_removed_name,
        .claim = "directory, symlink, fifo and hard link can each take the name of a removed lower file",
        .source = "properties 30") {
  t.Given({Layer().File("1", "x").File("2", "x").File("3", "x").File("4", "x").File("keep", "kept")});
  t.When([](Ops& fs) {
    for (const char* name : {"1", "2", "3", "4"}) fs.Unlink(name);
    fs.Mkdir("1");
    fs.Symlink("keep", "2");
    fs.Mknod("3", S_IFIFO | 0644);
    fs.Link("keep", "4");
    fs.List("");
    fs.List("1");
    fs.Read("2");
    fs.SameFile("keep", "4");
  });
}

LM_CASE(whiteout, removed_directory_made_again_is_empty,
        .claim = "mkdir over a removed lower directory is empty, by listing and by name",
        .source = "properties 31; ovl/014; fuse-overlayfs issue 324") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.RemoveAll("d");
    fs.Mkdir("d");
    fs.List("d");
    fs.Stat("d/a");
    fs.Stat("d/sub");
    fs.Stat("d/sub/deep");
    fs.Rmdir("d");
    fs.Stat("d");
  });
}

LM_CASE(whiteout, deep_directory_made_again_is_empty,
        .claim = "rm -rf of a tree and mkdir of a path below it shows nothing of the old tree",
        .source = "properties 32; fuse-overlayfs issue 478") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.RemoveAll("d");
    fs.Mkdir("d");
    fs.Mkdir("d/sub");
    fs.List("d/sub");
    fs.Stat("d/sub/deep");
    fs.Rmdir("d/sub");
    fs.Rmdir("d");
  });
}

LM_CASE(whiteout, rmdir_of_a_directory_with_visible_entries_fails,
        .claim = "rmdir of a directory that still shows lower entries is ENOTEMPTY",
        .source = "properties 34; ovl/007") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rmdir("d");
    fs.Unlink("d/a");
    fs.Rmdir("d");
    fs.List("d");
  });
}

LM_CASE(whiteout, rmdir_of_an_emptied_directory_works,
        .claim = "a merged directory whose entries were all removed can be removed and made again",
        .source = "properties 33; ovl/006; ovl/010; ovl/031") {
  t.Given({Layer().Dir("d").File("d/a", "a"), Layer().File("d/b", "b")});
  t.When([](Ops& fs) {
    fs.Unlink("d/a");
    fs.Unlink("d/b");
    fs.List("d");
    fs.Rmdir("d");
    fs.Mkdir("d");
    fs.List("d");
  });
}

LM_CASE(whiteout, removal_in_a_middle_layer_stays,
        .claim = "what a middle layer removed stays hidden, and a later layer can bring the name back anew",
        .source = "L18; L20") {
  t.Given({kBase, Layer().Remove("f").RemoveAll("d"), Layer().Dir("d", 0700).File("d/new", "new")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Stat("f");
    fs.List("d");
    fs.Stat("d/a");
    fs.Create("f", "again");
  });
}

LM_CASE(whiteout, nothing_left_where_lower_has_nothing,
        .claim = "creating and removing a name that no lower layer has leaves no marker",
        .source = "properties 36; ovl/006", .needs = {Capability::upper_visible}) {
  t.Given({kBase});
  MountedSnapshot* snapshot = t.PrepareOnGiven("active");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  fs.Create("new", "x");
  fs.Unlink("new");
  fs.Mkdir("newdir");
  fs.Rmdir("newdir");
  const std::string upper = snapshot->upper();
  Result<std::vector<std::string>> names = ListDir(AT_FDCWD, upper);
  if (t.Ok(names, "listing the upper directory")) {
    t.Equal(size_t{0}, names->size(), "entries in the upper directory");
  }
}

}  // namespace layermark
