// Area hostile: a disk that fails on command, a quota that is used up, a daemon that dies. The old view is
// intact, the error is reported, and nothing half made is left.
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "conformance/support/case.h"
#include "core/sys/process.h"
#include "scenario/failing_disk.h"
#include "scenario/model.h"

namespace layermark {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

Layer Base() {
  return Layer()
      .Dir("d", 0750)
      .File("d/big", std::string(3 << 20, 'b'))
      .File("d/small", "lower", 0640)
      .Chown("d/small", 5, 6)
      .File("f", "lower")
      .Symlink("link", "f")
      .Times("", kDefaultMtimeNs, kDefaultMtimeNs);
}

Manifest ModelOf(const Layer& layer) {
  ModelTree model;
  if (!model.Apply(layer).ok()) return {};
  return model.ToManifest();
}

// Waits, at most 20 s, until a store's file system has that many bytes free. A FUSE daemon lets go of a
// removed file after the call, and passes no syncfs on.
bool RoomComes(const std::string& store, int64_t bytes) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    const Result<Fd> fd = Open(store, O_RDONLY | O_DIRECTORY);
    struct statvfs space {};
    if (fd.ok() && syncfs(fd->get()) == 0 && fstatvfs(fd->get(), &space) == 0 &&
        static_cast<int64_t>(space.f_bavail * space.f_frsize) >= bytes)
      return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// A store of the instance on a disk of its own that can be made to fail.
class FailingStore {
 public:
  // nullopt after a skip or an error, which is the case's.
  static std::optional<FailingStore> Make(CaseContext& t) {
    const std::string kind = t.backing().file_system();
    if (kind != "ext4" && kind != "xfs" && kind != "btrfs") {
      t.Skip("not_applicable", fmt::format("a store on {} has no disk that could fail", kind));
      return std::nullopt;
    }
    const int64_t size = kind == "ext4" ? 48 * kMiB : kind == "xfs" ? 300 * kMiB : 160 * kMiB;
    Result<FailingDisk> disk = FailingDisk::Create(size);
    if (!disk.ok()) {
      t.Skip("test_device", disk.status().ToString());
      return std::nullopt;
    }
    BackingSpec spec;
    spec.kind = kind;
    spec.size_bytes = size;
    spec.on_file = disk->file_fd();
    Result<Backing> backing = Backing::Create(spec);
    if (!backing.ok()) {
      t.Error("a file system on the disk that fails: " + backing.status().ToString());
      return std::nullopt;
    }
    FailingStore store(t, std::move(disk).value(), std::move(backing).value());
    Result<std::string> root = store.backing_->NewDirectory("store");
    if (!root.ok()) {
      t.Error(root.status().ToString());
      return std::nullopt;
    }
    store.root_ = *root;
    if (!store.Open() || !t.Ok(store.CommitLayer(kParent, "", Base()), "the layer") || !store.FreshMount())
      return std::nullopt;
    return store;
  }
  FailingStore(FailingStore&&) noexcept = default;
  FailingStore& operator=(FailingStore&&) = delete;
  ~FailingStore() {
    if (disk_ != nullptr) disk_->Heal();
  }

  static constexpr char kParent[] = "parent";
  Snapshotter& api() { return *api_; }
  FailingDisk& disk() { return *disk_; }

  // Has the backing write all that it holds: the sync of a union in user space may end in the union.
  bool Sync() {
    Result<Fd> root = layermark::Open(root_, O_RDONLY | O_DIRECTORY);
    return t_->Ok(root, "open of the store's directory") && t_->Check(syncfs(root->get()) == 0, "syncfs");
  }

