// Area regression: bugs that others had, told as they were reported. The address is in the source.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "conformance/support/oci_case.h"

namespace layermark {

LM_CASE(regression, an_opaque_mark_is_not_copied_up,
        .claim =
            "a file that a third layer adds to a directory which the second made anew leaves the second's "
            "files in view",
        .source = "peer bug 1; moby 25244; moby 28138; SS RemoveDirectoryInLowerLayer; peer-checks C50") {
  t.Given({Layer().Dir("d").File("d/f1", "1"), Layer().RemoveAll("d").Dir("d", 0700).File("d/f2", "2")});
  t.When([](Ops& fs) {
    fs.Create("d/f3", "3");
    fs.List("d");
    fs.Read("d/f2");
    fs.Stat("d/f1");
    fs.Stat("d");
  });
}

LM_CASE(regression, a_full_directory_made_anew_is_not_removed,
        .claim = "rmdir of a lower directory that was removed, made anew and filled is ENOTEMPTY",
        .source = "peer bug 4; properties 34; moby 13108") {
  t.Given({Layer().Dir("d").Dir("e").File("e/x", "x")});
  t.When([](Ops& fs) {
    fs.Rmdir("d");
    fs.Mkdir("d");
    fs.Create("d/a", "a");
    fs.Rmdir("d");
    fs.RemoveAll("e");
    fs.Mkdir("e");
    fs.Create("e/b", "b");
    fs.Rmdir("e");
    fs.Read("d/a");
    fs.Read("e/b");
  });
}

LM_CASE(
    regression, removing_a_thousand_files_ends,
    .claim =
        "rm -r of a thousand new files above a thousand lower ones ends, and the directory can be removed",
    .source = "peer bug 5; properties 23; moby 24603", .deadline_seconds = 60) {
  Layer layer = Layer().Dir("d");
  for (int i = 0; i < 1000; ++i) layer.Symlink(fmt::format("d/l{}", i), "x");
  t.Given({layer});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  for (int i = 0; i < 1000; ++i) {
    if (symlinkat("y", snapshot->root_fd(), fmt::format("d/u{}", i).c_str()) != 0) return t.Fail("symlink");
  }
  // As rm -r does: read some entries, remove them, read on.
  int removed = 0;
  const int fd = openat(snapshot->root_fd(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int rounds = 0; rounds < 3000; ++rounds) {
    Result<std::vector<std::string>> names = ListDir(fd);
    if (!t.Ok(names, "list") || names->empty()) break;
    for (size_t i = 0; i < names->size() && i < 400; ++i)
      removed += unlinkat(fd, (*names)[i].c_str(), 0) == 0 ? 1 : 0;
  }
  close(fd);
  t.Equal(2000, removed, "names removed");
  t.Equal(0, unlinkat(snapshot->root_fd(), "d", AT_REMOVEDIR) == 0 ? 0 : errno, "errno of rmdir");
}

LM_CASE(
    regression, mv_of_a_lower_directory_by_copy,
    .claim = "where a lower directory cannot be renamed, a copy and removal as mv does give the same tree",
    .source = "peer bug 7; properties 43; moby 25409; containerd 8507; podman 13123") {
  t.Given({Layer().Dir("d", 0750).File("d/a", "a").Dir("d/s").File("d/s/x", "x").Symlink("d/l", "a")});
  t.When([](Ops& fs) {
    // What mv does after EXDEV, without asking whether it came.
    fs.Mkdir("e", 0750);
    fs.Create("e/a", fs.Read("d/a"));
    fs.Mkdir("e/s");
    fs.Create("e/s/x", fs.Read("d/s/x"));
    fs.Symlink("a", "e/l");
    fs.RemoveAll("d");
    fs.Rename("e", "d");
    fs.List("d");
    fs.Read("d/s/x");
    fs.Stat("e");
  });
}

LM_CASE(regression, a_socket_and_its_second_name,
        .claim =
            "a socket bound in a snapshot is reached by its name, after a chmod, after a rename and by a "
            "hard link",
        .source = "peer bug 8; properties 134; moby 12080; fo:special-files T4") {
  t.Given({Layer().Dir("run", 0755)});
  t.When([](Ops& fs) {
    const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = [&](const char* name) {
      sockaddr_un un{};
      un.sun_family = AF_UNIX;
      const std::string path = fmt::format("/proc/self/fd/{}/{}", fs.root_fd(), name);
      path.copy(un.sun_path, sizeof(un.sun_path) - 1);
      return un;
    };
    fs.Do("bind and listen", [&](std::string&) {
      const sockaddr_un un = address("run/sock");
      return bind(server, reinterpret_cast<const sockaddr*>(&un), sizeof(un)) == 0 && listen(server, 8) == 0
                 ? 0
                 : errno;
    });
    const auto reach = [&](const char* name) {
      fs.Do(std::string("connect to ") + name, [&](std::string&) {
        const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un un = address(name);
        const int error =
            connect(client, reinterpret_cast<const sockaddr*>(&un), sizeof(un)) == 0 ? 0 : errno;
        close(client);
        return error;
      });
    };
    reach("run/sock");
    fs.Chmod("run/sock", 0666);
    reach("run/sock");
    fs.Link("run/sock", "run/second");
    reach("run/second");
    fs.Rename("run/sock", "run/moved");
    reach("run/moved");
    close(server);
    reach("run/moved");
  });
}

LM_CASE(regression, owners_given_to_a_whole_tree,
        .claim = "chown of every file and directory of a lower tree three levels deep is there after commit",
        .source = "peer bug 10; moby 20240; moby 24913; moby 28391; SS Chown; peer-checks C51",
        .needs = {Capability::priv_chown}) {
  t.Given({Layer()
               .Dir("opt")
               .Dir("opt/a")
               .Dir("opt/a/b")
               .File("opt/a/b/f", "x")
               .File("opt/g", "g")
               .Symlink("opt/a/l", "b")});
  t.When([](Ops& fs) {
    for (const char* name : {"opt", "opt/a", "opt/a/b", "opt/a/b/f", "opt/g", "opt/a/l"})
      fs.Chown(name, 1, 1);
    for (const char* name : {"opt", "opt/a", "opt/a/b", "opt/a/b/f", "opt/g", "opt/a/l"}) fs.Stat(name);
  });
}

LM_CASE(regression, directories_made_anew_have_their_own_attributes,
        .claim =
            "directories removed and made anew, and given back to root, have their new owner and mode "
            "through three layers",
        .source = "peer bug 11; moby 27298; moby 27705; SS DirectoryPermissionOnCommit; peer-checks C52",
        .needs = {Capability::priv_chown}) {
  t.Given({Layer().Dir("d1", 0700).Dir("d2").Dir("d3", 0777).Chown("d3", 1, 1),
           Layer()
               .Remove("d1")
               .Dir("d1", 0755)
               .Chown("d1", 1, 1)
               .Chown("d2", 2, 2)
               .Chmod("d2", 0711)
               .Chown("d3", 0, 0),
           Layer().Remove("d2").Dir("d2", 01770).Chown("d1", 3, 4)});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Rmdir("d1");
    fs.Mkdir("d1", 0750);
    fs.Chown("d2", 0, 0);
    fs.Create("d3/f", "x");
    for (const char* name : {"d1", "d2", "d3"}) fs.Stat(name);
  });
}

