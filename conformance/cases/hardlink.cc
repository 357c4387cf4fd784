// Area hardlink: files with several names.
#include <fcntl.h>
#include <unistd.h>

#include "conformance/support/case.h"

namespace layermark {

LM_CASE(hardlink, names_of_a_layer_stay_one_file,
        .claim = "two names of one file in a layer are one file in the snapshot: same inode, two links",
        .source = "properties 60; L40; ovl/018") {
  t.Given({Layer().File("a", "x").Link("b", "a").Dir("d").Link("d/c", "a")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.SameFile("a", "b");
    fs.SameFile("a", "d/c");
    fs.StatLinks("a");
  });
}

LM_CASE(hardlink, link_to_a_lower_file,
        .claim = "link to a lower file makes a second name of it: same inode, shared content",
        .source = "properties 64; um:hard-link; fo:hardlinks") {
  t.Given({Layer().File("f", "lower")});
  t.When([](Ops& fs) {
    fs.Link("f", "l");
    fs.SameFile("f", "l");
    fs.Append("l", " and more");
    fs.Read("f");
    fs.StatLinks("f");
  });
}

LM_CASE(hardlink, link_over_an_existing_name,
        .claim = "link onto any visible name is EEXIST, onto a removed name works",
        .source = "properties 30; pjd:link") {
  t.Given({Layer().File("f", "x").File("g", "y").Dir("d")});
  t.When([](Ops& fs) {
    fs.Link("f", "g");
    fs.Link("f", "d");
    fs.Unlink("g");
    fs.Link("f", "g");
    fs.Read("g");
    fs.SameFile("f", "g");
  });
}

LM_CASE(hardlink, unlink_of_one_name, .claim = "removing one name of a lower file leaves the other",
        .source = "properties 63; L39; ovl/034") {
  t.Given({Layer().File("a", "x").Link("b", "a")});
  t.When([](Ops& fs) {
    fs.Unlink("a");
    fs.Stat("a");
    fs.Read("b");
    fs.List("");
  });
}

LM_CASE(hardlink, replacing_one_name,
        .claim = "replacing one name of a lower file in a later layer leaves the other name's content",
        .source = "L39; L10") {
  t.Given({Layer().File("a", "x").Link("b", "a"), Layer().Remove("a").File("a", "new")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Read("a");
    fs.Read("b");
  });
}

LM_CASE(hardlink, write_through_one_name,
        .claim = "a write through one name of a lower file shows through the other",
        .source = "properties 61; ovl/042", .needs = {Capability::link_across_copy_up}) {
  t.Given({Layer().File("a", "x").Link("b", "a")});
  t.When([](Ops& fs) {
    fs.Append("a", "y");
    fs.Read("b");
    fs.SameFile("a", "b");
    fs.Chmod("b", 0600);
    fs.Stat("a");
  });
}

LM_CASE(hardlink, of_symlink_and_fifo,
        .claim = "lower symlinks and fifos can have a second name, directories cannot",
        .source = "properties 66; um:hard-link-sym; um:hard-link-dir") {
  t.Given({Layer().Symlink("s", "target").Fifo("p").Dir("d")});
  t.When([](Ops& fs) {
    fs.Link("s", "s2");
    fs.Link("p", "p2");
    fs.Link("d", "d2");
    fs.ReadLink("s2");
    fs.SameFile("s", "s2");
    fs.SameFile("p", "p2");
  });
}

LM_CASE(hardlink, made_here_and_committed,
        .claim = "a file with three names made in a snapshot has them after commit", .source = "L36; L40") {
  t.When([](Ops& fs) {
    fs.Create("a", "x");
    fs.Link("a", "b");
    fs.Mkdir("d");
    fs.Link("b", "d/c");
    fs.Append("d/c", "y");
    fs.Read("a");
    fs.StatLinks("a");
  });
}

LM_CASE(hardlink, from_an_unnamed_file, .claim = "an O_TMPFILE gets a name by linkat",
        .source = "properties 115; generic/004", .needs = {Capability::tmpfile}) {
  t.Given({Layer().Dir("d")});
  t.When([](Ops& fs) {
    fs.Open("t", "d", O_TMPFILE | O_RDWR);
    fs.PWrite("t", 0, "unnamed");
    fs.Do("linkat(t, d/named)", [&](std::string&) {
      const std::string path = "/proc/self/fd/" + std::to_string(fs.fd("t"));
      return linkat(AT_FDCWD, path.c_str(), fs.root_fd(), "d/named", AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
    });
    fs.Read("d/named");
    fs.List("d");
  });
}

LM_CASE(hardlink, rename_of_one_name,
        .claim = "renaming one name of a lower file keeps the other, and both stay one file",
        .source = "um:rename-hard-link; properties 61", .needs = {Capability::link_across_copy_up}) {
  t.Given({Layer().File("a", "x").Link("b", "a")});
  t.When([](Ops& fs) {
    fs.Rename("a", "c");
    fs.Read("b");
    fs.Read("c");
    fs.List("");
  });
}

}  // namespace layermark