  Result<MountedSnapshot> Prepare(const std::string& key) {
    LM_ASSIGN(std::vector<Mount> mounts, api_->Prepare(key, kParent));
    return MountedSnapshot::Mount(key, std::move(mounts));
  }
  Result<MountedSnapshot> MountAgain(const std::string& key) {
    LM_ASSIGN(std::vector<Mount> mounts, api_->Mounts(key));
    return MountedSnapshot::Mount(key, std::move(mounts));
  }
  Status CommitLayer(const std::string& name, const std::string& parent, const Layer& layer) {
    LM_ASSIGN(std::vector<Mount> mounts, api_->Prepare(name + ".key", parent));
    LM_ASSIGN(MountedSnapshot mounted, MountedSnapshot::Mount(name, std::move(mounts)));
    LM_TRY(ApplyLayer(layer, mounted.root_fd()));
    LM_TRY(mounted.Unmount());
    return api_->Commit(name, name + ".key");
  }
  Result<Manifest> ViewManifest(const std::string& name) {
    LM_ASSIGN(std::vector<Mount> mounts, api_->View(name + ".look", name));
    LM_ASSIGN(MountedSnapshot mounted, MountedSnapshot::Mount(name, std::move(mounts)));
    LM_ASSIGN(Manifest manifest, ReadManifest(mounted.root_fd()));
    LM_TRY(mounted.Unmount());
    LM_TRY(api_->Remove(name + ".look"));
    return manifest;
  }

  // Unmounts and mounts the file system, as a machine does that starts again; nothing of it is cached
  // afterwards.
  bool FreshMount() {
    (void)api_->Close();
    api_.reset();
    return t_->Ok(backing_->Remount(), "mounting the disk again") &&
           t_->Ok(disk_->DropCache(), "dropping the cache") && Open();
  }

  // What must hold once the disk is well again and was mounted again.
  void IsWhole(const std::set<std::string>& may_be_there) {
    CaseContext& t = *t_;
    disk_->Heal();
    if (!FreshMount()) return;
    Result<Manifest> seen = ViewManifest(kParent);
    if (t.Ok(seen, "view of the parent")) t.SameTree(ModelOf(Base()), *seen, "the parent afterwards");
    std::vector<std::string> names;
    t.Ok(api().Walk([&](const Info& info) {
      names.push_back(info.name);
      return Status::Ok();
    }),
         "walk");
    for (const std::string& name : names) {
      if (name == kParent) continue;
      t.Check(may_be_there.contains(name), "left behind: " + name);
      t.Ok(api().Remove(name), "removing " + name);
    }
    const Status cleanup = api().Cleanup();
    t.Check(cleanup.ok() || cleanup.code() == Code::kUnimplemented, "cleanup: " + cleanup.ToString());
    // And it works on.
    if (!t.Ok(CommitLayer("later", kParent, Layer().Write("d/big", 0, "L").Remove("f")),
              "a layer afterwards"))
      return;
    Result<Manifest> later = ViewManifest("later");
    if (t.Ok(later, "view of it"))
      t.Check(!later->entries.contains("f"), "the layer afterwards is not what was made");
  }

 private:
  FailingStore(CaseContext& t, FailingDisk disk, Backing backing)
      : t_(&t),
        disk_(std::make_unique<FailingDisk>(std::move(disk))),
        backing_(std::make_unique<Backing>(std::move(backing))) {}

  bool Open() {
    Result<std::unique_ptr<Snapshotter>> opened = t_->instance().driver->Open(t_->instance().options, root_);
    if (!t_->Ok(opened.status(), "opening the store")) return false;
    api_ = std::move(opened).value();
    return true;
  }

  CaseContext* t_;
  // In this order: the store goes first, then the file system, then the disk.
  std::unique_ptr<FailingDisk> disk_;
  std::unique_ptr<Backing> backing_;
  std::unique_ptr<Snapshotter> api_;
  std::string root_;
};

// What these cases make the kernel say.
const std::vector<std::string> kDiskMessages = {
    "I/O error", "EXT4-fs", "JBD2", "Aborting journal", "BTRFS", "XFS (", "lost async page write"};

}  // namespace