LM_CASE(regression, deleted_files_stay_deleted_in_an_empty_layer,
        .claim =
            "what a second layer deleted is deleted in a third that changes nothing and in a fourth that "
            "adds a name",
        .source = "SS DeletedFilesInChildSnapshot; peer-checks C53; properties 26; L18") {
  t.Given({Layer().Dir("d").File("d/a", "a").File("d/b", "b").File("f", "f"),
           Layer().Remove("d/a").Remove("f"), Layer(), Layer().File("d/c", "c")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Stat("d/a");
    fs.Stat("f");
    fs.List("d");
  });
}

LM_CASE(regression, a_move_by_link_and_unlink,
        .claim = "a lower file linked to another name and unlinked has moved",
        .source = "SS MoveFileFromLowerLayer; peer-checks C54; properties 64") {
  t.Given({Layer().Dir("dir1").Dir("dir2").File("dir1/f1", "content", 0640).Chown("dir1/f1", 3, 4)});
  t.When([](Ops& fs) {
    fs.Link("dir1/f1", "dir2/f2");
    fs.Unlink("dir1/f1");
    fs.Read("dir2/f2");
    fs.Stat("dir2/f2");
    fs.StatLinks("dir2/f2");
    fs.Stat("dir1/f1");
  });
}

LM_CASE(regression, the_option_ro_of_a_view_is_no_data,
        .claim =
            "a view on one layer and on several mounts, is read-only, and a remount for writing is refused "
            "or has no effect",
        .source = "peer bug 23; peer bug 22; rule 23; rule 27; containerd 8851; containerd 1368") {
  t.Given({Layer().File("f", "1"), Layer().File("g", "2"), Layer().Remove("f").File("h", "3")});
  for (const std::string& name : {std::string("layer0"), std::string("layer1"), t.given()}) {
    Result<Manifest> before = t.subject().ViewManifest(name);
    Result<MountedSnapshot> view = t.subject().View("view.of." + name, name);
    if (!t.Ok(view, "view of " + name)) return;
    {
      Ops fs(view->root_fd());
      t.Check(fs.Create("new", "x") != 0, "a file was made in the view of " + name);
      t.Check(fs.Chmod("", 0700) != 0, "the mode of the view's root was changed: " + name);
    }
    Result<Manifest> after = ReadManifest(view->root_fd());
    if (t.Ok(before, "reading") && t.Ok(after, "reading")) t.SameTree(*before, *after, "the view of " + name);
    t.Ok(view->Unmount(), "unmount");
  }
}

