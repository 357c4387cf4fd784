// Cases of several areas about what happens on the mount: ranges that no page or block holds alone, and what
// an operation leaves as it was. Each looks again after the next mount, and after commit.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>

#include "conformance/support/case.h"

namespace layermark {
namespace {

constexpr int64_t kThen = 1'300'000'000'987'654'321;

std::string Noise(size_t bytes) {
  std::string text(bytes, 0);
  uint32_t state = static_cast<uint32_t>(bytes) * 2654435761U + 7;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(1 + (state >> 24) % 255);
  }
  return text;
}

// One object of each type by the bare calls, so that the umask holds.
void MakeOneOfEach(Ops& fs, const std::string& where, const std::string& end) {
  const auto make = [&](const std::string& name, const std::function<int(const char*)>& call) {
    fs.Do(fmt::format("make({})", where + name + end),
          [&](std::string&) { return call((where + name + end).c_str()) == 0 ? 0 : errno; });
  };
  const int root = fs.root_fd();
  make("f", [root](const char* path) {
    const int fd = openat(root, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : close(fd);
  });
  make("d", [root](const char* path) { return mkdirat(root, path, 0777); });
  make("l", [root](const char* path) { return symlinkat("x", root, path); });
  make("p", [root](const char* path) { return mkfifoat(root, path, 0666); });
  make("s", [root](const char* path) { return mknodat(root, path, S_IFSOCK | 0777, 0); });
}

void Look(Ops& fs, const std::string& path) {
  fs.Stat(path);
  fs.StatTimes(path);
  fs.ListXattr(path);
}

}  // namespace

LM_CASE(copy_up, writes_across_page_boundaries,
        .claim = "a write that begins and ends within pages changes its own bytes and no others",
        .source = "properties 71; properties 81; properties 116") {
  Layer layer;
  for (int i = 0; i < 12; ++i) layer.File(fmt::format("f{}", i), Noise(20000));
  t.Given({layer});
  t.When([](Ops& fs) {
    int i = 0;
    for (const auto& [offset, bytes] : {std::pair<int64_t, size_t>{4095, 2},
                                        {4090, 12},
                                        {1, 5000},
                                        {4097, 8190},
                                        {8191, 4098},
                                        {100, 16000},
                                        {4096, 4096},
                                        {4095, 1},
                                        {4096, 1},
                                        {19999, 2},
                                        {20000, 5000},
                                        {25000, 3}}) {
      const std::string path = fmt::format("f{}", i++);
      fs.Overwrite(path, offset, std::string(bytes, 'w'));
      fs.Read(path);
      fs.Overwrite(path, offset + 1, "again");
      fs.Checksum(path);
    }
    fs.Create("new", Noise(10000));
    fs.Overwrite("new", 3000, std::string(3000, 'w'));
    fs.Read("new");
  });
}

LM_CASE(
    copy_up, first_write_far_into_a_file,
    .claim = "the first write to a lower file is there wherever it goes: beyond 64 KiB, 1 MiB and the end",
    .source = "properties 71; properties 81") {
  constexpr std::array<int64_t, 9> kOffsets = {65535,   65536,   65537,   131072, 262143,
                                               1048575, 1048576, 1500001, 2000000};
  Layer layer;
  for (size_t i = 0; i < kOffsets.size(); ++i) layer.File(fmt::format("f{}", i), Noise(1600000));
  t.Given({layer});
  WhenOptions options;
  if (!t.Has(Capability::seek_hole))
    options.compare.hole_tolerance_bytes = -1;  // where the hole is cannot be seen
  t.When(
      [&](Ops& fs) {
        for (size_t i = 0; i < kOffsets.size(); ++i) {
          const std::string path = fmt::format("f{}", i);
          fs.Open(path, path, O_RDWR);
          fs.PWrite(path, kOffsets[i], "written");
          fs.PRead(path, kOffsets[i] - 20, 40);
          fs.PRead(path, 1048570, 20);
          fs.PRead(path, 1599990, 20);
          fs.Close(path);
          fs.Checksum(path);
        }
      },
      options);
}

LM_CASE(copy_up, data_beyond_4_gib, .claim = "offsets beyond 2 and 4 GiB are offsets of their own",
        .source = "properties 81; ovl/001; continuity 114") {
  t.Given({Layer().File("lower", "lower")});
  t.When([](Ops& fs) {
    fs.Create("new", "new");
    for (const char* path : {"lower", "new"}) {
      fs.Open(path, path, O_RDWR);
      for (const int shift : {31, 32, 33}) fs.PWrite(path, (int64_t{1} << shift) + 5, "far");
      for (const int shift : {31, 32, 33}) {
        fs.PRead(path, (int64_t{1} << shift), 20);
        fs.PRead(path, (int64_t{1} << shift) + 4090, 20);
      }
      fs.PRead(path, 0, 20);
      fs.FStat(path);
      fs.FTruncate(path, (int64_t{1} << 32) + 6);
      fs.PRead(path, (int64_t{1} << 32), 20);
      fs.FStat(path);
      fs.Close(path);
      fs.Unlink(path);  // comparing whole trees would read all of it
    }
  });
}

LM_CASE(copy_up, appends_at_block_boundaries,
        .claim = "an append goes to the end of a lower file, whether that lies on a page or beside it",
        .source = "properties 116; um:open-append") {
  constexpr std::array<size_t, 10> kSizes = {0, 1, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 1 << 20};
  Layer layer;
  for (const size_t bytes : kSizes) layer.File(fmt::format("f{}", bytes), Noise(bytes));
  t.Given({layer});
  t.When([&](Ops& fs) {
    for (const size_t bytes : kSizes) {
      const std::string path = fmt::format("f{}", bytes);
      fs.Append(path, "+");
      fs.Append(path, std::string(4096, '-'));
      fs.Append(path, std::string(5000, '='));
      fs.Stat(path);
      fs.Checksum(path);
    }
  });
}

LM_CASE(copy_up, truncate_in_all_ways,
        .claim =
            "truncate to nothing, to less, to more and to the same sets size and mtime, and what is added is "
            "zero",
        .source = "properties 73; properties 84; um:truncate") {
  constexpr std::array<int64_t, 8> kSizes = {0, 1, 4095, 4096, 5000, 5001, 9000, 70000};
  Layer layer;
  for (const int64_t bytes : kSizes) {
    for (const char* how : {"path", "descriptor"}) {
      const std::string path = fmt::format("{}{}", how, bytes);
      layer.File(path, Noise(5000)).Times(path, kThen, kThen);
    }
  }
  t.Given({layer});
  t.When([&](Ops& fs) {
    for (const int64_t bytes : kSizes) {
      const std::string path = fmt::format("path{}", bytes), other = fmt::format("descriptor{}", bytes);
      fs.Truncate(path, bytes);
      fs.Open(other, other, O_RDWR);
      fs.FTruncate(other, bytes);
      fs.FStat(other);
      fs.PRead(other, 4000, 2000);
      fs.Close(other);
      for (const std::string& name : {path, other}) {
        fs.Stat(name);
        fs.StatTimes(name);
        fs.Checksum(name);
      }
    }
  });
}

LM_CASE(copy_up, holes_and_zeros_that_no_block_holds,
        .claim = "punching, zeroing and allocating a range changes the bytes of the range and no others",
        .source = "properties 130; generic/009", .needs = {Capability::fallocate}) {
  Layer layer;
  for (const char* how : {"punch", "zero", "zero_keep", "allocate", "allocate_keep"}) {
    for (int i = 0; i < 6; ++i) layer.File(fmt::format("{}{}", how, i), Noise(20000));
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    const std::array<std::pair<const char*, int>, 5> kWays = {
        {{"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
         {"zero", FALLOC_FL_ZERO_RANGE},
         {"zero_keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
         {"allocate", 0},
         {"allocate_keep", FALLOC_FL_KEEP_SIZE}}};
    const std::array<std::pair<int64_t, int64_t>, 6> kRanges = {
        {{100, 50}, {4000, 200}, {4095, 8194}, {4096, 4096}, {19000, 1000}, {19990, 5000}}};
    for (const auto& [how, mode] : kWays) {
      for (size_t i = 0; i < kRanges.size(); ++i) {
        const std::string path = fmt::format("{}{}", how, i);
        fs.Open(path, path, O_RDWR);
        fs.FAllocate(path, mode, kRanges[i].first, kRanges[i].second);
        fs.FStat(path);
        fs.PRead(path, kRanges[i].first - 2, 8);
        fs.PRead(path, kRanges[i].first + kRanges[i].second - 6, 10);
        fs.Close(path);
        fs.Checksum(path);
      }
    }
  });
}

LM_CASE(rename, leaves_the_object_as_it_was,
        .claim =
            "a renamed object keeps mode, owner, times and attributes, of every type, in its directory and "
            "beyond",
        .source = "properties 42; properties 84; um:rename-file", .needs = {Capability::xattr_user}) {
  Layer layer;
  layer.Dir("to");
  for (const char* where : {"near", "far"}) {
    const std::string file = fmt::format("file.{}", where), set = fmt::format("set.{}", where);
    layer.File(file, "x", 0640)
        .Chown(file, 70000, 5)
        .SetXattr(file, "user.a", "1")
        .SetXattr(file, "user.b", "2");
    layer.Times(file, kThen, kThen)
        .File(set, "x")
        .Chown(set, 7, 8)
        .Chmod(set, 06755)
        .Times(set, kThen, kThen);
    for (const std::string type : {"link", "fifo"}) {
      const std::string path = fmt::format("{}.{}", type, where);
      type == "link" ? layer.Symlink(path, "x") : layer.Fifo(path, 0611);
      layer.Chown(path, 9, 10).Times(path, kThen, kThen);
    }
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    for (const std::string type : {"file", "set"}) {
      fs.Rename(type + ".near", type + ".renamed");
      fs.Rename(type + ".far", "to/" + type);
      Look(fs, type + ".renamed");
      Look(fs, "to/" + type);
    }
  });
}

LM_CASE(rename, onto_a_symlink,
        .claim = "what is renamed onto a symlink takes its place and leaves its target alone",
        .source = "properties 42; um:rename-sym; C64") {
  t.Given({Layer()
               .File("f", "f")
               .File("g", "g")
               .File("target", "target")
               .Symlink("l", "target")
               .Symlink("l2", "target")
               .Symlink("dangling", "nowhere")
               .File("h", "h")});
  t.When([](Ops& fs) {
    fs.Rename("f", "l");
    fs.Rename("g", "l2");
    fs.Rename("h", "dangling");
    for (const char* path : {"l", "l2", "dangling", "target", "nowhere", "f"}) {
      fs.Stat(path);
      fs.Read(path);
    }
    fs.List("");
  });
}

LM_CASE(hardlink, making_and_removing_names_leaves_the_file,
        .claim = "a new name and a name less change no mode, owner or mtime of a lower file",
        .source = "properties 64; properties 63; um:hard-link") {
  t.Given({Layer()
               .File("one", "1")
               .Chown("one", 1000, 1000)
               .Chmod("one", 06755)
               .Times("one", kThen, kThen)
               .File("two", "2")
               .Times("two", kThen, kThen)
               .Dir("d")});
  t.When([](Ops& fs) {
    fs.Link("one", "d/one");
    fs.Link("two", "two2");
    fs.Unlink("two2");
    for (const char* path : {"one", "d/one", "two"}) Look(fs, path);
    fs.Unlink("one");
    Look(fs, "d/one");
    fs.StatLinks("d/one");
    fs.Create("new", "x");
    fs.Link("new", "new2");
    fs.Link("new", "d/new3");
    fs.StatLinks("new");
    fs.Unlink("new");
    fs.StatLinks("new2");
    fs.Unlink("d/new3");
    fs.StatLinks("new2");
  });
}

LM_CASE(metadata, set_id_bits_fall_with_a_new_owner,
        .claim = "chown clears set-ID bits of files, as on any file system, and leaves directories'",
        .source = "properties 90; L16; pjd:chown") {
  Layer layer;
  for (const mode_t mode : {04755, 02755, 02644, 06711, 01777}) {
    layer.File(fmt::format("f{:04o}", mode), "x", mode).Dir(fmt::format("d{:04o}", mode), mode);
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    for (const mode_t mode : {04755, 02755, 02644, 06711, 01777}) {
      for (const char type : {'f', 'd'}) {
        const std::string path = fmt::format("{}{:04o}", type, mode);
        fs.Chown(path, 100000, 70000);
        fs.Stat(path);
        fs.Chmod(path, mode);
        fs.Chown(path, -1, 5);
        fs.Stat(path);
        fs.Chmod(path, mode | 02000);
        fs.Stat(path);
      }
    }
  });
}