LM_CASE(hostile, disk_fails_reads_in_a_copy_up,
        .claim =
            "when the disk fails in the middle of reading a lower file for its first change, the change is "
            "an error or "
            "whole, and later the file is the old or the new one",
        .source = "properties 40; properties 81; contract: a call that fails leaves nothing behind; no peer",
        .deadline_seconds = 120, .kernel_log = kDiskMessages) {
  std::optional<FailingStore> store = FailingStore::Make(t);
  if (!store) return;
  Result<MountedSnapshot> active = store->Prepare("a");
  if (!t.Ok(active, "prepare")) return;
  store->disk().FailReadsAfter(2);
  int error = 0;
  {
    const int fd = openat(active->root_fd(), "d/big", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      error = errno;
    } else {
      if (pwrite(fd, "X", 1, 100) != 1 || fsync(fd) != 0) error = errno;
      close(fd);
    }
  }
  t.Check(error == 0 || error == EIO, "the change failed with " + ErrnoName(error));
  store->disk().Heal();
  // Still mounted: the old one or the new one, of full length.
  const auto look = [&](const MountedSnapshot& mounted, const std::string& when) {
    Result<std::string> content = ReadFileAt(mounted.root_fd(), "d/big");
    if (!t.Ok(content, when + ": reading")) return;
    t.Equal(size_t{3 << 20}, content->size(), when + ": size");
    const std::string old(3 << 20, 'b');
    std::string changed = old;
    changed[100] = 'X';
    t.Check(*content == changed || (error != 0 && *content == old),
            when + ": neither the old content nor the new");
    Result<std::vector<std::string>> names = ListDir(mounted.root_fd(), "d");
    if (t.Ok(names, "list")) t.Equal(size_t{2}, names->size(), when + ": names in the directory");
  };
  look(*active, "mounted");
  if (t.Ok(active->Remount(store->api()), "unmount and mount again")) look(*active, "mounted again");
  {
    Ops fs(active->root_fd());
    t.Equal(0, fs.Overwrite("d/big", 100, "X"), "errno of the change on a disk that is well");
    t.Equal(0, fs.Append("d/small", "more"), "errno of another change");
  }
  t.Ok(active->Unmount(), "unmount");
  store->IsWhole({"a"});
}

LM_CASE(hostile, disk_fails_writes_in_a_copy_up,
        .claim =
            "when the disk fails in the middle of writing the copy of a lower file, a sync reports it, and "
            "later the "
            "file is the old or the new one and the parent as it was",
        .source = "properties 40; properties 117; properties 157; no peer", .deadline_seconds = 120,
        .kernel_log = kDiskMessages) {
  std::optional<FailingStore> store = FailingStore::Make(t);
  if (!store) return;
  Result<MountedSnapshot> active = store->Prepare("a");
  if (!t.Ok(active, "prepare")) return;
  t.Check(syncfs(active->root_fd()) == 0, "syncfs before");
  store->disk().FailWritesAfter(2);
  bool reported = false;
  {
    const int fd = openat(active->root_fd(), "d/big", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      reported = true;
    } else {
      const std::string piece(256 << 10, 'X');
      for (int i = 0; i < 8; ++i) reported |= pwrite(fd, piece.data(), piece.size(), i * (256 << 10)) < 0;
      reported |= fsync(fd) != 0;
      close(fd);
    }
    reported |= syncfs(active->root_fd()) != 0;
  }
  // A union in user space may keep a sync for itself (it is mounted without one); the backing cannot.
  t.Check(reported || store->disk().failed_count() == 0 || t.Has(Capability::fuse_daemon),
          "writes were lost and neither open, write, fsync nor syncfs said so");
  store->disk().Heal();
  (void)active->Unmount();
  store->IsWhole({"a"});
}

