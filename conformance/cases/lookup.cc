// Areas lookup, rename and identity: names that come and go, spellings of paths, and who is who.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "conformance/support/case.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .File("f", "lower")
      .File("g", "other")
      .Dir("d", 0750)
      .File("d/a", "a")
      .File("d/b", "b")
      .Dir("d/s")
      .File("d/s/x", "x")
      .Dir("e")
      .File("e/only", "in e")
      .Symlink("link", "d")
      .Symlink("flink", "f");
}

}  // namespace

LM_CASE(lookup, a_name_that_was_missing_is_found,
        .claim = "a name that was looked for in vain is found as soon as it is made, renamed or linked there",
        .source = "properties 6; um:noent-creat") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    for (const char* name : {"n1", "d/n2", "d/n3", "n4", "n5"}) fs.Stat(name);
    fs.Create("n1", "x");
    fs.Rename("f", "d/n2");
    fs.Link("g", "d/n3");
    fs.Mkdir("n4");
    fs.Symlink("d", "n5");
    for (const char* name : {"n1", "d/n2", "d/n3", "n4", "n5/a"}) fs.Stat(name);
    fs.Unlink("n1");
    fs.Stat("n1");
    fs.Create("n1", "again");
    fs.Read("n1");
  });
}

LM_CASE(lookup, a_name_that_was_found_is_missing,
        .claim =
            "a lower name that was found is missing as soon as it is removed or renamed, in its directory's "
            "copy too",
        .source = "properties 6; properties 28; um:unlink") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    for (const char* name : {"f", "d/a", "d/s/x", "link"}) fs.Stat(name);
    fs.Unlink("f");
    fs.Rename("d/a", "d/moved");
    fs.RemoveAll("d/s");
    fs.Unlink("link");
    for (const char* name : {"f", "d/a", "d/s", "d/s/x", "link", "d/moved"}) fs.Stat(name);
    fs.Open("h", "d/a", O_RDONLY);
    fs.Access("f", F_OK);
    fs.ReadLink("link");
  });
}

LM_CASE(lookup, trailing_slashes,
        .claim = "a slash after a name asks for a directory, in every call that takes a name",
        .source = "properties 7; um --ts=1") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Open("h", "f/", O_RDONLY);
    fs.Open("h", "f/", O_WRONLY);
    fs.Open("h", "new/", O_WRONLY | O_CREAT, 0644);
    fs.Open("h", "d/", O_RDONLY | O_DIRECTORY);
    fs.Stat("f/");
    fs.Stat("d/");
    fs.Stat("flink/");
    fs.ReadLink("link/");
    fs.Unlink("f/");
    fs.Unlink("flink/");
    fs.Rename("f/", "f2");
    fs.Rename("f", "f2/");
    fs.Link("f", "l/");
    fs.Symlink("x", "s/");
    fs.Mkdir("m/");
    fs.Mkdir("d/s/");
    fs.Rename("m/", "m2/");
    fs.Rmdir("m2/");
    fs.Rmdir("f/");
    fs.Truncate("f/", 1);
    fs.List("");
  });
}

LM_CASE(lookup, dots_in_paths,
        .claim = "paths with dots and double slashes name what they name on any file system",
        .source = "properties 7; properties 9; pjd:rename") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Read("d/../f");
    fs.Read("./d//s/./x");
    fs.Stat("d/s/..");
    fs.Rmdir("d/.");
    fs.Rmdir("d/..");
    fs.Rename("d/.", "z");
    fs.Rename("d/..", "z");
    fs.Unlink("d/.");
    fs.Mkdir("d/.");
    fs.Mkdir("d/..");
    fs.Create("d/s/../new", "x");
    fs.Unlink("d/s/../../g");
    fs.List("d/..");
  });
}

