// Area rename: names that move over layers.
#include <fcntl.h>
#include <stdio.h>

#include "conformance/support/case.h"

namespace layermark {
namespace {

const Layer kBase = Layer()
                        .File("f", "f of the base")
                        .File("g", "g of the base")
                        .Dir("d")
                        .File("d/x", "x")
                        .Dir("empty")
                        .Dir("full")
                        .File("full/y", "y")
                        .Symlink("link", "f")
                        .Fifo("pipe");

}  // namespace

LM_CASE(rename, file_in_one_directory,
        .claim = "a lower file can be renamed; the old name is gone and the content is kept",
        .source = "properties 42; um:rename-file") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "moved");
    fs.Stat("f");
    fs.Read("moved");
    fs.StatTimes("moved");
    fs.List("");
  });
}

LM_CASE(rename, file_across_directories,
        .claim = "a lower file can be renamed into another directory, lower or new",
        .source = "properties 42; um:rename-mass") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "d/f");
    fs.Mkdir("new");
    fs.Rename("d/x", "new/x");
    fs.Read("d/f");
    fs.Read("new/x");
    fs.List("d");
  });
}

LM_CASE(rename, onto_a_lower_file, .claim = "renaming onto a lower file replaces it",
        .source = "properties 42; um:rename-file") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "g");
    fs.Stat("f");
    fs.Read("g");
    fs.Create("new", "new");
    fs.Rename("new", "g");
    fs.Read("g");
  });
}

LM_CASE(rename, onto_a_removed_name,
        .claim = "renaming onto a name that was removed from below works and shows only the moved file",
        .source = "properties 48; properties 30") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Unlink("g");
    fs.Rename("f", "g");
    fs.Read("g");
    fs.Stat("f");
    fs.Unlink("g");
    fs.Stat("g");
  });
}

LM_CASE(rename, there_and_back, .claim = "a lower file renamed away and back is the file again",
        .source = "properties 42; um:rename-mass") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "tmp");
    fs.Rename("tmp", "f");
    fs.Read("f");
    fs.Stat("f");
    fs.StatTimes("f");
  });
}

LM_CASE(rename, swap_by_three_renames,
        .claim = "two lower files swapped through a third name have each other's content",
        .source = "properties 54") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "t");
    fs.Rename("g", "f");
    fs.Rename("t", "g");
    fs.Read("f");
    fs.Read("g");
    fs.List("");
  });
}

LM_CASE(rename, symlink_and_fifo, .claim = "lower symlinks and fifos can be renamed",
        .source = "properties 42; um:rename-sym") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("link", "d/link");
    fs.Rename("pipe", "d/pipe");
    fs.ReadLink("d/link");
    fs.List("d");
    fs.List("");
  });
}

LM_CASE(rename, onto_itself_and_its_link,
        .claim = "rename of a name onto itself, or onto another name of the same file, does nothing",
        .source = "pjd:rename") {
  t.Given({Layer().File("f", "x")});
  t.When([](Ops& fs) {
    fs.Rename("f", "f");
    fs.Link("f", "l");
    fs.Rename("f", "l");
    fs.List("");
    fs.StatLinks("f");
  });
}

LM_CASE(rename, directory_made_here,
        .claim = "a directory made in this snapshot can be renamed with all that is in it",
        .source = "properties 44; um:rename-new-dir") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Mkdir("new");
    fs.Create("new/a", "a");
    fs.Mkdir("new/sub");
    fs.Rename("new", "d/new");
    fs.List("d/new");
    fs.Read("d/new/a");
    fs.Rename("d/new", "empty");
    fs.List("empty");
  });
}

LM_CASE(
    rename, new_directory_over_a_removed_one,
    .claim = "a new directory renamed to the name of a removed lower directory shows only its own entries",
    .source = "properties 31; ovl/063") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.RemoveAll("full");
    fs.Mkdir("new");
    fs.Create("new/z", "z");
    fs.Rename("new", "full");
    fs.List("full");
    fs.Stat("full/y");
  });
}

LM_CASE(rename, lower_directory,
        .claim = "a directory that a lower layer brought can be renamed with all its children",
        .source = "properties 43; properties 44; um:rename-dir", .needs = {Capability::rename_dir}) {
  t.Given({kBase, Layer().File("full/z", "z")});
  t.When([](Ops& fs) {
    fs.Create("full/mine", "mine");
    fs.Rename("full", "moved");
    fs.List("moved");
    fs.Read("moved/y");
    fs.Read("moved/z");
    fs.Stat("full");
    fs.Mkdir("full");
    fs.List("full");
  });
}