LM_CASE(hostile, disk_fails_in_a_commit,
        .claim =
            "when the disk fails in the middle of a Commit, the snapshot is afterwards active or committed, "
            "not both, "
            "the answer tells which, and the parent is as it was",
        .source = "rule 35; rule 45; rule 46; no peer", .deadline_seconds = 120,
        .kernel_log = kDiskMessages) {
  std::optional<FailingStore> store = FailingStore::Make(t);
  if (!store) return;
  Result<MountedSnapshot> active = store->Prepare("a");
  if (!t.Ok(active, "prepare")) return;
  t.Ok(ApplyLayer(Layer().File("mine", std::string(100'000, 'm')).Remove("f"), active->root_fd()),
       "a change");
  t.Check(syncfs(active->root_fd()) == 0, "syncfs");
  t.Ok(active->Unmount(), "unmount");
  if (!store->Sync()) return;
  store->disk().FailWritesAfter(1);
  const Status committed = store->api().Commit("c", "a");
  store->disk().Heal();
  if (!store->FreshMount()) return;
  const bool key = store->api().Stat("a").ok(), name = store->api().Stat("c").ok();
  t.Check(key != name, fmt::format("after Commit ({}) the key is {}, the name is {}", committed.ToString(),
                                   key ? "there" : "gone", name ? "there" : "not there"));
  t.Check(!committed.ok() || name, "Commit succeeded, and its snapshot is gone with the next mount");
  if (name) {
    Result<Manifest> seen = store->ViewManifest("c");
    if (t.Ok(seen, "view of what was committed"))
      t.Check(seen->entries.contains("mine") && !seen->entries.contains("f"), "it is not what was committed");
  } else if (key) {
    Result<MountedSnapshot> again = store->MountAgain("a");
    if (!t.Ok(again, "mounting what is still active")) return;
    Result<Manifest> seen = ReadManifest(again->root_fd());
    if (t.Ok(seen, "reading it"))
      t.Check(seen->entries.contains("mine") && !seen->entries.contains("f"),
              "it lost what was synced before");
    t.Ok(again->Unmount(), "unmount");
    t.Ok(store->api().Commit("c", "a"), "Commit on a disk that is well");
  }
  store->IsWhole({"a", "c"});
}

LM_CASE(hostile, disk_fails_in_a_prepare,
        .claim =
            "when the disk fails in the middle of a Prepare or Remove, the answer says so or the call is "
            "done, and no "
            "half of a snapshot is left",
        .source = "rule 35; rule 48; no peer", .deadline_seconds = 120, .kernel_log = kDiskMessages) {
  std::optional<FailingStore> store = FailingStore::Make(t);
  if (!store) return;
  if (!t.Ok(store->api().Prepare("old", FailingStore::kParent), "prepare")) return;
  if (!store->FreshMount()) return;
  store->disk().FailWritesAfter(1);
  const Status prepared = store->api().Prepare("new", FailingStore::kParent).status();
  const Status removed = store->api().Remove("old");
  store->disk().Heal();
  if (!store->FreshMount()) return;
  const Status after = store->api().Stat("new").status();
  if (prepared.ok()) {
    t.Ok(after, "stat of what was prepared");
  } else {
    t.HasCode(after, Code::kNotFound, "stat of what could not be prepared");
  }
  if (removed.ok()) t.HasCode(store->api().Stat("old").status(), Code::kNotFound, "stat of what was removed");
  // What is there can be mounted and shows the parent.
  for (const char* name : {"new", "old"}) {
    if (!store->api().Stat(name).ok()) continue;
    Result<MountedSnapshot> mounted = store->MountAgain(name);
    if (!t.Ok(mounted, std::string("mounting ") + name)) continue;
    Result<Manifest> seen = ReadManifest(mounted->root_fd());
    if (t.Ok(seen, "reading it")) t.SameTree(ModelOf(Base()), *seen, name);
    t.Ok(mounted->Unmount(), "unmount");
  }
  store->IsWhole({"old", "new"});
}

LM_CASE(
    hostile, a_removal_without_room,
    .claim =
        "removing a lower file on a full store works for good, or is an error and the file is still there",
    .source = "properties 40; peer bug 49; containers/storage 967; no peer", .deadline_seconds = 120,
    .backing_bytes = 24 * kMiB) {
  if (t.backing().spec().kind == "dir")
    return t.Skip("no_own_size", "the backing is a directory of the host");
  Layer layer = Layer().Dir("d");
  for (int i = 0; i < 40; ++i) layer.File(fmt::format("d/file{}", i), std::to_string(i));
  t.Given({layer});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  {
    Result<Fd> file = OpenAt(snapshot->root_fd(), "filler", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!t.Ok(file, "create")) return;
    const std::string piece(kMiB, 'x');
    int64_t at = 0;
    for (size_t size : {size_t{1} << 20, size_t{4096}, size_t{1}}) {
      while (at < 2 * t.backing().spec().size_bytes) {
        const ssize_t n = pwrite(file->get(), piece.data(), size, at);
        if (n <= 0 || fdatasync(file->get()) != 0) break;
        at += n;
      }
    }
  }
  std::set<std::string> gone;
  for (int i = 0; i < 40; ++i) {
    const std::string name = fmt::format("d/file{}", i);
    const int error = unlinkat(snapshot->root_fd(), name.c_str(), 0) == 0 ? 0 : errno;
    t.Check(error == 0 || error == ENOSPC, name + ": " + ErrnoName(error));
    if (error == 0) gone.insert(name);
  }
  const auto look = [&](const std::string& when) {
    for (int i = 0; i < 40; ++i) {
      const std::string name = fmt::format("d/file{}", i);
      Result<std::string> content = ReadFileAt(snapshot->root_fd(), name);
      if (gone.contains(name)) {
        t.HasCode(content.status(), Code::kNotFound, when + ": " + name + ", which was removed");
      } else if (t.Ok(content, when + ": " + name + ", which could not be removed")) {
        t.Equal(std::to_string(i), *content, when + ": " + name);
      }
    }
  };
  look("mounted");
  if (t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) look("mounted again");
  t.Ok(snapshot->Unmount(), "unmount");
  t.Ok(t.api().Remove("a"), "remove");
}

LM_CASE(hostile, a_copy_up_without_room,
        .claim =
            "the first change of a lower file that does not fit is ENOSPC, and the file stays whole and as "
            "it was",
        .source = "properties 40; properties 94; contract: a call that fails leaves nothing behind",
        .deadline_seconds = 120, .backing_bytes = 40 * kMiB) {
  if (t.backing().spec().kind == "dir")
    return t.Skip("no_own_size", "the backing is a directory of the host");
  const std::string old(int64_t{4} << 20, 'b');
  t.Given({Layer().Dir("d").File("d/big", old).File("d/other", "x")});
  if (t.ended()) return;
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  {
    Result<Fd> file = OpenAt(snapshot->root_fd(), "filler", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!t.Ok(file, "create")) return;
    const std::string piece(kMiB, 'x');
    for (int64_t at = 0; at < 2 * t.backing().spec().size_bytes; at += kMiB) {
      if (pwrite(file->get(), piece.data(), piece.size(), at) <= 0 || fdatasync(file->get()) != 0) break;
    }
  }
  const int fd = openat(snapshot->root_fd(), "d/big", O_RDWR | O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    if (pwrite(fd, "X", 1, 7) != 1 || fsync(fd) != 0) error = errno;
    close(fd);
  }
  t.Check(error == 0 || error == ENOSPC, "the change: " + ErrnoName(error));
  const auto look = [&](const std::string& when) {
    Result<std::string> content = ReadFileAt(snapshot->root_fd(), "d/big");
    std::string changed = old;
    changed[7] = 'X';
    if (t.Ok(content, when + ": reading"))
      t.Check(*content == (error == 0 ? changed : old),
              when + ": it is neither the old file nor the new one");
    Result<std::vector<std::string>> names = ListDir(snapshot->root_fd(), "d");
    if (t.Ok(names, "list")) t.Equal(size_t{2}, names->size(), when + ": names in the directory");
  };
  look("mounted");
  if (t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) look("mounted again");
  Ops fs(snapshot->root_fd());
  t.Equal(0, fs.Unlink("filler"), "errno of making room");
  t.Check(RoomComes(t.backing().path(), int64_t{2} * static_cast<int64_t>(old.size())),
          "the removed file's room is not given back");
  t.Equal(0, fs.Overwrite("d/big", 7, "X"), "errno of the change with room");
}

LM_CASE(
    hostile, a_quota_that_is_used_up,
    .claim =
        "writes beyond a quota group of btrfs are EDQUOT, nothing committed changes, and removing makes room "
        "again",
    .source =
        "peer-checks C22; properties 40; properties 156; contract: a call that fails leaves nothing behind",
    .deadline_seconds = 120, .kernel_log = {"BTRFS"}) {
  if (t.backing().file_system() != "btrfs")
    return t.Skip("not_applicable", "quota groups are btrfs': run with --backing btrfs");
  if (t.instance().driver->behind_a_daemon())
    return t.Skip("not_applicable", "a daemon keeps the snapshots, and not on the run's backing");
  if (!FindProgram("btrfs")) return t.Skip("tool_missing", "btrfs of btrfs-progs is not installed");
  BackingSpec spec;
  spec.kind = "btrfs";
  spec.size_bytes = 192 * kMiB;
  Result<Backing> backing = Backing::Create(spec);
  if (!backing.ok()) return t.Error(backing.status().ToString());
  Result<Subject> subject = Subject::Open(t.instance(), *backing);
  if (!t.Ok(subject, "opening the store")) return;
  Result<std::string> top = subject->CommitChain({Base()});
  if (!t.Ok(top, "the layers")) return;
  Result<MountedSnapshot> active = subject->Prepare("a", *top);
  if (!t.Ok(active, "prepare")) return;
  const std::string path = backing->path();
  const auto btrfs = [&](const std::vector<std::string>& words) {
    std::vector<std::string> argv = {"btrfs"};
    argv.insert(argv.end(), words.begin(), words.end());
    Result<std::string> done = RunCommandOk(argv);
    if (!done.ok()) t.Error(done.status().ToString());
    return done.ok() ? *done : "";
  };
  // The group of the snapshot: its subvolume where it is one, else the file system's.
  btrfs({"quota", "enable", path});
  std::string group = "0/5";
  const std::string listed = btrfs({"subvolume", "list", "-o", "--sort=-rootid", path});
  if (!listed.empty()) group = "0/" + listed.substr(3, listed.find(' ', 3) - 3);
  btrfs({"quota", "rescan", "-w", path});
  btrfs({"qgroup", "limit", "16M", group, path});
  if (t.ended()) return;
  int error = 0;
  {
    Result<Fd> file = OpenAt(active->root_fd(), "filler", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!t.Ok(file, "create")) return;
    const std::string piece(kMiB, 'x');
    for (int i = 0; i < 64 && error == 0; ++i) {
      if (pwrite(file->get(), piece.data(), piece.size(), i * kMiB) < 0 || fdatasync(file->get()) != 0)
        error = errno;
    }
  }
  t.Equal(std::string("EDQUOT"), ErrnoName(error), "errno of the write beyond the quota");
  // Changes beyond it work or say so; what is below stays.
  const int change = openat(active->root_fd(), "d/big", O_RDWR | O_CLOEXEC);
  if (change < 0) {
    t.Check(errno == EDQUOT || errno == ENOSPC, "opening a lower file for writing: " + ErrnoName(errno));
  } else {
    close(change);
  }
  Result<std::string> content = ReadFileAt(active->root_fd(), "d/big");
  if (t.Ok(content, "reading the lower file"))
    t.Check(*content == std::string(3 << 20, 'b'), "the lower file changed");
  if (unlinkat(active->root_fd(), "filler", 0) != 0) {
    t.Check(errno == EDQUOT, "unlink: " + ErrnoName(errno));
    btrfs({"qgroup", "limit", "none", group, path});
    t.Check(unlinkat(active->root_fd(), "filler", 0) == 0, "unlink without a limit: " + ErrnoName(errno));
  }
  t.Check(syncfs(active->root_fd()) == 0, "syncfs");
  btrfs({"qgroup", "limit", "none", group, path});
  {
    Ops fs(active->root_fd());
    t.Equal(0, fs.Overwrite("d/big", 0, "X"), "errno of a change afterwards");
  }
  t.Ok(active->Unmount(), "unmount");
  t.Ok(subject->api().Remove("a"), "remove");
  Result<Manifest> parent = subject->ViewManifest(*top);
  if (t.Ok(parent, "view of the parent")) t.SameTree(ModelOf(Base()), *parent, "the parent afterwards");
  t.Ok(subject->Discard(), "removing the store");
}

LM_CASE(hostile, the_daemon_dies_in_a_write,
        .claim =
            "when the FUSE daemon is killed under a writer, calls end with an error, the mount can be taken "
            "off, and with "
            "the next one everything is there that was synced, and the lower files",
        .source = "properties 118; no peer", .needs = {Capability::fuse_daemon}, .deadline_seconds = 60) {
  t.Given({Base()});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  {
    Result<Fd> file = OpenAt(snapshot->root_fd(), "synced", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!t.Ok(file, "create")) return;
    t.Ok(WriteAll(file->get(), std::string(50'000, 's')), "write");
    t.Check(fsync(file->get()) == 0, "fsync");
  }
  const std::vector<pid_t> daemons = snapshot->mounted().daemon_pids();
  if (!t.Check(!daemons.empty(), "no daemon is known")) return;
  int error = 0;
  std::thread writer([&] {
    const int fd = openat(snapshot->root_fd(), "growing", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const std::string piece(64 << 10, 'g');
    for (int i = 0; i < 20'000 && error == 0; ++i) {
      if (fd < 0 || pwrite(fd, piece.data(), piece.size(), (i % 64) * (64 << 10)) < 0 || fdatasync(fd) != 0)
        error = errno;
    }
    if (fd >= 0) close(fd);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (pid_t pid : daemons) (void)kill(pid, SIGKILL);
  writer.join();
  t.Check(error == ENOTCONN || error == ECONNABORTED, "the writer's error: " + ErrnoName(error));
  struct stat st = {};
  t.Equal(ENOTCONN, fstatat(snapshot->root_fd(), "f", &st, 0) == 0 ? 0 : errno, "errno of stat after that");
  t.Check(mkdirat(snapshot->root_fd(), "new", 0700) != 0, "a directory was made on a dead mount");
  const Status remounted = snapshot->Remount(t.api());
  if (!t.Ok(remounted, "unmount and mount again")) return;
  Result<Manifest> seen = ReadManifest(snapshot->root_fd());
  if (t.Ok(seen, "reading it again")) {
    Manifest expected = ModelOf(Base());
    for (const auto& [path, entry] : expected.entries) {
      if (path.empty()) continue;
      const auto found = seen->entries.find(path);
      if (t.Check(found != seen->entries.end(), path + " is gone"))
        t.Equal(entry.digest, found->second.digest, "content of " + path);
    }
    t.Equal(Sha256(std::string(50'000, 's')), seen->entries["synced"].digest, "what was synced");
  }
  t.Ok(snapshot->Unmount(), "unmount");
  Result<Manifest> parent = t.subject().ViewManifest(t.given());
  if (t.Ok(parent, "view of the parent")) t.SameTree(t.given_manifest(), *parent, "the parent");
}

}  // namespace layermark