LM_CASE(lookup, the_longest_name, .claim = "a name may have as many bytes as statvfs says, and not one more",
        .source = "properties 13; pjd:open/02; fuse-overlayfs 351") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    struct statvfs st = {};
    fs.Do("statvfs f_namemax", [&](std::string& seen) {
      if (fstatvfs(fs.root_fd(), &st) != 0) return errno;
      seen = std::to_string(st.f_namemax);
      return 0;
    });
    fs.Create(std::string(255, 'n'), "x");
    fs.Create(std::string(256, 'n'), "x");
    fs.Mkdir(std::string(255, 'm'));
    fs.Mkdir(std::string(256, 'm'));
    fs.Symlink("x", std::string(256, 's'));
    fs.Rename("f", std::string(255, 'r'));
    fs.Rename("g", std::string(256, 'r'));
    fs.Link("g", "d/" + std::string(255, 'l'));
    fs.Stat(std::string(256, 'x'));
    fs.Unlink(std::string(255, 'n'));
    fs.Rmdir(std::string(255, 'm'));
  });
}

LM_CASE(lookup, long_names_of_a_lower_layer_can_be_hidden,
        .claim = "lower names of up to 250 bytes can be changed, renamed and removed",
        .source = "properties 13; properties 40") {
  Layer layer;
  for (size_t size : {size_t{230}, size_t{240}, size_t{245}, size_t{250}}) {
    layer.File(std::string(size, 'u'), "x")
        .File(std::string(size, 'c'), "x")
        .File(std::string(size, 'r'), "x");
    layer.Dir(std::string(size, 'd')).File(std::string(size, 'd') + "/in", "x");
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    for (size_t size : {size_t{230}, size_t{240}, size_t{245}, size_t{250}}) {
      fs.Unlink(std::string(size, 'u'));
      fs.Append(std::string(size, 'c'), "y");
      fs.Rename(std::string(size, 'r'), std::string(size, 'R'));
      fs.RemoveAll(std::string(size, 'd'));
      fs.Mkdir(std::string(size, 'd'));
    }
  });
}

LM_CASE(lookup, longest_symlink_target,
        .claim = "symlink targets up to the longest that the backing takes are read back whole",
        .source = "properties 11; pjd:symlink/03") {
  t.Given({Layer().Symlink("l1000", std::string(1000, 't'))});
  t.When([](Ops& fs) {
    fs.ReadLink("l1000");
    for (size_t size :
         {size_t{1}, size_t{59}, size_t{60}, size_t{255}, size_t{1000}, size_t{4095}, size_t{4096}}) {
      const std::string name = fmt::format("n{}", size);
      fs.Symlink(std::string(size, 's'), name);
      fs.ReadLink(name);
    }
    fs.Symlink("", "empty");
    fs.Rename("l1000", "moved");
    fs.ReadLink("moved");
  });
}