LM_CASE(rename, lower_directory_or_exdev,
        .claim = "renaming a lower directory works whole or is EXDEV and changes nothing",
        .source = "properties 43; um:rename-exdev") {
  t.Given({kBase});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  const int error = fs.Rename("full", "moved");
  Result<Manifest> manifest = ReadManifest(snapshot->root_fd());
  if (!t.Ok(manifest, "reading")) return;
  if (error != 0) {
    t.Equal(EXDEV, error, "rename of a lower directory");
    t.SameTree(t.given_manifest(), *manifest, "after the refused rename");
  } else {
    t.Check(!manifest->entries.contains("full") && manifest->entries.contains("moved/y"),
            "the rename is not whole");
  }
}

LM_CASE(rename, onto_directories,
        .claim =
            "a directory over a full one is ENOTEMPTY or EEXIST, over a file ENOTDIR, a file over one EISDIR",
        .source = "properties 47; pjd:rename/20") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Mkdir("new");
    fs.Rename("new", "full");
    fs.Rename("new", "f");
    fs.Rename("f", "empty");
    fs.Rename("new", "new/sub");
    fs.Rename("missing", "x");
    fs.Rename("new", "empty");
    fs.List("");
  });
}

LM_CASE(rename, noreplace,
        .claim = "RENAME_NOREPLACE is EEXIST on any visible name and works on an absent or removed one",
        .source = "properties 48; fo:rename", .needs = {Capability::rename_noreplace}) {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "g", RENAME_NOREPLACE);
    fs.Unlink("g");
    fs.Rename("f", "g", RENAME_NOREPLACE);
    fs.Rename("link", "other", RENAME_NOREPLACE);
    fs.Read("g");
    fs.Stat("f");
    fs.List("");
  });
}

LM_CASE(rename, exchange_files, .claim = "RENAME_EXCHANGE swaps two files, whichever layer brought them",
        .source = "properties 49; generic/025", .needs = {Capability::rename_exchange}) {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Rename("f", "g", RENAME_EXCHANGE);
    fs.Read("f");
    fs.Read("g");
    fs.Create("new", "new");
    fs.Rename("new", "f", RENAME_EXCHANGE);
    fs.Read("f");
    fs.Read("new");
    fs.Rename("f", "missing", RENAME_EXCHANGE);
  });
}

LM_CASE(
    rename, open_file_follows,
    .claim = "a descriptor follows its file through a rename, and a new file under the old name is another",
    .source = "properties 113") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Open("h", "f", O_RDWR);
    fs.Rename("f", "moved");
    fs.Create("f", "new");
    fs.PWrite("h", 0, "CHANGED");
    fs.PRead("h", 0, 20);
    fs.Read("f");
    fs.Read("moved");
  });
}

LM_CASE(rename, over_an_open_file,
        .claim = "a file that is renamed over stays readable through its descriptor",
        .source = "properties 55") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Open("h", "g", O_RDONLY);
    fs.Rename("f", "g");
    fs.PRead("h", 0, 20);
    fs.Read("g");
  });
}

LM_CASE(rename, directory_descriptor_stays_valid,
        .claim = "a descriptor of a new directory works after the directory was renamed",
        .source = "properties 56") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    fs.Mkdir("new");
    fs.Open("dir", "new", O_RDONLY | O_DIRECTORY);
    fs.Rename("new", "d/new");
    fs.Do("openat(dir, file)", [&](std::string&) {
      Result<Fd> fd = OpenAt(fs.fd("dir"), "file", O_CREAT | O_WRONLY, 0644);
      return fd.ok() ? 0 : fd.status().error_number();
    });
    fs.List("d/new");
  });
}

LM_CASE(rename, many_renames_of_one_file,
        .claim = "a lower file renamed through many names ends up under the last alone",
        .source = "um:rename-mass-5") {
  t.Given({kBase});
  t.When([](Ops& fs) {
    std::string name = "f";
    for (int i = 0; i < 10; ++i) {
      const std::string next = (i % 2 == 0 ? "d/n" : "n") + std::to_string(i);
      fs.Rename(name, next);
      name = next;
    }
    fs.List("");
    fs.List("d");
    fs.Read(name);
  });
}

}  // namespace layermark
