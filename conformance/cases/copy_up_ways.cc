// Area copy_up: every way to a first change, changes that change nothing, and many at once.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "conformance/support/case.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .Dir("d", 0750)
      .File("d/f", "content of the lower file", 0640)
      .Chown("d/f", 33, 44)
      .File("g", std::string(20000, 'g'))
      .File("h", "h")
      .Symlink("l", "h")
      .Fifo("p")
      .Times("d/f", 111'000'000'123, 222'000'000'456);
}

// Opens the file that `handle` is open on once more.
int OpenAgain(Ops& fs, const std::string& handle, const std::string& again, int flags) {
  return fs.Do(fmt::format("open of /proc/self/fd of {}", handle), [&](std::string&) {
    const std::string path = fmt::format("/proc/self/fd/{}", fs.fd(handle));
    const int fd = open(path.c_str(), flags | O_CLOEXEC);
    if (fd < 0) return errno;
    const ssize_t n = (flags & O_ACCMODE) == O_RDONLY ? 0 : pwrite(fd, again.data(), again.size(), 2);
    const int error = n < 0 ? errno : 0;
    close(fd);
    return error;
  });
}

}  // namespace

LM_CASE(copy_up, a_reader_opened_again_through_proc,
        .claim =
            "a reader's descriptor opened again through /proc for writing, or truncating, changes the "
            "snapshot alone",
        .source = "properties 79; no peer") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Open("r", "d/f", O_RDONLY);
    OpenAgain(fs, "r", "XYZ", O_RDWR);
    fs.PRead("r", 0, 100);
    fs.Read("d/f");
    fs.Open("r2", "g", O_RDONLY);
    OpenAgain(fs, "r2", "123", O_WRONLY | O_TRUNC);
    fs.Stat("g");
    fs.Do("truncate through /proc", [&](std::string&) {
      return truncate(fmt::format("/proc/self/fd/{}", fs.fd("r")).c_str(), 4) == 0 ? 0 : errno;
    });
    fs.Read("d/f");
  });
}

LM_CASE(copy_up, a_running_program_is_not_written,
        .claim = "a program of a lower layer that runs cannot be opened for writing, and runs on",
        .source = "properties 80") {
  Result<std::string> program = ReadFile("/bin/sleep");
  if (!program.ok()) return t.Error(program.status().ToString());
  t.Given({Layer().File("sleep", *program, 0755).File("other", *program, 0755)});
  t.When([](Ops& fs) {
    const std::string path = fmt::format("/proc/{}/fd/{}/sleep", getpid(), fs.root_fd());
    Result<ChildProcess> child = ChildProcess::Spawn({path, "60"});
    fs.Do("start", [&](std::string&) { return child.ok() ? 0 : child.status().error_number(); });
    fs.Open("h", "sleep", O_RDWR);
    fs.Truncate("sleep", 10);
    fs.Open("h", "other", O_RDWR);
    fs.Close("h");
    fs.Do("still running", [&](std::string& seen) {
      if (!child.ok()) return ECHILD;
      Result<std::optional<ExitStatus>> ended = child->Poll();
      seen = ended.ok() && !ended->has_value() ? "yes" : "no";
      return 0;
    });
    if (child.ok()) {
      (void)child->Kill(SIGKILL);
      (void)child->Wait(std::chrono::seconds(5));
    }
    fs.Unlink("sleep");
  });
}

LM_CASE(copy_up, a_readers_mapping_sees_later_writes,
        .claim = "a shared mapping made for reading before the first write sees what is written later",
        .source = "properties 109; ovl/061") {
  t.Given({Layer().File("f", std::string(8192, 'a'))});
  t.When([](Ops& fs) {
    fs.Open("r", "f", O_RDONLY);
    void* map = nullptr;
    const auto first = [&](std::string& seen) {
      seen = std::string(static_cast<const char*>(map), 4);
      return 0;
    };
    fs.Do("mmap", [&](std::string&) {
      map = mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fs.fd("r"), 0);
      return map == MAP_FAILED ? errno : 0;
    });
    if (map == MAP_FAILED) return;
    fs.Do("the mapping", first);
    fs.Overwrite("f", 0, "BBBB");
    fs.Do("the mapping", first);
    munmap(map, 8192);
  });
}

