// DriverWorld: for tests of drivers, a driver's store on a fresh file system of its default kind, with
// mounting, an oracle directory on the same file system, and inodes counted by the file system itself.
#ifndef LAYERMARK_TESTING_DRIVER_WORLD_H_
#define LAYERMARK_TESTING_DRIVER_WORLD_H_

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "drivers/driver.h"
#include "testing/scratch_file_system.h"

namespace layermark::testing {

class DriverWorld {
 public:
  // Moves the calling process into a private mount namespace. REQUIRES: no other thread runs.
  static Result<DriverWorld> Create(const Driver& driver, const DriverOptions& options,
                                    const std::string& parent) {
    if (unshare(CLONE_NEWNS) != 0) return Status::Errno("unshare", "CLONE_NEWNS");
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Status::Errno("mount", "/");
    LM_ASSIGN(ScratchFileSystem scratch, ScratchFileSystem::Create(driver.default_backing(), parent));
    DriverWorld world(driver, options, std::move(scratch));
    for (const char* name : {"probe", "store", "target", "oracle"}) LM_TRY(MakeDirs(world.Path(name)));
    return world;
  }

  std::string Path(const std::string& name) const { return scratch_.path() + "/" + name; }
  const Driver& driver() const { return *driver_; }
  Snapshotter& store() { return *store_; }

  Status Probe() const { return driver_->Probe(options_, Path("probe")); }
  Status Open() {
    store_.reset();
    LM_ASSIGN(store_, driver_->Open(options_, Path("store")));
    return Status::Ok();
  }

  // Mounts what the snapshotter answered, calls `body` with the mount point, unmounts.
  Status WithMounts(const Result<std::vector<Mount>>& mounts,
                    const std::function<Status(const std::string&)>& body) {
    if (!mounts.ok()) return mounts.status();
    LM_ASSIGN(Mounted mounted, MountAll(*mounts, Path("target")));
    Status done = body(Path("target"));
    Status unmounted = mounted.Unmount();
    return done.ok() ? unmounted : done;
  }
  // Prepare, mount, apply, unmount, Commit.
  Status AddLayer(const std::string& name, const std::string& parent, const Layer& layer) {
    const std::string key = "make " + name;
    LM_TRY(WithMounts(store().Prepare(key, parent),
                      [&](const std::string& root) { return Apply(layer, root); }));
    return store().Commit(name, key);
  }
  static Status Apply(const Layer& layer, const std::string& root) {
    LM_ASSIGN(Fd fd, layermark::Open(root, O_RDONLY | O_DIRECTORY));
    return ApplyLayer(layer, fd.get());
  }
  // The manifest of what the mounts show.
  Result<Manifest> Show(const Result<std::vector<Mount>>& mounts) {
    Manifest manifest;
    LM_TRY(WithMounts(mounts, [&](const std::string& root) -> Status {
      LM_ASSIGN(manifest, ReadManifest(root));
      return Status::Ok();
    }));
    return manifest;
  }

  // Inodes below the store's root, the root not counted: what a walk sees, each device and number once.
  Result<int64_t> WalkedInodes() const {
    std::set<std::pair<dev_t, ino_t>> seen;
    std::vector<std::string> directories = {Path("store")};
    while (!directories.empty()) {
      const std::string directory = directories.back();
      directories.pop_back();
      LM_ASSIGN(const std::vector<std::string> names, ListDir(AT_FDCWD, directory));
      for (const std::string& name : names) {
        const std::string path = directory + "/" + name;
        struct stat stat = {};
        if (lstat(path.c_str(), &stat) != 0) return Status::Errno("lstat", path);
        seen.emplace(stat.st_dev, stat.st_ino);
        if (S_ISDIR(stat.st_mode)) directories.push_back(path);
      }
    }
    return static_cast<int64_t>(seen.size());
  }
  // Inodes in use as the file system itself counts them; nullopt where it keeps no count.
  Result<std::optional<int64_t>> UsedInodes() const {
    LM_ASSIGN(const Fd fd, layermark::Open(scratch_.path(), O_RDONLY | O_DIRECTORY));
    if (syncfs(fd.get()) != 0) return Status::Errno("syncfs", scratch_.path());
    struct statvfs stat = {};
    if (fstatvfs(fd.get(), &stat) != 0) return Status::Errno("fstatvfs", scratch_.path());
    if (stat.f_files == 0) return std::optional<int64_t>();
    return std::optional<int64_t>(static_cast<int64_t>(stat.f_files - stat.f_ffree));
  }

 private:
  DriverWorld(const Driver& driver, DriverOptions options, ScratchFileSystem scratch)
      : driver_(&driver), options_(std::move(options)), scratch_(std::move(scratch)) {}

  const Driver* driver_;
  DriverOptions options_;
  ScratchFileSystem scratch_;
  std::unique_ptr<Snapshotter> store_;  // closes before the file system goes
};

}  // namespace layermark::testing

#endif  // LAYERMARK_TESTING_DRIVER_WORLD_H_