LM_CASE(metadata, what_is_made_has_its_makers_mode,
        .claim =
            "the umask and the maker's user and group hold for objects of every type, in set-group-ID "
            "directories too, and where something was removed",
        .source = "properties 91; properties 30; pjd:mkdir; pjd:mkfifo") {
  t.Given({Layer()
               .Dir("open", 0777)
               .Chmod("open", 01777)
               .Dir("group")
               .Chown("group", 0, 500)
               .Chmod("group", 02777)
               .File("open/f077", "old", 0751)
               .File("group/f022", "old", 04711)
               .Dir("group/d022", 0700)});
  t.When([](Ops& fs) {
    for (const char* path : {"open/f077", "group/f022"}) fs.Unlink(path);
    fs.Rmdir("group/d022");
    for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{077}}) {
      const mode_t before = umask(mask);
      fs.AsUser(1000, 1001, [&] {
        for (const char* where : {"open", "group"})
          MakeOneOfEach(fs, fmt::format("{}/", where), fmt::format("{:03o}", mask));
      });
      umask(before);
    }
    for (const char* mask : {"000", "022", "077"}) {
      for (const char* where : {"open", "group"}) {
        for (const char type : {'f', 'd', 'l', 'p', 's'}) fs.Stat(fmt::format("{}/{}{}", where, type, mask));
      }
    }
  });
}

