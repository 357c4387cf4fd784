// Area copy_up: the first change of what a lower layer brought.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/support/case.h"

namespace layermark {
namespace {

// One object of each kind with every attribute that a copy must keep.
const Layer kObjects = Layer()
                           .Dir("d", 0750)
                           .Chown("d", 11, 22)
                           .SetXattr("d", "user.dir", "dir value")
                           .File("d/f", "content of the lower file", 0640)
                           .Chown("d/f", 33, 44)
                           .SetXattr("d/f", "user.file", std::string("binary\0value", 12))
                           .Symlink("d/link", "f")
                           .Chown("d/link", 55, 66)
                           .Fifo("d/pipe", 0604)
                           .Times("d/f", 111'000'000'123, 222'000'000'456)
                           .Times("d/link", 333'000'000'321, 444'000'000'654)
                           .Times("d/pipe", 1'000'000'001, 2'000'000'002)
                           .Times("d", 555'000'000'777, 666'000'000'888);

}  // namespace

LM_CASE(copy_up, first_write_keeps_the_rest,
        .claim = "changing one byte of a lower file keeps every other byte and every attribute but the times",
        .source = "properties 71; properties 81; um:open-plain") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Overwrite("d/f", 3, "X");
    fs.Read("d/f");
    fs.Stat("d/f");
    fs.GetXattr("d/f", "user.file");
  });
}

LM_CASE(copy_up, append_keeps_the_start, .claim = "appending to a lower file keeps what was there",
        .source = "properties 71; um:open-append") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Append("d/f", " and more");
    fs.Read("d/f");
  });
}

LM_CASE(copy_up, open_truncate_empties,
        .claim = "opening a lower file with O_TRUNC empties it for this snapshot alone",
        .source = "properties 72; um:open-trunc") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Open("h", "d/f", O_WRONLY | O_TRUNC);
    fs.FStat("h");
    fs.Close("h");
    fs.Read("d/f");
  });
}

LM_CASE(copy_up, truncate_to_every_length,
        .claim = "truncating a lower file shorter, longer, and to its own length",
        .source = "properties 73; um:truncate") {
  t.Given({kObjects, Layer().File("g", "0123456789").File("h", "0123456789")});
  t.When([](Ops& fs) {
    fs.Truncate("d/f", 4);
    fs.Truncate("g", 20);
    fs.Truncate("h", 10);
    fs.Read("d/f");
    fs.Read("g");
    fs.Read("h");
  });
}

LM_CASE(copy_up, chmod_keeps_content,
        .claim = "chmod of a lower file and directory changes the mode and nothing else",
        .source = "properties 73; properties 84; ovl/004; ovl/060") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Chmod("d/f", 0600);
    fs.Chmod("d", 0711);
    fs.Chmod("d/pipe", 0600);
    fs.Read("d/f");
    fs.StatTimes("d/f");
    fs.StatTimes("d");
    fs.StatTimes("d/pipe");
  });
}

LM_CASE(copy_up, chown_keeps_content,
        .claim = "chown of a lower file, directory and symlink changes the owner and nothing else",
        .source = "properties 73; properties 91") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Chown("d/f", 1000, 1001);
    fs.Chown("d/link", 1002, -1);
    fs.Chown("d", -1, 1003);
    fs.Read("d/f");
    fs.ReadLink("d/link");
    fs.StatTimes("d/f");
    fs.StatTimes("d/link");
    fs.StatTimes("d");
  });
}

LM_CASE(copy_up, set_id_bits_go_with_chown,
        .claim = "chown of a lower set-id file clears the set-id bits as anywhere",
        .source = "properties 90") {
  t.Given({Layer().File("s", "x", 06755).File("g", "x", 02755)});
  t.When([](Ops& fs) {
    fs.Chown("s", 1, 1);
    fs.Stat("s");
    fs.Append("g", "y");
    fs.Stat("g");
  });
}