LM_CASE(
    readdir, creating_while_listing,
    .claim = "entries made while a merged directory is listed appear at most once, the old ones exactly once",
    .source = "properties 25; no peer") {
  Layer lower = Layer().Dir("d");
  for (int i = 0; i < 200; ++i) lower.File(fmt::format("d/old{}", i), "x");
  t.Given({lower, Layer().File("d/upper", "u")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  const int fd = openat(snapshot->root_fd(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : fdopendir(fd);
  if (!t.Check(stream != nullptr, "opendir")) return;
  std::map<std::string, int> seen;
  int made = 0;
  while (const dirent* entry = readdir(stream)) {
    ++seen[entry->d_name];
    if (++made <= 150) t.Equal(0, fs.Create(fmt::format("d/new{}", made), "n"), "errno of create");
  }
  closedir(stream);
  for (int i = 0; i < 200; ++i)
    t.Equal(1, seen[fmt::format("old{}", i)], fmt::format("times old{} was listed", i));
  for (const auto& [name, count] : seen)
    t.Check(count == 1, fmt::format("{} was listed {} times", name, count));
  Result<std::vector<std::string>> names = ListDir(snapshot->root_fd(), "d");
  if (t.Ok(names, "list")) t.Equal(size_t{201 + 150}, names->size(), "names afterwards");
}

LM_CASE(readdir, an_open_directory_that_is_removed,
        .claim =
            "a lower directory that is removed while open can be asked for its state, lists nothing and "
            "takes nothing",
        .source = "properties 27; ovl/007") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Open("h", "e", O_RDONLY | O_DIRECTORY);
    fs.Unlink("e/only");
    fs.Rmdir("e");
    fs.Do("fstat(h)", [&](std::string& seen) {
      struct stat st = {};
      if (fstat(fs.fd("h"), &st) != 0) return errno;
      seen = S_ISDIR(st.st_mode) ? "a directory" : "something else";
      return 0;
    });
    fs.Do("create in h", [&](std::string&) {
      const int fd = openat(fs.fd("h"), "new", O_CREAT | O_WRONLY, 0600);
      if (fd >= 0) close(fd);
      return fd < 0 ? errno : 0;
    });
    fs.Do("names in h", [&](std::string& seen) {
      const int copy = dup(fs.fd("h"));
      DIR* stream = fdopendir(copy);
      if (stream == nullptr) {
        const int error = errno;
        close(copy);
        return error;
      }
      while (const dirent* entry = readdir(stream)) {
        if (std::string(entry->d_name) != "." && std::string(entry->d_name) != "..") seen += entry->d_name;
      }
      closedir(stream);
      return 0;
    });
    fs.Mkdir("e");
    fs.List("e");
    fs.Close("h");
  });
}

LM_CASE(readdir, types_and_numbers_of_a_merged_tree,
        .claim =
            "in a directory merged from three layers d_type fits st_mode and d_ino is st_ino of each entry, "
            "listed before or after a change",
        .source = "properties 5; properties 24; ovl/017; ovl/041") {
  t.Given({Base().Fifo("p"), Layer().File("d/c", "c").Symlink("d/l", "a").Remove("d/b"),
           Layer().Remove("f").Dir("f").Remove("d/a").Fifo("d/a")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  const auto look = [&](const std::string& when) {
    Result<Manifest> tree = ReadManifest(snapshot->root_fd());
    if (!t.Ok(tree, "reading")) return;
    for (const auto& [path, entry] : tree->entries) {
      if (path.empty() || entry.dirent_type == DT_UNKNOWN) continue;
      struct stat st = {};
      if (!t.Check(fstatat(snapshot->root_fd(), path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0,
                   "stat of " + path))
        continue;
      t.Equal(static_cast<unsigned>(IFTODT(st.st_mode)), static_cast<unsigned>(entry.dirent_type),
              when + ": d_type of " + path);
      t.Equal(st.st_ino, entry.dirent_ino, when + ": d_ino of " + path);
    }
  };
  look("at first");
  t.Ok(ApplyLayer(Layer().Chmod("d/c", 0600).Rename("d/l", "d/l2").Write("g", 0, "G").Dir("d/new"),
                  snapshot->root_fd()),
       "a change");
  look("after a change");
  if (t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) look("mounted again");
}

LM_CASE(rename, exchange_of_directories,
        .claim = "RENAME_EXCHANGE swaps two lower directories with all that is in them",
        .source = "properties 50; no peer; peer-checks C62",
        .needs = {Capability::rename_exchange, Capability::rename_dir}) {
  t.Given({Base(), Layer().File("d/upper", "u").Remove("e/only")});
  t.When([](Ops& fs) {
    fs.Rename("d", "e", RENAME_EXCHANGE);
    fs.List("d");
    fs.List("e");
    fs.Read("e/s/x");
    fs.Rename("e", "f", RENAME_EXCHANGE);
    fs.Read("e");
    fs.List("f/s");
  });
}

LM_CASE(rename, exchange_with_a_directory_or_refused,
        .claim = "RENAME_EXCHANGE of a lower directory works whole or is refused and changes nothing",
        .source = "properties 50", .needs = {Capability::rename_exchange}) {
  t.Given({Base()});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  int error = 0;
  {
    Ops fs(snapshot->root_fd());
    error = fs.Rename("d", "e", RENAME_EXCHANGE);
    if (error == 0) {
      t.Equal(std::string("in e"), fs.Read("d/only"), "what was in e");
      t.Equal(std::string("x"), fs.Read("e/s/x"), "what was in d");
      t.Equal(ENOENT, fs.Stat("d/a"), "errno of what is not in e");
    }
  }
  if (!t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) return;
  Result<Manifest> seen = ReadManifest(snapshot->root_fd());
  if (!t.Ok(seen, "reading")) return;
  if (error != 0) {
    t.Check(error == EXDEV || error == EINVAL || error == ENOSYS, "refused with " + ErrnoName(error));
    t.SameTree(t.given_manifest(), *seen, "after the refusal", {.ignored_paths = {}});
  } else {
    t.Check(seen->entries.contains("d/only") && seen->entries.contains("e/s/x"),
            "after the next mount it is not swapped");
  }
}

LM_CASE(
    rename, swap_of_two_directories_by_three_renames,
    .claim =
        "two lower directories swapped through a third name by mv, which copies where it must, are swapped",
    .source = "properties 54; peer bug 7; moby 25409; podman 13123", .needs = {Capability::rename_dir}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Rename("d", "tmp");
    fs.Rename("e", "d");
    fs.Rename("tmp", "e");
    fs.List("d");
    fs.List("e");
    fs.Read("e/s/x");
    fs.Create("d/new", "x");
    fs.Unlink("e/a");
  });
}

LM_CASE(
    rename, across_mounts,
    .claim = "a rename or link from one mount to another is EXDEV, over a directory that is mounted on EBUSY",
    .source = "properties 59; pjd:rename/15; um:rename-exdev") {
  t.Given({Base()});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<MountedSnapshot> plain = t.oracle().Prepare("a", t.given());
  if (!plain.ok()) return t.Error(plain.status().ToString());
  std::vector<std::string> logs;
  for (const MountedSnapshot* side : std::vector<const MountedSnapshot*>{&*plain, snapshot}) {
    const std::string inner = side->path() + "/e";
    if (Status s = MountFilesystem("tmpfs", "layermark", inner, {"size=1m"}); !s.ok())
      return t.Error(s.ToString());
    {
      Ops fs(side->root_fd());
      fs.Rename("f", "e/f");
      fs.Link("f", "e/f");
      fs.Create("e/t", "x");
      fs.Rename("e/t", "t");
      fs.Rename("d", "e");
      fs.Rename("e", "z");
      fs.Rmdir("e");
      fs.Read("f");
      std::string log;
      for (const Observation& o : fs.log()) log += ToString(o) + "\n";
      logs.push_back(log);
    }
    t.Ok(UnmountPath(inner), "unmount of the inner mount");
  }
  t.Equal(logs[0], logs[1], "the steps");
  t.Ok(plain->Unmount(), "unmount of the oracle");
}

LM_CASE(rename, many_at_once_leave_whiteouts,
        .claim = "renames of lower files by several threads end, lose nothing and hide every old name",
        .source = "properties 158; generic/631; peer bug 40; peer-checks C68", .deadline_seconds = 60) {
  Layer layer = Layer().Dir("a").Dir("b");
  for (int i = 0; i < 120; ++i) layer.File(fmt::format("a/f{}", i), std::to_string(i));
  t.Given({layer});
  t.When([](Ops& fs) {
    fs.Do("120 renames by four threads", [&](std::string&) {
      std::vector<std::thread> threads;
      int errors[4] = {};
      for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
          for (int i = thread; i < 120; i += 4) {
            const std::string from = fmt::format("a/f{}", i), to = fmt::format("b/g{}", i);
            if (renameat(fs.root_fd(), from.c_str(), fs.root_fd(), to.c_str()) != 0) errors[thread] = errno;
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (int error : errors) {
        if (error != 0) return error;
      }
      return 0;
    });
    fs.List("a");
    fs.List("b");
    fs.Read("b/g77");
    fs.Rmdir("a");
  });
}

LM_CASE(identity, two_files_are_two,
        .claim = "no two objects of a stack share device and inode number unless they are names of one file",
        .source = "properties 102; peer bug 40; fuse-overlayfs 391; fuse-overlayfs 455; peer-checks C67") {
  t.Given({Base(), Layer().File("h", "h").Link("h2", "h").Symlink("d/sl", "x").Dir("d/n").File("d/n/y", "y"),
           Layer().File("f", "new").Fifo("d/p").Dir("e/q").File("e/only2", "z")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  const auto look = [&](const std::string& when) {
    Result<Manifest> tree = ReadManifest(snapshot->root_fd());
    if (!t.Ok(tree, "reading")) return;
    std::map<std::pair<dev_t, ino_t>, std::string> owner;
    for (const auto& [path, entry] : tree->entries) {
      const auto [found, is_new] = owner.emplace(std::pair(entry.dev, entry.ino), path);
      if (is_new) continue;
      const Entry& other = tree->entries[found->second];
      t.Check(!entry.link_group.empty() && entry.link_group == other.link_group && entry.type == other.type &&
                  entry.digest == other.digest,
              fmt::format("{}: {} and {} have one inode number", when, found->second, path));
    }
  };
  look("at first");
  t.Ok(ApplyLayer(
           Layer().Write("g", 0, "G").Chmod("d/a", 0600).File("new", "n").Dir("newdir").Rename("d/b", "d/b2"),
           snapshot->root_fd()),
       "a change");
  look("after a change");
  if (t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) look("mounted again");
}

LM_CASE(identity, numbers_stay_over_the_next_mount,
        .claim = "inode numbers of lower, changed and new objects are the same after unmount and mount",
        .source = "properties 101; ovl/017; ovl/043; fo:passthrough") {
  t.Given({Base(), Layer().File("d/c", "c")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  t.Ok(ApplyLayer(Layer().Write("g", 0, "G").Chmod("d/a", 0600).File("new", "n").Chmod("e", 0700),
                  snapshot->root_fd()),
       "a change");
  Result<Manifest> before = ReadManifest(snapshot->root_fd());
  if (!t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) return;
  Result<Manifest> after = ReadManifest(snapshot->root_fd());
  if (!t.Ok(before, "reading") || !t.Ok(after, "reading")) return;
  for (const auto& [path, entry] : before->entries)
    t.Equal(entry.ino, after->entries[path].ino, "inode number of \"" + path + "\"");
}

LM_CASE(
    identity, numbers_stay_over_rename_and_descriptor,
    .claim = "a file has the same number by name, by descriptor, after a rename and after its first change",
    .source = "properties 100; properties 42; um check_dev_ino", .needs = {Capability::constant_inode}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    const auto number = [&](const char* name) {
      struct stat st = {};
      return fstatat(fs.root_fd(), name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : ino_t{0};
    };
    const ino_t first = number("f"), link = number("flink"), dir = number("d");
    fs.Open("r", "f", O_RDONLY);
    fs.Open("w", "f", O_RDWR);
    fs.PWrite("w", 0, "L");
    fs.Rename("f", "e/moved");
    fs.Chown("flink", 3, 4);
    fs.Chmod("d", 0700);
    fs.Do("numbers", [&](std::string& seen) {
      struct stat r = {}, w = {};
      fstat(fs.fd("r"), &r);
      fstat(fs.fd("w"), &w);
      seen = fmt::format("moved {} reader {} writer {} link {} dir {}", number("e/moved") == first,
                         r.st_ino == first, w.st_ino == first, number("flink") == link, number("d") == dir);
      return 0;
    });
  });
}

LM_CASE(
    identity, maps_show_the_number_of_the_file,
    .claim =
        "/proc/self/maps shows a mapped lower file under its inode number, before and after its first change",
    .source = "properties 103; fo:mmap; ovl/070") {
  t.Given({Layer().File("f", std::string(8192, 'x'))});
  t.When([](Ops& fs) {
    for (const int flags : {O_RDONLY, O_RDWR}) {
      fs.Open("h", "f", flags);
      fs.Do("the number in maps", [&](std::string& seen) {
        struct stat st = {};
        if (fstat(fs.fd("h"), &st) != 0) return errno;
        void* map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fs.fd("h"), 0);
        if (map == MAP_FAILED) return errno;
        const std::string start = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(map));
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);) {
          if (!line.starts_with(start)) continue;
          char range[64], rights[8], offset[32], device[32];
          unsigned long inode = 0;
          if (sscanf(line.c_str(), "%63s %7s %31s %31s %lu", range, rights, offset, device, &inode) == 5)
            seen = inode == st.st_ino ? "that of fstat" : "another";
        }
        munmap(map, 4096);
        return 0;
      });
      fs.Close("h");
    }
  });
}

LM_CASE(identity, statfs_tells_the_room_of_the_backing,
        .claim =
            "statfs of the mount, of a lower file and of a new one agree, and tell blocks and sizes of the "
            "backing",
        .source = "properties 104; peer-checks C63") {
  if (t.instance().driver->behind_a_daemon())
    return t.Skip("not_applicable", "a daemon keeps the snapshots, and not on the run's backing");
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Create("new", "x");
    struct statfs root = {};
    fs.Do("statfs", [&](std::string& seen) {
      if (fstatfs(fs.root_fd(), &root) != 0) return errno;
      seen = fmt::format("{} blocks of {}", root.f_blocks, root.f_bsize);
      return 0;
    });
    for (const char* name : {"f", "new", "d"}) {
      fs.Do(std::string("statfs of ") + name, [&](std::string& seen) {
        const int fd = openat(fs.root_fd(), name, O_RDONLY | O_CLOEXEC);
        struct statfs st = {};
        const int error = fstatfs(fd, &st) == 0 ? 0 : errno;
        close(fd);
        seen = st.f_type == root.f_type && st.f_blocks == root.f_blocks ? "as the root" : "another";
        return error;
      });
    }
  });
}