LM_CASE(metadata, times_that_are_set_on_the_mount,
        .claim = "times before 1970, after 2038 and to the nanosecond can be set on lower and new objects",
        .source = "properties 84; properties 87; generic/258") {
  constexpr std::array<int64_t, 6> kTimes = {
      -1'500'000'000'000'000'001, -1, 1, 2'147'483'647'999'999'999, 2'147'483'648'000'000'001,
      4'294'967'296'000'001'000};
  Layer layer;
  for (size_t i = 0; i < kTimes.size(); ++i)
    layer.File(fmt::format("f{}", i), "x").Dir(fmt::format("d{}", i));
  t.Given({layer});
  t.When([&](Ops& fs) {
    for (size_t i = 0; i < kTimes.size(); ++i) {
      fs.Create(fmt::format("n{}", i), "x");
      for (const char type : {'f', 'd', 'n'}) {
        const std::string path = fmt::format("{}{}", type, i);
        fs.Utimens(path, kTimes[i], kTimes[i]);
        fs.StatTimes(path);
      }
    }
  });
}

LM_CASE(special, devices_made_on_the_mount,
        .claim = "block and character devices made on the mount are what was asked for, numbers and mode",
        .source = "properties 97; pjd:mknod", .needs = {Capability::priv_mknod}) {
  t.Given({Layer().Dir("d")});
  t.When([](Ops& fs) {
    for (const auto& [major, minor] :
         {std::pair{1U, 3U}, {8U, 256U}, {8U, 65537U}, {255U, 255U}, {256U, 0U}}) {
      for (const mode_t type : {mode_t{S_IFCHR}, mode_t{S_IFBLK}}) {
        const std::string path = fmt::format("d/{}.{}.{}", type == S_IFCHR ? 'c' : 'b', major, minor);
        fs.Mknod(path, type | 0640, makedev(major, minor));
        fs.Stat(path);
      }
    }
    fs.List("d");
  });
}