LM_CASE(copy_up, set_id_bits_go_with_a_users_write,
        .claim = "a write by a user without privilege clears the set-id bits of a lower file",
        .source = "properties 90; generic/673") {
  t.Given({Layer().File("s", "x", 06777)});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1000, [&] { fs.Append("s", "y"); });
    fs.Stat("s");
  });
}

LM_CASE(copy_up, times_are_set_to_the_nanosecond,
        .claim = "utimensat on lower objects keeps nanoseconds, OMIT keeps the other time",
        .source = "properties 84; properties 87; pjd:utimensat") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Utimens("d/f", UTIME_OMIT, 777'000'000'999);
    fs.StatTimes("d/f");
    fs.Utimens("d/link", 1, 888'000'000'111);
    fs.StatTimes("d/link");
    fs.Utimens("d/pipe", 5'000'000'005, UTIME_OMIT);
    fs.StatTimes("d/pipe");
    fs.Utimens("d", 1, 999'000'000'001);
    fs.StatTimes("d");
  });
}

LM_CASE(copy_up, setxattr_keeps_the_other_attributes,
        .claim = "setting one attribute of a lower object keeps the others and the content",
        .source = "properties 93; ovl/011", .needs = {Capability::xattr_user}) {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.SetXattr("d/f", "user.new", "1");
    fs.SetXattr("d", "user.new", "2");
    fs.ListXattr("d/f");
    fs.ListXattr("d");
    fs.Read("d/f");
    fs.RemoveXattr("d/f", "user.file");
    fs.ListXattr("d/f");
  });
}

LM_CASE(copy_up, every_size_is_copied_whole,
        .claim = "files of 0, 1, 4095, 4096, 4097 bytes and 1 MiB + 1 keep their content",
        .source = "properties 81; ovl/001") {
  Layer layer;
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, (size_t{1} << 20) + 1}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>((i * 2654435761U) >> 13);
    layer.File(fmt::format("f{}", size), data);
  }
  t.Given({layer});
  t.When([](Ops& fs) {
    for (const char* name : {"f0", "f1", "f4095", "f4096", "f4097", "f1048577"}) {
      fs.Append(name, "!");
      fs.Checksum(name);
    }
  });
}

LM_CASE(copy_up, sparse_file_stays_sparse,
        .claim = "a lower file that is mostly hole does not become dense when it is changed",
        .source = "properties 82; ovl/066", .needs = {Capability::seek_hole}) {
  t.Given({Layer().Sparse("s", int64_t{64} << 20, int64_t{32} << 20, "island")});
  // Sparse, not hole for hole: copying may work in pieces of a MiB.
  WhenOptions options;
  options.compare.hole_tolerance_bytes = 4 << 20;
  t.When(
      [](Ops& fs) {
        fs.Overwrite("s", 0, "head");
        fs.Stat("s");
        fs.Checksum("s");
      },
      options);
}

LM_CASE(copy_up, parent_directories_keep_their_times,
        .claim = "changing a file does not touch the times or mode of the directories above it",
        .source = "properties 86; no peer") {
  t.Given({Layer().Dir("a", 0701).Dir("a/b", 0702).Dir("a/b/c", 0703).File("a/b/c/f", "x")});
  t.When([](Ops& fs) {
    fs.Append("a/b/c/f", "y");
    fs.Chmod("a/b/c/f", 0600);
    for (const char* path : {"a", "a/b", "a/b/c"}) {
      fs.StatTimes(path);
      fs.Stat(path);
    }
  });
}

LM_CASE(copy_up, parents_of_many_levels_come_along,
        .claim = "a file twenty directories deep can be changed, and every directory keeps its attributes",
        .source = "L32") {
  Layer layer;
  std::string path;
  for (int i = 0; i < 20; ++i) {
    path += (i == 0 ? "" : "/") + fmt::format("d{}", i);
    layer.Dir(path, static_cast<mode_t>(0700 + i));
    layer.Chown(path, static_cast<uid_t>(i), static_cast<gid_t>(i + 1));
  }
  layer.File(path + "/f", "deep");
  t.Given({layer});
  t.When([path](Ops& fs) {
    fs.Append(path + "/f", "er");
    fs.Create(path + "/g", "new");
    fs.Read(path + "/f");
  });
}