LM_CASE(copy_up, changes_that_change_nothing,
        .claim =
            "chown to nobody, chmod to the same, utimens that omits both and removal of a missing attribute "
            "answer as "
            "anywhere and keep everything",
        .source = "properties 74; properties 87", .needs = {Capability::xattr_user}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Chown("d/f", -1, -1);
    fs.Chmod("d/f", 0640);
    fs.Utimens("d/f", UTIME_OMIT, UTIME_OMIT);
    fs.RemoveXattr("d/f", "user.none");
    fs.SetXattr("d/f", "user.none", "x", 2);
    fs.Rename("d/f", "d/f");
    fs.Chown("h", 0, 0);
    fs.Open("w", "h", O_RDWR);
    fs.Close("w");
    fs.StatTimes("d/f");
    fs.StatTimes("h");
    fs.Stat("d/f");
    fs.Stat("d");
  });
}

LM_CASE(copy_up, by_every_call,
        .claim =
            "each call that changes a lower object does so and keeps the rest: chmod, chown, times, link, "
            "rename, allocate",
        .source = "properties 73; peer-checks C59") {
  Layer layer = Layer().Dir("d");
  for (const char* name :
       {"chmod", "chown", "group", "utimens", "link", "rename", "write", "append", "truncate", "open"})
    layer.File(std::string("d/") + name, std::string(9000, *name), 0640)
        .Chown(std::string("d/") + name, 5, 6)
        .Times(std::string("d/") + name, 1'000'000'007, 2'000'000'009);
  t.Given({layer});
  t.When([](Ops& fs) {
    fs.Chmod("d/chmod", 0711);
    fs.Chown("d/chown", 7, -1);
    fs.Chown("d/group", -1, 8);
    fs.Utimens("d/utimens", 3'000'000'001, 4'000'000'002);
    fs.Link("d/link", "d/link2");
    fs.Rename("d/rename", "d/renamed");
    fs.Overwrite("d/write", 8999, "!!");
    fs.Append("d/append", "!");
    fs.Truncate("d/truncate", 3);
    fs.Open("h", "d/open", O_RDWR);
    fs.Close("h");
    for (const char* name : {"chmod", "chown", "group", "utimens", "link", "link2", "renamed", "write",
                             "append", "truncate", "open"}) {
      fs.Stat(std::string("d/") + name);
      fs.StatTimes(std::string("d/") + name);
    }
  });
}