LM_CASE(xattr, setting_and_removing_leaves_the_rest,
        .claim =
            "setting or removing an attribute changes that one alone, and no mtime, of files and directories",
        .source = "properties 93; properties 73; C65", .needs = {Capability::xattr_user}) {
  Layer layer;
  layer.File("f", "x").Dir("d").File("g", "x").Dir("e");
  for (const char* path : {"f", "d", "g", "e"}) {
    for (const char* name : {"user.a", "user.b", "user.c"}) layer.SetXattr(path, name, name);
    layer.Times(path, kThen, kThen);
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    for (const char* path : {"f", "d"}) {
      fs.SetXattr(path, "user.long", std::string(2500, 'l'));
      fs.SetXattr(path, "user.b", "another value");
      fs.SetXattr(path, "user.empty", "");
      fs.GetXattr(path, "user.long");
      Look(fs, path);
    }
    for (const char* path : {"g", "e"}) {
      fs.RemoveXattr(path, "user.b");
      fs.RemoveXattr(path, "user.b");
      fs.GetXattr(path, "user.b");
      fs.GetXattr(path, "user.a");
      Look(fs, path);
    }
  });
}

LM_CASE(readdir, names_of_every_kind_are_listed,
        .claim = "hidden names, long names, odd names and names of every type are listed, with their types",
        .source = "properties 5; properties 13; properties 19") {
  Layer layer;
  layer.Dir("d")
      .Dir("many")
      .File("d/.hidden", "x")
      .File("d/..a", "x")
      .File("d/ends in a space ", "x")
      .Fifo("d/fifo");
  layer.Mknod("d/socket", S_IFSOCK | 0644).Symlink("d/link", "x").Dir("d/dir").File("d/new\nline", "x");
  layer.File("d/\xff\xfe", "x").File("d/UPPER", "x").File("d/lower", "x");
  for (const size_t bytes : {100, 200, 201, 240}) layer.File("d/" + std::string(bytes, 'n'), "x");
  for (int i = 0; i < 700; ++i) layer.File(fmt::format("many/entry{}", i), "");
  t.Given({layer});
  t.When([](Ops& fs) {
    fs.List("d");
    fs.Create("d/.new", "x");
    fs.Create("d/" + std::string(220, 'm'), "x");
    fs.Create("d/new ", "x");
    fs.Create("d/new", "y");
    fs.List("d");
    fs.List("many");
    for (const char* path : {"d/upper", "d/Lower", "d/NEW", "d/ends in a space", "d/new", "d/new "})
      fs.Stat(path);
  });
}