LM_CASE(
    copy_up, reading_does_not_copy,
    .claim =
        "reading, stat, access, O_PATH, opendir, getxattr and a private mapping leave the upper layer empty",
    .source = "properties 70; um check_copy_up; ovl/021", .needs = {Capability::upper_visible}) {
  t.Given({kObjects});
  MountedSnapshot* snapshot = t.PrepareOnGiven("active");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  fs.Read("d/f");
  fs.Stat("d/f");
  fs.Access("d/f", W_OK);
  fs.Open("path", "d/f", O_PATH);
  fs.List("d");
  fs.GetXattr("d/f", "user.file");
  fs.ReadLink("d/link");
  fs.Open("h", "d/f", O_RDONLY);
  fs.FSync("h");
  fs.Do("mmap private", [&](std::string&) {
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fs.fd("h"), 0);
    if (p == MAP_FAILED) return errno;
    *static_cast<char*>(p) = 'x';
    munmap(p, 4096);
    return 0;
  });
  for (const Observation& o : fs.log()) t.Equal(0, o.error, o.step);
  Result<std::vector<std::string>> names = ListDir(AT_FDCWD, snapshot->upper());
  if (t.Ok(names, "listing the upper directory"))
    t.Equal(size_t{0}, names->size(), "entries in the upper directory");
}

LM_CASE(
    copy_up, open_for_write_copies_just_that_file,
    .claim =
        "opening one lower file for writing brings it and its parents into the upper layer, and no sibling",
    .source = "properties 71", .needs = {Capability::upper_visible}) {
  t.Given({Layer().Dir("a").Dir("a/b").File("a/b/f", "x").File("a/b/g", "x").File("a/h", "x").Dir("c")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("active");
  if (snapshot == nullptr) return;
  Ops fs(snapshot->root_fd());
  fs.Open("h", "a/b/f", O_WRONLY);
  fs.Close("h");
  Result<Manifest> upper = ReadManifest(snapshot->upper());
  if (!t.Ok(upper, "reading the upper directory")) return;
  std::string names;
  for (const auto& [path, entry] : upper->entries) names += path + ";";
  t.Equal(std::string(";a;a/b;a/b/f;"), names, "what the upper directory holds");
}

LM_CASE(copy_up, a_readers_descriptor_sees_later_writes,
        .claim = "a descriptor opened for reading before the first write sees what is written later",
        .source = "properties 108; ovl/016; peer bug 9; moby 12327") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Open("r", "d/f", O_RDONLY);
    fs.PRead("r", 0, 7);
    fs.Overwrite("d/f", 0, "CHANGED");
    fs.PRead("r", 0, 7);
    fs.FStat("r");
  });
}

LM_CASE(
    copy_up, fchmod_on_a_readers_descriptor,
    .claim =
        "fchmod and fchown through a descriptor opened before copy-up change the snapshot and not the layer",
    .source = "properties 110; no peer") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Open("r", "d/f", O_RDONLY);
    fs.FChmod("r", 0604);
    fs.FChown("r", 77, 88);
    fs.FStat("r");
    fs.Stat("d/f");
  });
}

LM_CASE(copy_up, shared_mapping_for_write,
        .claim = "writing through a shared mapping of a lower file reaches the snapshot alone",
        .source = "properties 78; ovl/061") {
  t.Given({Layer().File("f", std::string(8192, 'a'))});
  t.When([](Ops& fs) {
    fs.Open("h", "f", O_RDWR);
    fs.Do("mmap shared write", [&](std::string&) {
      void* p = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fs.fd("h"), 0);
      if (p == MAP_FAILED) return errno;
      static_cast<char*>(p)[5000] = 'b';
      const int error = msync(p, 8192, MS_SYNC) != 0 ? errno : 0;
      munmap(p, 8192);
      return error;
    });
    fs.Close("h");
    fs.Checksum("f");
  });
}

