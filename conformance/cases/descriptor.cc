// Area descriptor: open files, locks and mappings over layers.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "conformance/support/case.h"

namespace layermark {

LM_CASE(descriptor, removed_while_open,
        .claim = "a lower file that is removed while open can still be read, written and changed",
        .source = "properties 111; generic/035") {
  t.Given({Layer().File("f", "content")});
  t.When([](Ops& fs) {
    fs.Open("h", "f", O_RDWR);
    fs.Unlink("f");
    fs.PRead("h", 0, 20);
    fs.PWrite("h", 0, "CHANGED");
    fs.PRead("h", 0, 20);
    fs.FTruncate("h", 3);
    fs.FChmod("h", 0600);
    fs.FStat("h");
    fs.FSync("h");
    fs.Stat("f");
    fs.List("");
    fs.Close("h");
    fs.List("");
  });
}

LM_CASE(descriptor, read_only_and_removed,
        .claim = "a lower file opened for reading stays readable after its removal",
        .source = "properties 111") {
  t.Given({Layer().File("f", "content")});
  t.When([](Ops& fs) {
    fs.Open("h", "f", O_RDONLY);
    fs.Unlink("f");
    fs.Create("f", "another");
    fs.PRead("h", 0, 20);
    fs.Read("f");
  });
}

LM_CASE(descriptor, flock_over_copy_up,
        .claim = "a lock taken through a reader's descriptor keeps out one that is opened for writing later",
        .source = "properties 119; ovl/028") {
  t.Given({Layer().File("f", "x")});
  t.When([](Ops& fs) {
    fs.Open("r", "f", O_RDONLY);
    fs.Do("flock(r, LOCK_EX)",
          [&](std::string&) { return flock(fs.fd("r"), LOCK_EX | LOCK_NB) == 0 ? 0 : errno; });
    fs.Open("w", "f", O_RDWR);
    fs.Do("flock(w, LOCK_EX)",
          [&](std::string&) { return flock(fs.fd("w"), LOCK_EX | LOCK_NB) == 0 ? 0 : errno; });
    fs.Do("flock(r, LOCK_UN)", [&](std::string&) { return flock(fs.fd("r"), LOCK_UN) == 0 ? 0 : errno; });
    fs.Do("flock(w, LOCK_EX) again",
          [&](std::string&) { return flock(fs.fd("w"), LOCK_EX | LOCK_NB) == 0 ? 0 : errno; });
  });
}

LM_CASE(descriptor, record_lock_over_copy_up,
        .claim = "an open-file-description lock on a lower file conflicts with one taken after copy-up",
        .source = "properties 120") {
  t.Given({Layer().File("f", "0123456789")});
  t.When([](Ops& fs) {
    auto lock = [&](const char* handle, short type) {
      return fs.Do(std::string("ofd lock ") + handle, [&](std::string&) {
        struct flock fl {};
        fl.l_type = type;
        fl.l_whence = SEEK_SET;
        fl.l_len = 4;
        return fcntl(fs.fd(handle), F_OFD_SETLK, &fl) == 0 ? 0 : errno;
      });
    };
    fs.Open("r", "f", O_RDONLY);
    lock("r", F_RDLCK);
    fs.Open("w", "f", O_RDWR);
    lock("w", F_WRLCK);
    lock("r", F_UNLCK);
    lock("w", F_WRLCK);
  });
}

LM_CASE(descriptor, append_offsets_are_shared,
        .claim = "two descriptors appending to a lower file never overwrite each other",
        .source = "properties 116; pjd:open") {
  t.Given({Layer().File("f", "start\n")});
  t.When([](Ops& fs) {
    fs.Open("a", "f", O_WRONLY | O_APPEND);
    fs.Open("b", "f", O_WRONLY | O_APPEND);
    for (int i = 0; i < 5; ++i) {
      fs.Do("write(a)", [&](std::string&) { return write(fs.fd("a"), "a\n", 2) == 2 ? 0 : errno; });
      fs.Do("write(b)", [&](std::string&) { return write(fs.fd("b"), "b\n", 2) == 2 ? 0 : errno; });
    }
    fs.Read("f");
  });
}

LM_CASE(descriptor, holes_are_found,
        .claim =
            "SEEK_HOLE and SEEK_DATA on a lower sparse file answer as on any file, and what is written later "
            "is data",
        .source = "properties 131; generic/285", .needs = {Capability::seek_hole}) {
  t.Given({Layer().Sparse("s", 4 << 20, 2 << 20, std::string(65536, 'x'))});
  WhenOptions options;
  options.compare.hole_tolerance_bytes = 2 << 20;
  t.When(
      [](Ops& fs) {
        fs.Open("r", "s", O_RDONLY);
        fs.Seek("r", 0, SEEK_DATA);
        fs.Seek("r", 2 << 20, SEEK_HOLE);
        fs.Seek("r", 0, SEEK_HOLE);
        // Where the hole begins again after copy-up is the union's choice; that the new bytes are data is
        // not.
        fs.Open("w", "s", O_RDWR);
        fs.PWrite("w", 0, std::string(65536, 'y'));
        fs.Seek("w", 0, SEEK_DATA);
      },
      options);
}

LM_CASE(descriptor, sync_calls_answer,
        .claim = "fsync of a file, of a reader's descriptor and of a directory, and syncfs, all work",
        .source = "properties 117; ovl/002") {
  t.Given({Layer().File("f", "x").Dir("d")});
  t.When([](Ops& fs) {
    fs.Open("r", "f", O_RDONLY);
    fs.FSync("r");
    fs.Open("w", "f", O_RDWR);
    fs.PWrite("w", 0, "y");
    fs.FSync("w");
    fs.Open("d", "d", O_RDONLY | O_DIRECTORY);
    fs.FSync("d");
    fs.Do("syncfs", [&](std::string&) { return syncfs(fs.fd("r")) == 0 ? 0 : errno; });
  });
}

LM_CASE(descriptor, direct_io_reads_a_lower_file, .claim = "O_DIRECT reads of a lower file give its content",
        .source = "properties 114", .needs = {Capability::direct_io}) {
  t.Given({Layer().File("f", std::string(8192, 'd'))});
  t.When([](Ops& fs) {
    fs.Open("h", "f", O_RDONLY | O_DIRECT);
    fs.Do("pread aligned", [&](std::string& seen) {
      alignas(4096) static char buffer[8192];
      const ssize_t n = pread(fs.fd("h"), buffer, sizeof buffer, 0);
      if (n > 0) seen = Sha256(std::string_view(buffer, static_cast<size_t>(n)));
      return n < 0 ? errno : 0;
    });
  });
}

LM_CASE(
    descriptor, changes_are_notified,
    .claim =
        "a watch on a lower file and its directory reports the first modification, a creation and a removal",
    .source = "properties 122; properties 123") {
  t.Given({Layer().Dir("d").File("d/f", "x").File("d/g", "y")});
  t.When([](Ops& fs) {
    Fd watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    const std::string base = "/proc/self/fd/" + std::to_string(fs.root_fd());
    fs.Do("watch", [&](std::string&) {
      if (inotify_add_watch(watch.get(), (base + "/d/f").c_str(), IN_MODIFY) < 0) return errno;
      return inotify_add_watch(watch.get(), (base + "/d").c_str(), IN_CREATE | IN_DELETE) < 0 ? errno : 0;
    });
    fs.Append("d/f", "more");
    fs.Create("d/new", "x");
    fs.Unlink("d/g");
    fs.Do("events", [&](std::string& seen) {
      alignas(inotify_event) char buffer[4096];
      const ssize_t n = read(watch.get(), buffer, sizeof buffer);
      uint32_t all = 0;
      for (ssize_t at = 0; at < n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        all |= event->mask & (IN_MODIFY | IN_CREATE | IN_DELETE);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
      seen = std::string((all & IN_MODIFY) != 0 ? "modify " : "") +
             ((all & IN_CREATE) != 0 ? "create " : "") + ((all & IN_DELETE) != 0 ? "delete" : "");
      return 0;
    });
  });
}

LM_CASE(descriptor, wrong_kinds_are_refused,
        .claim = "opening directories for writing and files as directories gives the usual errors",
        .source = "properties 9; um:dir-weird-open; pjd:open") {
  t.Given({Layer().Dir("d").File("f", "x")});
  t.When([](Ops& fs) {
    fs.Open("1", "d", O_WRONLY);
    fs.Open("2", "d", O_RDWR);
    fs.Open("3", "d", O_RDONLY | O_TRUNC);
    fs.Open("4", "f", O_RDONLY | O_DIRECTORY);
    fs.Open("5", "f/", O_RDONLY);
    fs.Rmdir("f");
    fs.Unlink("d");
    fs.Mkdir("f/x");
    fs.Stat("f/x");
    fs.Open("6", "missing", O_RDONLY);
  });
}

LM_CASE(descriptor, reflink_between_files,
        .claim = "FICLONE of a lower file into a new one gives its content", .source = "properties 132",
        .needs = {Capability::reflink}) {
  t.Given({Layer().File("f", std::string(65536, 'r'))});
  t.When([](Ops& fs) {
    fs.Create("copy", "");
    fs.Open("from", "f", O_RDONLY);
    fs.Open("to", "copy", O_RDWR);
    fs.Do("copy_file_range", [&](std::string& seen) {
      const ssize_t n = copy_file_range(fs.fd("from"), nullptr, fs.fd("to"), nullptr, 65536, 0);
      seen = std::to_string(n);
      return n < 0 ? errno : 0;
    });
    fs.Append("copy", "!");
    fs.Checksum("copy");
    fs.Checksum("f");
  });
}

}  // namespace layermark