LM_CASE(
    descriptor, a_renamed_file_takes_what_is_written,
    .claim =
        "what is written through a descriptor after its file was renamed, replaced or moved is the file's",
    .source = "properties 113; properties 55") {
  t.Given({Layer().File("a", "aaaa").File("b", "bbbb").File("c", "cccc").Dir("d")});
  t.When([](Ops& fs) {
    for (const char* name : {"a", "b", "c"}) fs.Open(name, name, O_RDWR);
    fs.Rename("a", "a2");
    fs.PWrite("a", 0, "1");
    fs.Rename("b", "d/b");
    fs.PWrite("b", 3, "2");
    fs.Create("b", "new");
    fs.PWrite("b", 1, "3");
    fs.Rename("b", "c");
    fs.PWrite("c", 0, "4");
    fs.PRead("c", 0, 10);
    for (const char* name : {"a", "b", "c"}) fs.Close(name);
    for (const char* path : {"a2", "d/b", "c"}) fs.Read(path);
  });
}

LM_CASE(
    descriptor, a_removed_file_has_no_links,
    .claim = "an open file has a link less for each name that goes, and none when it is removed or replaced",
    .source = "properties 111; properties 55; generic/035") {
  t.Given({Layer().File("lower", "x").File("replaced", "x").File("other", "y")});
  t.When([](Ops& fs) {
    fs.Create("new", "x");
    fs.Link("new", "name");
    for (const char* name : {"lower", "new", "replaced"}) fs.Open(name, name, O_RDWR);
    fs.FStatLinks("new");
    fs.Unlink("name");
    fs.FStatLinks("new");
    fs.Unlink("new");
    fs.Unlink("lower");
    fs.PWrite("lower", 0, "written");
    fs.Rename("other", "replaced");
    for (const char* name : {"lower", "new", "replaced"}) {
      fs.FStatLinks(name);
      fs.Close(name);
    }
  });
}