LM_CASE(regression, many_mounts_of_one_active_snapshot,
        .claim =
            "an active snapshot mounted, unmounted and mounted again twenty times keeps what was written "
            "each time",
        .source = "peer bug 19; rule 22; moby 37970; containerd 4311; peer-checks C68") {
  t.Given({Layer().Dir("d").File("d/f", "0")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  for (int i = 0; i < 20; ++i) {
    {
      Ops fs(snapshot->root_fd());
      t.Equal(0, fs.Append("d/f", "+"), "errno of append");
      t.Equal(0, fs.Create(fmt::format("d/n{}", i), "x"), "errno of create");
    }
    if (!t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) return;
  }
  Ops fs(snapshot->root_fd());
  t.Equal("0" + std::string(20, '+'), fs.Read("d/f"), "what was appended");
  Result<std::vector<std::string>> names = ListDir(snapshot->root_fd(), "d");
  if (t.Ok(names, "list")) t.Equal(size_t{21}, names->size(), "names");
}

LM_CASE(
    regression, layers_unpacked_before_their_parents,
    .claim =
        "a layer with whiteouts that was unpacked alone and given its parent at Commit hides what they name",
    .source = "peer bug 35; rule 44; L18; containerd 13030; containerd 13115",
    .needs = {Capability::rebase, Capability::upper_visible, Capability::xattr_trusted,
              Capability::priv_mknod}) {
  t.Given({Layer().File("gone", "x").Dir("d").File("d/old", "x").File("kept", "k")});
  Result<MountedSnapshot> alone = t.subject().Prepare("alone", "");
  if (!t.Ok(alone, "prepare")) return;
  // As an applier in the overlay's own form does it.
  const std::string tar = BuildTar({Whiteout("", "gone"), DirEntry("d"), Opaque("d"), FileEntry("d/new")});
  Result<std::string> scratch = t.backing().NewDirectory("tar");
  if (!scratch.ok()) return t.Error(scratch.status().ToString());
  if (Status s = WriteFile(*scratch + "/layer.tar", tar); !s.ok()) return t.Error(s.ToString());
  Result<Fd> file = Open(*scratch + "/layer.tar", O_RDONLY);
  if (!file.ok()) return t.Error(file.status().ToString());
  ApplyOptions options;
  options.whiteouts = WhiteoutStyle::kOverlay;
  if (!t.Ok(ApplyLayerTar(file->get(), alone->root_fd(), options), "applying in the overlay's form")) return;
  t.Ok(alone->Unmount(), "unmount");
  if (!t.Ok(t.api().Commit("rebased", "alone", {}, t.given()), "commit with a parent")) return;
  Result<MountedSnapshot> view = t.subject().View("look", "rebased");
  if (!t.Ok(view, "view")) return;
  Ops fs(view->root_fd());
  t.Equal(ENOENT, fs.Stat("gone"), "errno of what the layer hides");
  t.Equal(ENOENT, fs.Stat("d/old"), "errno of what its opaque directory hides");
  t.Equal(std::string("k"), fs.Read("kept"), "what it leaves");
  t.Equal(0, fs.Stat("d/new"), "errno of what it brings");
}

LM_CASE(regression, an_archive_swaps_a_directory_for_a_symlink,
        .claim =
            "an archive that makes a directory, swaps it for a symlink to / and writes below it stays inside "
            "the root",
        .source = "peer bug 38; L51; CVE-2025-47290; CVE-2021-29136; containerd 12961") {
  SameLayersAsModel(
      t, {{DirEntry("foo"), FileEntry("foo/inside"), SymlinkEntry("foo", "/"), FileEntry("foo/tmp-x/y")}});
}

LM_CASE(
    regression, a_copy_keeps_capabilities_and_attributes,
    .claim = "a child of a layer has the file capability and the attributes of its files and directories",
    .source =
        "peer bug 39; moby 42655; containerd 3749; continuity 147; continuity 244; containers/storage 217",
    .needs = {Capability::xattr_user, Capability::xattr_security, Capability::priv_chown}) {
  t.Given({Layer()
               .File("tool", "x", 0755)
               .Chown("tool", 12, 34)
               .SetXattr("tool", "security.capability", CapabilityXattr(1U << 10).value)
               .SetXattr("tool", "user.t", "1")
               .Dir("d", 0750)
               .SetXattr("d", "user.d", "2")
               .SetXattr("", "user.root", "3"),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.GetXattr("tool", "security.capability");
    fs.Chmod("tool", 0711);
    fs.GetXattr("tool", "security.capability");
    fs.GetXattr("d", "user.d");
    fs.GetXattr("", "user.root");
  });
}

LM_CASE(regression, a_whiteout_at_the_root_hides_that_name_alone,
        .claim = "removing a name at the root leaves the same name in every directory",
        .source = "peer bug 40; fuse-overlayfs 151") {
  t.Given({Layer().File("name", "root").Dir("d").File("d/name", "in d").Dir("d/s").File("d/s/name", "in s")});
  t.When([](Ops& fs) {
    fs.Unlink("name");
    fs.Read("d/name");
    fs.Read("d/s/name");
    fs.Unlink("d/name");
    fs.Read("d/s/name");
    fs.Create("name", "new");
    fs.Stat("d/name");
  });
}

LM_CASE(
    regression, a_directory_renamed_to_a_removed_name,
    .claim =
        "a new directory gets the name of a removed lower one by rename, with and without RENAME_NOREPLACE",
    .source = "peer bug 40; fuse-overlayfs 189; fuse-overlayfs 273; properties 31",
    .needs = {Capability::rename_noreplace}) {
  t.Given({Layer().Dir("d").File("d/old", "x").Dir("e").File("e/old", "x")});
  t.When([](Ops& fs) {
    fs.RemoveAll("d");
    fs.Mkdir("n");
    fs.Create("n/new", "1");
    fs.Rename("n", "d");
    fs.List("d");
    fs.RemoveAll("e");
    fs.Mkdir("m");
    fs.Create("m/new", "2");
    fs.Rename("m", "e", 1);
    fs.List("e");
    fs.Stat("e/old");
    fs.Mkdir("k");
    fs.Rename("k", "e", 1);
  });
}

LM_CASE(regression, a_lower_symlink_under_an_upper_directory,
        .claim =
            "a directory made where a lower layer had a symlink to a directory shows its own entries, and "
            "the reverse",
        .source = "peer bug 40; fuse-overlayfs 337; L12") {
  t.Given({Layer().Dir("real").File("real/x", "x").Symlink("l", "real").Dir("d").File("d/y", "y"),
           Layer().Remove("l").Dir("l").File("l/own", "o").RemoveAll("d").Symlink("d", "real")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.List("l");
    fs.Stat("l/x");
    fs.Read("d/x");
    fs.Create("l/new", "n");
    fs.Create("d/through", "t");
    fs.Read("real/through");
  });
}

LM_CASE(regression, attributes_of_more_than_256_bytes,
        .claim = "attributes of 255, 256, 257 and 1500 bytes survive the first change of their file",
        .source = "peer bug 40; fuse-overlayfs 284; fuse-overlayfs 352; properties 93",
        .needs = {Capability::xattr_user}) {
  Layer layer;
  for (size_t size : {size_t{255}, size_t{256}, size_t{257}, size_t{1500}})
    layer.File(fmt::format("f{}", size), "x")
        .SetXattr(fmt::format("f{}", size), "user.v", std::string(size, 'v'));
  t.Given({layer});
  t.When([](Ops& fs) {
    for (int size : {255, 256, 257, 1500}) {
      const std::string name = fmt::format("f{}", size);
      fs.GetXattr(name, "user.v");
      fs.Append(name, "y");
      fs.GetXattr(name, "user.v");
      fs.SetXattr(name, "user.w", std::string(static_cast<size_t>(size) - 50, 'w'));
    }
  });
}

LM_CASE(regression, files_below_a_tree_made_anew_stay_hidden,
        .claim =
            "a tree removed and made anew at several depths shows none of the lower files, by name or "
            "listing, also later",
        .source = "peer bug 40; fuse-overlayfs 478; fuse-overlayfs 279; fuse-overlayfs 309; properties 32") {
  t.Given(
      {Layer().Dir("a").Dir("a/b").Dir("a/b/c").File("a/b/c/f", "x").File("a/b/g", "x").File("a/h", "x")});
  t.When([](Ops& fs) {
    fs.RemoveAll("a");
    fs.Mkdir("a");
    fs.Mkdir("a/b");
    fs.Create("a/b/new", "n");
    fs.Mkdir("a/b/c");
    fs.List("a");
    fs.List("a/b");
    fs.List("a/b/c");
    fs.RemoveAll("a/b");
    fs.Mkdir("a/b");
    fs.List("a/b");
    fs.Rmdir("a/b");
    fs.List("a");
  });
}

LM_CASE(
    regression, every_whiteout_reaches_the_layer,
    .claim =
        "a layer that removes names in many directories, each in its own way, hides all of them in its child",
    .source = "peer bug 41; moby 23863; moby 23912; moby 25086; properties 28") {
  Layer layer;
  for (int i = 0; i < 12; ++i)
    layer.Dir(fmt::format("d{}", i))
        .File(fmt::format("d{}/f", i), "x")
        .Dir(fmt::format("d{}/s", i))
        .File(fmt::format("d{}/s/g", i), "y");
  t.Given({layer, Layer().File("d1/upper", "u")});
  t.When([](Ops& fs) {
    for (int i = 0; i < 12; ++i) {
      const std::string d = fmt::format("d{}", i);
      if (i % 4 == 0) fs.Unlink(d + "/f");
      if (i % 4 == 1) fs.RemoveAll(d + "/s");
      if (i % 4 == 2) fs.RemoveAll(d);
      if (i % 4 == 3) fs.Rename(d + "/f", d + "/s/moved");
    }
  });
}

LM_CASE(regression, owners_of_parents_stay_when_a_child_changes,
        .claim =
            "directories that belong to a user keep their owner, mode and attributes when a file far below "
            "changes",
        .source = "peer bug 51; properties 86; containers/storage 1069; container-libs 701",
        .needs = {Capability::priv_chown, Capability::xattr_user}) {
  t.Given({Layer()
               .Dir("home", 0711)
               .Chown("home", 0, 50)
               .Dir("home/user", 0750)
               .Chown("home/user", 1000, 1000)
               .SetXattr("home/user", "user.a", "1")
               .Dir("home/user/w", 0700)
               .Chown("home/user/w", 1000, 1000)
               .File("home/user/w/f", "x")});
  t.When([](Ops& fs) {
    fs.Append("home/user/w/f", "y");
    for (const char* name : {"home", "home/user", "home/user/w"}) fs.Stat(name);
    fs.GetXattr("home/user", "user.a");
  });
}

LM_CASE(regression, stale_data_through_a_second_name,
        .claim =
            "what is appended through one name of a new file is read through the other at once, and after "
            "the next mount",
        .source = "peer bug 40; fuse-overlayfs 108; properties 61; properties 64") {
  t.Given({Layer().File("lower", "l")});
  t.When([](Ops& fs) {
    fs.Create("a", "1");
    fs.Link("a", "b");
    fs.Read("b");
    fs.Append("a", "2");
    fs.Read("b");
    fs.Append("b", "3");
    fs.Read("a");
    fs.Truncate("a", 2);
    fs.Read("b");
    fs.Chmod("b", 0600);
    fs.Stat("a");
  });
}

}  // namespace layermark