LM_CASE(identity, links_of_directories,
        .claim = "the link count of a directory is 1, or 2 and its subdirectories, before and after changes",
        .source = "properties 106; fo:dir-ops") {
  t.Given({Base(), Layer().Dir("d/u").Dir("d/v").Remove("e/only")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  const auto look = [&](const std::string& when) {
    Result<Manifest> tree = ReadManifest(snapshot->root_fd());
    if (!t.Ok(tree, "reading")) return;
    std::map<std::string, nlink_t> children;
    for (const auto& [path, entry] : tree->entries) {
      if (entry.type != FileType::kDirectory || path.empty()) continue;
      const size_t slash = path.rfind('/');
      ++children[slash == std::string::npos ? "" : path.substr(0, slash)];
    }
    for (const auto& [path, entry] : tree->entries) {
      if (entry.type != FileType::kDirectory) continue;
      t.Check(entry.nlink == 1 || entry.nlink == 2 + children[path],
              fmt::format("{}: \"{}\" has {} links and {} subdirectories", when, path, entry.nlink,
                          children[path]));
    }
  };
  look("at first");
  t.Ok(ApplyLayer(Layer().Dir("d/w").Dir("d/w/x").Remove("d/u").Dir("e/y").RemoveAll("d/s"),
                  snapshot->root_fd()),
       "a change");
  look("after a change");
}

}  // namespace layermark