LM_CASE(descriptor, readers_see_what_others_write,
        .claim = "descriptors opened for reading before and after the first change see every later one",
        .source = "properties 108; um:open-plain; moby 12327") {
  t.Given({Layer().File("f", Noise(6000)).File("g", "short")});
  t.When([](Ops& fs) {
    for (const char* path : {"f", "g"}) {
      const std::string early = std::string("early ") + path, late = std::string("late ") + path;
      fs.Open(early, path, O_RDONLY);
      fs.PRead(early, 0, 10);
      fs.Overwrite(path, 2, "changed");
      fs.Open(late, path, O_RDONLY);
      for (const std::string& handle : {early, late}) fs.PRead(handle, 0, 16);
      fs.Append(path, "and more");
      fs.Truncate(path, 9);
      for (const std::string& handle : {early, late}) {
        fs.PRead(handle, 0, 16);
        fs.FStat(handle);
        fs.Close(handle);
      }
    }
  });
}

LM_CASE(
    special, mounts_forbid_nothing,
    .claim =
        "the mounts of active snapshots and views forbid programs, set-ID bits and devices no more than a "
        "plain directory does",
    .source = "properties 128; rule 22; rule 27") {
  t.Given({Layer().File("program", "#!/bin/sh\n", 0755)});
  const auto forbidden = [](int root_fd) {
    struct statvfs status {};
    if (fstatvfs(root_fd, &status) != 0) return std::string(strerror(errno));
    return fmt::format("{}{}{}", status.f_flag & ST_NOEXEC ? "noexec " : "",
                       status.f_flag & ST_NOSUID ? "nosuid " : "", status.f_flag & ST_NODEV ? "nodev" : "");
  };
  t.When([&](Ops& fs) {
    fs.Do("forbidden", [&](std::string& seen) {
      seen = forbidden(fs.root_fd());
      return 0;
    });
  });
  Result<MountedSnapshot> view = t.subject().View("a view", t.given());
  Result<MountedSnapshot> active = t.subject().Prepare("active", t.given());
  if (!t.Ok(view, "view") || !t.Ok(active, "prepare")) return;
  t.Equal(forbidden(active->root_fd()), forbidden(view->root_fd()),
          "what a view forbids beside an active snapshot");
}

LM_CASE(keeps, names_as_long_as_statvfs_says,
        .claim = "names of as many bytes as statvfs says are kept, of files, directories and symlinks",
        .source = "properties 13; ovl/066") {
  Result<MountedSnapshot> probe = t.subject().Prepare("probe", "");
  struct statvfs status {};
  if (!t.Ok(probe, "prepare")) return;
  t.Check(fstatvfs(probe->root_fd(), &status) == 0, "statvfs");
  const size_t most = std::min<size_t>(status.f_namemax, 255);
  t.Check(most >= 243, fmt::format("statvfs says that names have {} bytes at most", status.f_namemax));
  if (t.ended()) return;
  Layer layer;
  for (size_t bytes = 243; bytes <= most; ++bytes) {
    const std::string rest(bytes - 1, 'n');
    layer.File("f" + rest, "x").Dir("d" + rest).Symlink("l" + rest, "x");
  }
  t.Given({layer, Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(metadata, data_takes_blocks,
        .claim = "a lower file with data tells of blocks, before and after its first change",
        .source = "properties 107; rule 19") {
  t.Given({Layer().File("f", Noise(70000)).File("g", Noise(5000))});
  t.When([](Ops& fs) {
    for (int round = 0; round < 2; ++round) {
      for (const char* path : {"f", "g"}) {
        fs.Do(fmt::format("blocks({})", path), [&](std::string& seen) {
          struct stat status {};
          if (fstatat(fs.root_fd(), path, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
          seen = status.st_blocks * 512 * 2 >= status.st_size ? "for its data" : "too few";
          return 0;
        });
      }
      fs.Chmod("f", 0600);
    }
  });
}

}  // namespace layermark