LM_CASE(copy_up, punch_and_allocate_on_a_lower_file,
        .claim = "fallocate with punch and zero on a lower file works on the snapshot's copy",
        .source = "properties 130", .needs = {Capability::fallocate}) {
  t.Given({Layer().File("f", std::string(65536, 'a')).File("g", std::string(65536, 'b'))});
  t.When([](Ops& fs) {
    fs.Open("f", "f", O_RDWR);
    fs.FAllocate("f", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192);
    fs.Open("g", "g", O_RDWR);
    fs.FAllocate("g", 0, 65536, 4096);
    fs.FStat("g");
    fs.Checksum("f");
    fs.Checksum("g");
  });
}

LM_CASE(copy_up, inode_number_stays,
        .claim = "st_ino of a lower file is the same before and after its first change",
        .source = "properties 100; ovl/017", .needs = {Capability::constant_inode}) {
  t.Given({kObjects});
  MountedSnapshot* snapshot = t.PrepareOnGiven("active");
  if (snapshot == nullptr) return;
  struct stat before {};
  struct stat after {};
  t.Check(fstatat(snapshot->root_fd(), "d/f", &before, 0) == 0, "stat before");
  Ops fs(snapshot->root_fd());
  t.Equal(0, fs.Append("d/f", "x"), "append");
  t.Check(fstatat(snapshot->root_fd(), "d/f", &after, 0) == 0, "stat after");
  t.Equal(static_cast<uint64_t>(before.st_ino), static_cast<uint64_t>(after.st_ino), "st_ino");
}

LM_CASE(copy_up, empty_and_large_attributes,
        .claim = "an empty value and a value of 2000 bytes survive the first change",
        .source = "properties 93; fo:xattr", .needs = {Capability::xattr_user}) {
  t.Given({Layer()
               .File("f", "x")
               .SetXattr("f", "user.empty", "")
               .SetXattr("f", "user.large", std::string(2000, 'v'))});
  t.When([](Ops& fs) {
    fs.Append("f", "y");
    fs.GetXattr("f", "user.empty");
    fs.GetXattr("f", "user.large");
  });
}

LM_CASE(copy_up, file_capability_stays_on_chmod,
        .claim = "a file capability survives a chmod of the lower file",
        .source = "properties 89; L16; ovl/064", .needs = {Capability::xattr_security}) {
  const std::string cap("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                        20);
  t.Given({Layer().File("ping", "program", 0755).SetXattr("ping", "security.capability", cap)});
  t.When([](Ops& fs) {
    fs.Chmod("ping", 0711);
    fs.GetXattr("ping", "security.capability");
  });
}

LM_CASE(copy_up, a_write_drops_the_file_capability,
        .claim = "writing to a lower file with a capability drops the capability",
        .source = "properties 89; ovl/064", .needs = {Capability::xattr_security}) {
  const std::string cap("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                        20);
  t.Given({Layer().File("ping", "program", 0777).SetXattr("ping", "security.capability", cap)});
  t.When([](Ops& fs) {
    fs.AsUser(1000, 1000, [&] { fs.Append("ping", "x"); });
    fs.GetXattr("ping", "security.capability");
    fs.Read("ping");
  });
}

LM_CASE(copy_up, exclusive_create_over_a_lower_name,
        .claim = "O_EXCL, mkdir, symlink, mknod and link over a lower name are EEXIST and copy nothing",
        .source = "properties 8; um:open-creat-excl; pjd:open/22") {
  t.Given({kObjects});
  t.When([](Ops& fs) {
    fs.Create("d/f", "x");
    fs.Mkdir("d/f");
    fs.Symlink("x", "d/f");
    fs.Mknod("d/f", S_IFIFO | 0644);
    fs.Link("d/pipe", "d/f");
    fs.Mkdir("d");
    fs.Read("d/f");
  });
}

}  // namespace layermark
