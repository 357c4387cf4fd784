// Area changes: each thing that can change in a layer is a change, alone, and whatever stays the same beside
// it. A driver that tells what changed by size and time, or by what it thinks a layer can hold, loses one of
// these. Times are stated, so that a change never shows by its time unless the time is the change.
#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <array>

#include "conformance/support/case.h"

namespace layermark {
namespace {

constexpr int64_t kThen = 1'200'000'000'123'456'789;

// A file of the time kThen.
void Base(Layer& layer, const std::string& path) {
  layer.File(path, "content of a file").Times(path, kThen, kThen);
}

std::string SmallAcl(uint32_t uid, char permissions) {
  std::string value("\x02\x00\x00\x00", 4);
  const auto entry = [&value](char tag, char perm, uint32_t id) {
    value += std::string({tag, 0, perm, 0});
    for (int shift = 0; shift < 32; shift += 8) value.push_back(static_cast<char>((id >> shift) & 0xff));
  };
  entry(1, 6, 0xffffffff);
  entry(2, permissions, uid);
  entry(4, 4, 0xffffffff);
  entry(16, 7, 0xffffffff);
  entry(32, 0, 0xffffffff);
  return value;
}

}  // namespace

LM_CASE(changes, one_attribute_of_a_file,
        .claim = "a change of mode, owner, group or mtime alone is kept, of files and of directories",
        .source = "properties 73; C49; C51; C57; L45") {
  Layer base, change;
  for (const char* what :
       {"mode", "setid", "user", "group", "later", "earlier", "nanosecond", "second", "nothing"}) {
    const std::string file = fmt::format("f.{}", what), dir = fmt::format("d.{}", what);
    Base(base, file);
    base.Dir(dir).File(dir + "/inside", "x").Times(dir, kThen, kThen);
  }
  for (const std::string type : {"f.", "d."}) {
    change.Chmod(type + "mode", 0701)
        .Chmod(type + "setid", 02755)
        .Chown(type + "user", 12, 0)
        .Chown(type + "group", 0, 13);
    change.Times(type + "later", kThen, kThen + 5'000'000'000).Times(type + "earlier", kThen, 5);
    change.Times(type + "nanosecond", kThen, kThen + 1)
        .Times(type + "second", kThen, kThen / 1'000'000'000 * 1'000'000'000);
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, one_attribute_of_a_special_file,
        .claim = "a change of mode, owner, group or mtime alone is kept, of fifos and sockets",
        .source = "properties 73; properties 97; C63") {
  Layer base, change;
  for (const char* what : {"mode", "user", "group", "later", "nanosecond"}) {
    const std::string fifo = fmt::format("p.{}", what), socket = fmt::format("s.{}", what);
    base.Fifo(fifo).Times(fifo, kThen, kThen).Mknod(socket, S_IFSOCK | 0644).Times(socket, kThen, kThen);
  }
  for (const std::string type : {"p.", "s."}) {
    change.Chmod(type + "mode", 0701).Chown(type + "user", 12, 0).Chown(type + "group", 0, 13);
    change.Times(type + "later", kThen, kThen + 5'000'000'000).Times(type + "nanosecond", kThen, kThen + 1);
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(
    changes, sockets_into_others_and_back,
    .claim = "a socket can be removed, made again, and become an object of any other type and the reverse",
    .source = "L11; properties 30; properties 97") {
  Layer base, change;
  base.Mknod("removed", S_IFSOCK | 0644).Mknod("again", S_IFSOCK | 0644).Times("again", kThen, kThen);
  for (const char* name : {"to_file", "to_dir", "to_link", "to_fifo"}) base.Mknod(name, S_IFSOCK | 0644);
  base.File("from_file", "x")
      .Dir("from_dir")
      .File("from_dir/f", "x")
      .Symlink("from_link", "x")
      .Fifo("from_fifo");
  change.Remove("removed").Remove("again").Mknod("again", S_IFSOCK | 0611).Times("again", kThen, kThen);
  for (const char* name : {"to_file", "to_dir", "to_link", "to_fifo"}) change.Remove(name);
  change.File("to_file", "x").Dir("to_dir").File("to_dir/f", "x").Symlink("to_link", "x").Fifo("to_fifo");
  for (const char* name : {"from_file", "from_dir", "from_link", "from_fifo"}) {
    change.RemoveAll(name).Mknod(name, S_IFSOCK | 0644);
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, content_at_the_same_time,
        .claim = "a change of content is kept where mtime stays, and where size stays as well",
        .source = "L45; C49; moby 21555; C77") {
  Layer base, change;
  for (const char* name : {"same_size", "first", "last", "middle", "one_more", "three_more", "page_more",
                           "one_less", "half", "emptied", "zeros", "swapped1", "swapped2"}) {
    base.File(name, std::string(5000, 'x') + name).Times(name, kThen, kThen);
  }
  base.File("filled", "")
      .Times("filled", kThen, kThen)
      .File("zero", std::string(8192, '\0'))
      .Times("zero", kThen, kThen);
  change.Write("same_size", 0, std::string(5009, 'y'))
      .Write("first", 0, "1")
      .Write("last", 5003, "9")
      .Write("middle", 4096, "m");
  change.Write("one_more", 5008, "+")
      .Write("three_more", 5010, "+++")
      .Write("page_more", 5009, std::string(4096, '+'));
  change.Truncate("one_less", 5007)
      .Truncate("half", 2502)
      .Truncate("emptied", 0)
      .Write("zeros", 100, std::string(300, '\0'));
  change.Rename("swapped1", "tmp")
      .Rename("swapped2", "swapped1")
      .Rename("tmp", "swapped2")
      .Write("filled", 0, "now");
  change.Write("zero", 4095, "1");
  for (const char* name :
       {"same_size", "first", "last", "middle", "one_more", "three_more", "page_more", "one_less", "half",
        "emptied", "zeros", "swapped1", "swapped2", "filled", "zero"}) {
    change.Times(name, kThen, kThen);
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, attributes_at_the_same_time,
        .claim = "an attribute that is set, changed or removed is a change, where all else stays",
        .source = "properties 93; properties 74; moby 43882", .needs = {Capability::xattr_user}) {
  Layer base, change;
  for (const std::string prefix : {"f.", "d."}) {
    for (const char* what : {"added", "changed", "same_length", "emptied", "removed", "one_of_two"}) {
      const std::string path = prefix + what;
      prefix == "f." ? base.File(path, "x") : base.Dir(path);
      if (path != prefix + "added") base.SetXattr(path, "user.a", "value").SetXattr(path, "user.b", "stays");
      base.Times(path, kThen, kThen);
    }
    change.SetXattr(prefix + "added", "user.a", "1").SetXattr(prefix + "changed", "user.a", "a longer value");
    change.SetXattr(prefix + "same_length", "user.a", "eulav").SetXattr(prefix + "emptied", "user.a", "");
    change.RemoveXattr(prefix + "removed", "user.a").RemoveXattr(prefix + "removed", "user.b");
    change.RemoveXattr(prefix + "one_of_two", "user.b");
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, access_lists_at_the_same_time,
        .claim = "an access list that is set, changed or removed is a change, where all else stays",
        .source = "properties 95; properties 73", .needs = {Capability::acl}) {
  const std::string access = "system.posix_acl_access", inherited = "system.posix_acl_default";
  t.Given({Layer()
               .File("f.added", "x", 0640)
               .File("f.changed", "x", 0640)
               .SetXattr("f.changed", access, SmallAcl(1000, 4))
               .Dir("d.added")
               .Dir("d.changed")
               .SetXattr("d.changed", inherited, SmallAcl(1000, 4))
               .Dir("d.removed")
               .SetXattr("d.removed", inherited, SmallAcl(1000, 4)),
           Layer()
               .SetXattr("f.added", access, SmallAcl(7, 6))
               .SetXattr("f.changed", access, SmallAcl(1000, 2))
               .SetXattr("d.added", inherited, SmallAcl(7, 6))
               .SetXattr("d.changed", inherited, SmallAcl(1000, 6))
               .RemoveXattr("d.removed", inherited),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, a_new_object_of_the_same_name,
        .claim = "what is removed and made again is what was made: a symlink's target, a device's number",
        .source = "L42; L10; C55; moby 31805; properties 30") {
  Layer base, change;
  base.Symlink("l.same_length", "target1").Symlink("l.longer", "t").Symlink("l.owner", "t").Fifo("p", 0600);
  base.File("f.same", "1234").Dir("d.empty").Dir("d.full").File("d.full/old", "x");
  for (const char* name : {"l.same_length", "l.longer", "l.owner", "p", "f.same", "d.empty", "d.full"}) {
    base.Times(name, kThen, kThen);
  }
  change.Remove("l.same_length")
      .Symlink("l.same_length", "target2")
      .Remove("l.longer")
      .Symlink("l.longer", "longer");
  change.Remove("l.owner").Symlink("l.owner", "t").Chown("l.owner", 5, 6).Remove("p").Fifo("p", 0611);
  change.Remove("f.same").File("f.same", "4321").Remove("d.empty").Dir("d.empty", 0700);
  change.RemoveAll("d.full").Dir("d.full", 0711).File("d.full/new", "x");
  for (const char* name : {"l.same_length", "l.longer", "l.owner", "p", "f.same", "d.empty", "d.full"}) {
    change.Times(name, kThen, kThen);
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(
    changes, a_new_device_of_the_same_name,
    .claim = "a device that is made again with other numbers, or as one of the other kind, is the new one",
    .source = "L10; L41; properties 97", .needs = {Capability::priv_mknod}) {
  Layer base, change;
  for (const char* name : {"major", "minor", "kind", "same"})
    base.Mknod(name, S_IFCHR | 0600, makedev(1, 3)).Times(name, kThen, kThen);
  change.Remove("major")
      .Mknod("major", S_IFCHR | 0600, makedev(5, 3))
      .Remove("minor")
      .Mknod("minor", S_IFCHR | 0600, makedev(1, 5));
  change.Remove("kind")
      .Mknod("kind", S_IFBLK | 0600, makedev(1, 3))
      .Remove("same")
      .Mknod("same", S_IFCHR | 0600, makedev(1, 3));
  for (const char* name : {"major", "minor", "kind", "same"}) change.Times(name, kThen, kThen);
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(
    changes, every_type_into_every_other,
    .claim = "an object of any type can become one of any other, and a later layer shows the new one alone",
    .source = "L11; L12; properties 3; properties 30; C64") {
  constexpr std::array<const char*, 6> kTypes = {"file", "empty", "dir", "full", "link", "fifo"};
  const auto make = [](Layer& layer, const std::string& path, std::string_view type) {
    if (type == "file") layer.File(path, "content");
    if (type == "empty") layer.File(path, "");
    if (type == "dir") layer.Dir(path, 0711);
    if (type == "full") layer.Dir(path).File(path + "/f", "x").Dir(path + "/d").Symlink(path + "/l", "f");
    if (type == "link") layer.Symlink(path, "nowhere");
    if (type == "fifo") layer.Fifo(path);
  };
  Layer base, change;
  base.Dir("deep").Dir("deep/er");
  for (const char* from : kTypes) {
    for (const char* to : kTypes) {
      for (const std::string place : {"", "deep/er/"}) {
        const std::string path = fmt::format("{}{}_to_{}", place, from, to);
        make(base, path, from);
        change.RemoveAll(path);
        make(change, path, to);
      }
    }
  }
  t.Given({base, change, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, removals_of_every_type,
        .claim =
            "a removed object of any type stays removed in every later layer, and so does a removed name of "
            "a file with several",
        .source = "properties 28; properties 33; properties 63; L18; C50; C53; C64") {
  Layer base, removals;
  for (const std::string place : {"", "d/", "d/e/"}) {
    if (!place.empty()) base.Dir(place.substr(0, place.size() - 1));
    base.File(place + "file", "x")
        .File(place + "empty", "")
        .Dir(place + "dir")
        .Symlink(place + "link", "file");
    base.Fifo(place + "fifo")

        .File(place + "name1", "n")
        .Link(place + "name2", place + "name1");
    base.Dir(place + "tree")
        .Dir(place + "tree/sub")
        .File(place + "tree/sub/f", "x")
        .File(place + ".hidden", "x");
    base.Symlink(place + "dangling", "nowhere").File(place + "stays", "x");
    for (const char* name : {"file", "empty", "dir", "link", "fifo", "name2", ".hidden", "dangling"}) {
      removals.Remove(place + name);
    }
    removals.RemoveAll(place + "tree");
  }
  t.Given({base, removals, Layer().File("other", "x"), Layer().File("d/e/late", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, removals_two_layers_later,
        .claim = "what the layer before last brought can be removed and stays so, in the root and deep down",
        .source = "properties 28; L18; moby 25244") {
  Layer base, middle, removals;
  base.Dir("d").Dir("d/e").Dir("d/e/f").Dir("opaque").File("opaque/old", "x");
  for (const std::string place : {"", "d/", "d/e/", "d/e/f/"}) {
    base.File(place + "file", "x")
        .Dir(place + "tree")
        .File(place + "tree/f", "x")
        .Symlink(place + "link", "file");
    base.File(place + "again", "base").Dir(place + "dir").Fifo(place + "fifo");
    removals.Remove(place + "file")
        .RemoveAll(place + "tree")
        .Remove(place + "link")
        .Remove(place + "again")
        .Remove(place + "dir");
    removals.Remove(place + "fifo");
  }
  middle.File("d/e/new", "x");
  t.Given({base, middle, removals,
           Layer().File("d/again", "late").Dir("d/e/tree").File("d/e/f/tree", "a file now"),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(changes, directories_made_again_at_every_depth,
        .claim =
            "a directory that was removed and made again is empty of what was below it, at any depth and for "
            "all later layers",
        .source = "properties 31; properties 32; L20; L27; moby 25244; C50") {
  Layer base, again;
  base.Dir("a").Dir("a/b").Dir("a/b/c").Dir("a/b/c/d");
  for (const std::string place : {"", "a/", "a/b/", "a/b/c/"}) {
    base.Dir(place + "x").File(place + "x/old", "x").Dir(place + "x/sub").File(place + "x/sub/old", "x");
    base.Dir(place + "y").File(place + "y/stays", "x").Dir(place + "y/z").File(place + "y/z/stays", "x");
    again.RemoveAll(place + "x")
        .Dir(place + "x")
        .File(place + "x/new", "x")
        .Dir(place + "x/sub")
        .File(place + "x/sub/new", "x");
    again.File(place + "y/z/added", "x");
  }
  t.Given({base, again, Layer().File("a/b/x/sub/late", "x").File("a/b/y/z/late", "x").Dir("a/x/sub/more"),
           Layer().Chmod("a/b/c/x", 0700).Chmod("a/b/c/y/z", 0711)});
  t.ThenStackIsRight();
}

LM_CASE(changes, new_names_and_moved_files,
        .claim = "a new name of an old file, a renamed file and a file moved over another are kept",
        .source = "C54; C55; C58; properties 42; L39") {
  t.Given({Layer()
               .Dir("a")
               .Dir("b")
               .File("a/renamed", "1")
               .File("a/moved", "2")
               .File("a/over", "3")
               .File("b/under", "4")
               .File("a/setid", "5", 04755)
               .Symlink("a/link", "t")
               .File("a/again", "6"),
           Layer()
               .Rename("a/renamed", "a/new_name")
               .Rename("a/moved", "b/moved")
               .Rename("a/over", "b/under")
               .Rename("a/setid", "b/setid")
               .Rename("a/link", "b/link")
               .Rename("a/again", "b/again")
               .File("a/again", "7"),
           Layer().Rename("b/moved", "a/moved").File("other", "x")});
  t.ThenStackIsRight();
}

}  // namespace layermark