LM_CASE(copy_up, many_writers_of_one_file,
        .claim =
            "eight threads that open one lower file for writing and write a byte each leave all eight bytes "
            "in one file",
        .source = "properties 147; ovl/021; fo:stress") {
  t.Given({Layer().File("f", std::string(50'000, '.'))});
  t.When([](Ops& fs) {
    fs.Do("eight writers", [&](std::string& seen) {
      std::vector<std::thread> threads;
      std::atomic<int> error{0};
      ino_t inodes[8] = {};
      for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
          const int fd = openat(fs.root_fd(), "f", O_RDWR | O_CLOEXEC);
          struct stat st = {};
          if (fd < 0 || pwrite(fd, "01234567" + i, 1, i * 5000) != 1 || fstat(fd, &st) != 0) error = errno;
          inodes[i] = st.st_ino;
          close(fd);
        });
      }
      for (std::thread& thread : threads) thread.join();
      seen = std::all_of(inodes, inodes + 8, [&](ino_t ino) { return ino == inodes[0]; }) ? "one inode"
                                                                                          : "several inodes";
      return error.load();
    });
    fs.Checksum("f");
    fs.Stat("f");
  });
}

LM_CASE(copy_up, two_names_at_once,
        .claim = "two names of a lower file that are opened for writing at once are one file after it",
        .source = "properties 67; ovl/032", .needs = {Capability::link_across_copy_up}) {
  Layer layer;
  for (int i = 0; i < 10; ++i)
    layer.File(fmt::format("a{}", i), "xx").Link(fmt::format("b{}", i), fmt::format("a{}", i));
  t.Given({layer});
  t.When([](Ops& fs) {
    for (int i = 0; i < 10; ++i) {
      const std::string a = fmt::format("a{}", i), b = fmt::format("b{}", i);
      fs.Do("both opened and written", [&](std::string&) {
        std::atomic<int> error{0};
        const auto write = [&](const std::string& name, int at) {
          const int fd = openat(fs.root_fd(), name.c_str(), O_RDWR | O_CLOEXEC);
          if (fd < 0 || pwrite(fd, "AB" + at, 1, at) != 1) error = errno;
          close(fd);
        };
        std::thread other([&] { write(b, 1); });
        write(a, 0);
        other.join();
        return error.load();
      });
      fs.Read(a);
      fs.Read(b);
      fs.SameFile(a, b);
      fs.StatLinks(b);
    }
  });
}

LM_CASE(copy_up, readers_beside_the_first_writer,
        .claim =
            "threads that read a lower file while another makes its first change see old or new bytes and no "
            "others",
        .source = "properties 147; peer-checks C68; fo:stress") {
  t.Given({Layer().File("f", std::string(200'000, 'a'))});
  t.When([](Ops& fs) {
    fs.Do("readers and a writer", [&](std::string& seen) {
      std::atomic<bool> stop{false}, strange{false};
      std::atomic<int> error{0};
      std::vector<std::thread> readers;
      for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
          std::string buffer(200'000, '\0');
          while (!stop) {
            const int fd = openat(fs.root_fd(), "f", O_RDONLY | O_CLOEXEC);
            const ssize_t n = fd < 0 ? -1 : pread(fd, buffer.data(), buffer.size(), 0);
            if (n < 0) error = errno;
            if (n != 200'000 || buffer.find_first_not_of("aB") != std::string::npos) strange = true;
            close(fd);
          }
        });
      }
      const int fd = openat(fs.root_fd(), "f", O_RDWR | O_CLOEXEC);
      const std::string piece(1000, 'B');
      for (int i = 0; i < 100 && fd >= 0; ++i) {
        if (pwrite(fd, piece.data(), piece.size(), i * 2000) < 0) error = errno;
      }
      close(fd);
      stop = true;
      for (std::thread& reader : readers) reader.join();
      seen = strange ? "other bytes" : "";
      return error.load();
    });
    fs.Checksum("f");
  });
}

LM_CASE(copy_up, inode_flags_of_a_lower_file,
        .claim =
            "flags set on a lower file are shown and enforced: append-only takes appends alone, immutable "
            "takes nothing",
        .source = "properties 75; properties 96; ovl/040; ovl/075; ovl/078",
        .needs = {Capability::inode_flags}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    const auto set = [&](const std::string& name, long flags) {
      fs.Do(fmt::format("flags {:#x} of {}", flags, name), [&](std::string& seen) {
        const int fd = openat(fs.root_fd(), name.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return errno;
        int error = 0, now = 0;
        if (ioctl(fd, FS_IOC_GETFLAGS, &now) != 0) error = errno;
        int wanted = static_cast<int>((now & ~(FS_APPEND_FL | FS_IMMUTABLE_FL | FS_NOATIME_FL)) | flags);
        if (error == 0 && ioctl(fd, FS_IOC_SETFLAGS, &wanted) != 0) error = errno;
        if (error == 0 && ioctl(fd, FS_IOC_GETFLAGS, &now) != 0) error = errno;
        seen = fmt::format("{:#x}", now & (FS_APPEND_FL | FS_IMMUTABLE_FL | FS_NOATIME_FL));
        close(fd);
        return error;
      });
    };
    set("d/f", FS_APPEND_FL);
    fs.Overwrite("d/f", 0, "X");
    fs.Append("d/f", "more");
    fs.Truncate("d/f", 0);
    fs.Unlink("d/f");
    set("d/f", 0);
    set("h", FS_IMMUTABLE_FL);
    fs.Append("h", "more");
    fs.Chmod("h", 0600);
    fs.Link("h", "h2");
    fs.Rename("h", "h3");
    fs.Read("h");
    set("h", FS_NOATIME_FL);
    fs.Append("h", "more");
    fs.Read("d/f");
  });
}

LM_CASE(copy_up, reflink_into_a_lower_file,
        .claim = "FICLONE into a lower file replaces its content in the snapshot alone",
        .source = "properties 75; properties 132", .needs = {Capability::reflink}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Create("source", std::string(8192, 's'));
    fs.Open("s", "source", O_RDONLY);
    fs.Open("t", "g", O_RDWR);
    fs.Do("ftruncate and FICLONE", [&](std::string&) {
      if (ftruncate(fs.fd("t"), 0) != 0) return errno;
      return ioctl(fs.fd("t"), FICLONE, fs.fd("s")) == 0 ? 0 : errno;
    });
    fs.Checksum("g");
    fs.Open("h", "h", O_RDONLY);
    fs.Open("n", "new", O_RDWR | O_CREAT, 0644);
    fs.Do("FICLONE of a lower file",
          [&](std::string&) { return ioctl(fs.fd("n"), FICLONE, fs.fd("h")) == 0 ? 0 : errno; });
    fs.Overwrite("new", 0, "N");
    fs.Read("h");
  });
}

LM_CASE(
    copy_up, copy_file_range_from_and_to_lower_files,
    .claim =
        "copy_file_range reads a lower file and writes another, within one file too, a few bytes or many, "
        "and changes the snapshot alone",
    .source = "properties 73; properties 132") {
  std::string content(1'300'000, 0);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(1 + i % 251);
  t.Given({Base().File("big", content).File("target", std::string(500'000, 't'))});
  t.When([](Ops& fs) {
    const auto copy = [&](const std::string& from, const std::string& to, off_t in, off_t out, size_t bytes) {
      fs.Do(fmt::format("copy {} bytes of {} to {}", bytes, from, to), [&](std::string& seen) {
        size_t done = 0;
        while (done < bytes) {
          const ssize_t n = copy_file_range(fs.fd(from), &in, fs.fd(to), &out, bytes - done, 0);
          if (n < 0) return errno;
          if (n == 0) break;
          done += static_cast<size_t>(n);
        }
        seen = std::to_string(done);
        return 0;
      });
    };
    fs.Open("g", "g", O_RDWR);
    fs.Open("f", "d/f", O_RDONLY);
    fs.Open("n", "new", O_RDWR | O_CREAT, 0600);
    copy("f", "g", 0, 5000, 100);
    copy("g", "n", 4000, 0, 3000);
    copy("g", "g", 0, 15'000, 2000);
    fs.Checksum("g");
    fs.Checksum("new");
    fs.Open("b", "big", O_RDONLY);
    fs.Open("t", "target", O_RDWR);
    // Whole pages and parts of them, to the end of the source and beyond that of the target.
    copy("b", "t", 0, 0, 65'537);
    copy("b", "t", 4096, 131'072, 131'072);
    copy("b", "t", 1'000'001, 400'003, 200'000);
    copy("b", "n", 77, 12'345, 1'200'000);
    copy("b", "n", 1'299'000, 0, 100'000);
    fs.Checksum("target");
    fs.Checksum("new");
    fs.Checksum("big");
    fs.Read("d/f");
  });
}

LM_CASE(copy_up, access_times_stay,
        .claim = "the first change of a lower file keeps its access time to the nanosecond",
        .source = "properties 155; properties 84; fo:copyup") {
  t.Given({Layer().File("f", "x").Times("f", 1'234'567'890'123'456'789, 1'234'567'890'987'654'321)});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  const auto atime = [&] {
    struct stat st = {};
    t.Check(fstatat(snapshot->root_fd(), "f", &st, 0) == 0, "stat");
    return int64_t{st.st_atim.tv_sec} * 1'000'000'000 + st.st_atim.tv_nsec;
  };
  const int64_t before = atime();
  Ops fs(snapshot->root_fd());
  fs.Chmod("f", 0600);
  t.Equal(before, atime(), "access time after chmod");
  fs.Utimens("f", 7'000'000'000'000'000'007, UTIME_OMIT);
}

LM_CASE(copy_up, times_that_a_user_sets_and_omits,
        .claim =
            "UTIME_NOW and UTIME_OMIT in each combination set what they say on lower files, directories and "
            "symlinks",
        .source = "properties 87; pjd:utimensat; fuse-overlayfs 288") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Utimens("d/f", UTIME_OMIT, 5'000'000'005);
    fs.StatTimes("d/f");
    fs.Utimens("d/f", 6'000'000'006, UTIME_OMIT);
    fs.StatTimes("d/f");
    fs.Utimens("g", UTIME_NOW, UTIME_OMIT);
    fs.StatTimes("g");
    fs.Utimens("h", UTIME_OMIT, UTIME_NOW);
    fs.StatTimes("h");
    fs.Utimens("d", UTIME_OMIT, 8'000'000'008);
    fs.StatTimes("d");
    fs.Utimens("l", 1'000'000'001, UTIME_OMIT);
    fs.StatTimes("l");
  });
}

LM_CASE(copy_up, statx_tells_the_same,
        .claim =
            "statx gives type, mode, owner, size and times of lower and new files as stat does, by name and "
            "descriptor",
        .source = "properties 133; generic/424") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Create("new", "x");
    fs.Chmod("h", 0600);
    for (const char* name : {"d/f", "h", "new", "d", "l", "p"}) {
      fs.Do(std::string("statx of ") + name, [&](std::string& seen) {
        struct statx x = {};
        struct stat st = {};
        if (statx(fs.root_fd(), name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x) != 0) return errno;
        if (fstatat(fs.root_fd(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
        const bool same = x.stx_ino == st.st_ino && x.stx_mode == st.st_mode && x.stx_uid == st.st_uid &&
                          x.stx_gid == st.st_gid && static_cast<off_t>(x.stx_size) == st.st_size &&
                          x.stx_nlink == st.st_nlink && x.stx_mtime.tv_sec == st.st_mtim.tv_sec &&
                          x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec;
        seen = fmt::format("{} mode {:o}, all basic fields: {}", same ? "as stat," : "not as stat,",
                           x.stx_mode, (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
        return 0;
      });
    }
  });
}

LM_CASE(descriptor, leases_of_a_lower_file,
        .claim = "a read lease of a lower file is granted to a reader, and broken by a writer",
        .source = "properties 121; generic/571") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    fs.Open("r", "h", O_RDONLY);
    fs.Do("F_SETLEASE F_RDLCK",
          [&](std::string&) { return fcntl(fs.fd("r"), F_SETLEASE, F_RDLCK) == 0 ? 0 : errno; });
    fs.Do("F_GETLEASE", [&](std::string& seen) {
      const int lease = fcntl(fs.fd("r"), F_GETLEASE);
      if (lease < 0) return errno;
      seen = lease == F_RDLCK ? "read" : lease == F_UNLCK ? "none" : "write";
      return 0;
    });
    fs.Do("F_SETLEASE F_UNLCK",
          [&](std::string&) { return fcntl(fs.fd("r"), F_SETLEASE, F_UNLCK) == 0 ? 0 : errno; });
    fs.Open("w", "h", O_RDWR);
    fs.Do("F_SETLEASE F_RDLCK beside a writer",
          [&](std::string&) { return fcntl(fs.fd("r"), F_SETLEASE, F_RDLCK) == 0 ? 0 : errno; });
  });
}

LM_CASE(descriptor, events_with_file_handles,
        .claim = "fanotify that reports handles tells of a creation and a removal in a lower directory",
        .source = "properties 124; LTP fanotify", .needs = {Capability::file_handles}) {
  t.Given({Base()});
  t.When([](Ops& fs) {
    int group = -1;
    fs.Do("a group and a mark", [&](std::string&) {
      group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
      if (group < 0) return errno;
      return fanotify_mark(group, FAN_MARK_ADD, FAN_CREATE | FAN_DELETE | FAN_ONDIR, fs.root_fd(), "d") == 0
                 ? 0
                 : errno;
    });
    fs.Create("d/new", "x");
    fs.Unlink("d/f");
    fs.Do("events", [&](std::string& seen) {
      alignas(fanotify_event_metadata) char buffer[4096];
      const ssize_t n = read(group, buffer, sizeof(buffer));
      if (n < 0) return errno;
      uint64_t mask = 0;
      auto* event = reinterpret_cast<fanotify_event_metadata*>(buffer);
      for (ssize_t left = n; FAN_EVENT_OK(event, left); event = FAN_EVENT_NEXT(event, left))
        mask |= event->mask;
      seen = fmt::format("{}{}", (mask & FAN_CREATE) != 0 ? "create " : "",
                         (mask & FAN_DELETE) != 0 ? "delete" : "");
      return 0;
    });
    if (group >= 0) close(group);
  });
}

LM_CASE(hardlink, of_a_removed_file_is_refused,
        .claim =
            "linkat of a descriptor whose lower file was removed is ENOENT, and of one that has a name works",
        .source = "properties 65; ovl/072") {
  t.Given({Base()});
  t.When([](Ops& fs) {
    const auto link = [&](const std::string& handle, const std::string& to) {
      fs.Do("linkat of " + handle, [&](std::string&) {
        return linkat(fs.fd(handle), "", fs.root_fd(), to.c_str(), AT_EMPTY_PATH) == 0 ? 0 : errno;
      });
    };
    fs.Open("h", "h", O_RDWR);
    fs.Unlink("h");
    link("h", "back");
    fs.Create("new", "x");
    fs.Open("n", "new", O_RDWR);
    link("n", "second");
    fs.SameFile("new", "second");
    fs.List("");
  });
}

LM_CASE(
    hardlink, as_many_as_the_backing_takes,
    .claim = "the names of a file end where the backing's end, with EMLINK, and all of them can be removed",
    .source = "properties 69; peer bug 53; moby 16813; moby 32732; pjd:link/05", .deadline_seconds = 180) {
  if (t.backing().file_system() == "xfs" || t.backing().file_system() == "tmpfs")
    return t.Skip("not_applicable", "this backing takes more names than can be tried");
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  Result<MountedSnapshot> plain = t.oracle().Prepare("a", "");
  if (!plain.ok()) return t.Error(plain.status().ToString());
  const auto fill = [](int root_fd) {
    Ops fs(root_fd);
    fs.Create("f", "x");
    int made = 0, error = 0;
    for (; error == 0 && made < 66'000; ++made) {
      if (linkat(root_fd, "f", root_fd, fmt::format("n{}", made).c_str(), 0) != 0) error = errno;
    }
    std::string text = fmt::format("{} after {} names", ErrnoName(error), made);
    for (int i = 0; i < made; ++i) (void)unlinkat(root_fd, fmt::format("n{}", i).c_str(), 0);
    fs.StatLinks("f");
    return text + ", " + ToString(fs.log().back());
  };
  t.Equal(fill(plain->root_fd()), fill(snapshot->root_fd()), "names of one file");
  t.Ok(plain->Unmount(), "unmount of the oracle");
}

LM_CASE(
    hardlink, owners_of_linked_files,
    .claim =
        "chown of one name of a lower file with several leaves them whole: content, other names and counts",
    .source = "peer bug 47; properties 61; containers/storage 1143; containers/storage 1257",
    .needs = {Capability::link_across_copy_up, Capability::priv_chown}) {
  t.Given({Layer().File("a", "shared").Link("b", "a").Dir("d").Link("d/c", "a")});
  t.When([](Ops& fs) {
    fs.Chown("b", 12, 34);
    for (const char* name : {"a", "b", "d/c"}) {
      fs.Stat(name);
      fs.StatLinks(name);
      fs.Read(name);
    }
    fs.SameFile("a", "d/c");
    fs.Link("d/c", "e");
    fs.Unlink("a");
    fs.StatLinks("e");
  });
}

}  // namespace layermark
