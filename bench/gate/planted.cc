#include "bench/gate/planted.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <utility>

#include "core/sys/fd.h"
#include "scenario/subject.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Changes the mode of the first regular file at the top of what the mounts show, and back.
Status CopyOneUp(const std::vector<Mount>& mounts) {
  LM_ASSIGN(MountedSnapshot snapshot, MountedSnapshot::Mount("planted", mounts));
  LM_ASSIGN(const std::vector<std::string> names, ListDir(snapshot.root_fd(), "."));
  for (const std::string& name : names) {
    struct stat st = {};
    if (fstatat(snapshot.root_fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(st.st_mode)) continue;
    // The same mode again changes nothing that can be seen but the change time, and copies up all the same.
    if (fchmodat(snapshot.root_fd(), name.c_str(), st.st_mode & 07777, 0) != 0)
      return Status::Errno("fchmodat", name);
    break;
  }
  return snapshot.Unmount();
}

class PlantedSnapshotter : public Snapshotter {
 public:
  PlantedSnapshotter(std::unique_ptr<Snapshotter> inner, PlantedFault fault, std::string root)
      : inner_(std::move(inner)), fault_(fault), root_(std::move(root)) {}

  Result<Info> Stat(const std::string& key) override { return inner_->Stat(key); }
  Result<Info> Update(const Info& info, const std::vector<std::string>& paths) override {
    return inner_->Update(info, paths);
  }
  Result<Usage> GetUsage(const std::string& key) override { return inner_->GetUsage(key); }
  Result<std::vector<Mount>> Mounts(const std::string& key) override {
    return More(inner_->Mounts(key), key);
  }
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override {
    LM_ASSIGN(std::vector<Mount> mounts, inner_->Prepare(key, parent, labels));
    if (fault_ == PlantedFault::kFsync) LM_TRY(Flush());
    if (fault_ == PlantedFault::kCopyUp && !parent.empty()) LM_TRY(CopyOneUp(mounts));
    return More(std::move(mounts), key);
  }
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override {
    return More(inner_->View(key, parent, labels), key);
  }
  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override {
    LM_TRY(inner_->Commit(name, key, labels, parent));
    if (fault_ == PlantedFault::kFsync) LM_TRY(Flush());
    if (fault_ == PlantedFault::kInodePerLayer)
      return WriteFile(root_ + "/planted" + std::to_string(next_++), "");
    return Status::Ok();
  }
  Status Remove(const std::string& key) override { return inner_->Remove(key); }
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override {
    return inner_->Walk(callback, filters);
  }
  Status Cleanup() override { return inner_->Cleanup(); }
  Status Close() override { return inner_->Close(); }

 private:
  Status Flush() const {
    LM_ASSIGN(Fd fd, Open(root_, O_RDONLY | O_DIRECTORY));
    return fsync(fd.get()) == 0 ? Status::Ok() : Status::Errno("fsync", root_);
  }

  // For each layer below, the store's directory bound where the snapshot will lie on top of it.
  Result<std::vector<Mount>> More(Result<std::vector<Mount>> answered, const std::string& key) {
    if (fault_ != PlantedFault::kMountPerLayer || !answered.ok()) return answered;
    std::vector<Mount> mounts;
    LM_ASSIGN(Info info, inner_->Stat(key));
    while (!info.parent.empty()) {
      mounts.push_back({"bind", root_, "", {"rbind", "ro"}});
      LM_ASSIGN(info, inner_->Stat(info.parent));
    }
    mounts.insert(mounts.end(), answered->begin(), answered->end());
    return mounts;
  }

  std::unique_ptr<Snapshotter> inner_;
  PlantedFault fault_;
  std::string root_;
  int64_t next_ = 0;
};

class FaultyDriver : public Driver {
 public:
  FaultyDriver(const Driver& inner, PlantedFault fault) : inner_(inner), fault_(fault) {}
  std::string name() const override { return inner_.name(); }
  std::string summary() const override { return inner_.summary(); }
  std::string default_backing() const override { return inner_.default_backing(); }
  std::vector<OptionRow> options() const override { return inner_.options(); }
  CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const override {
    return inner_.capabilities(options, backing);
  }
  InodeFormula inode_formula(const DriverOptions& options) const override {
    return inner_.inode_formula(options);
  }
  Result<Declaration> Declare(const DriverOptions& options, const std::string& backing,
                              const std::string& directory) const override {
    return inner_.Declare(options, backing, directory);
  }
  std::chrono::milliseconds call_deadline(const DriverOptions& options) const override {
    return inner_.call_deadline(options);
  }
  std::vector<std::string> NeededPaths(const DriverOptions& options) const override {
    return inner_.NeededPaths(options);
  }
  Status Probe(const DriverOptions& options, const std::string& directory) const override {
    return inner_.Probe(options, directory);
  }
  Result<std::string> Version(const DriverOptions& options) const override { return inner_.Version(options); }
  Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                            const std::string& root) const override {
    LM_ASSIGN(std::unique_ptr<Snapshotter> inner, inner_.Open(options, root));
    return std::unique_ptr<Snapshotter>(std::make_unique<PlantedSnapshotter>(std::move(inner), fault_, root));
  }
  Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const override {
    return inner_.StackMounts(options, spec);
  }

 private:
  const Driver& inner_;
  PlantedFault fault_;
};

}  // namespace

std::string_view PlantedName(PlantedFault fault) {
  switch (fault) {
    case PlantedFault::kInodePerLayer:
      return "inode_per_layer";
    case PlantedFault::kFsync:
      return "fsync";
    case PlantedFault::kCopyUp:
      return "copy_up";
    case PlantedFault::kMountPerLayer:
      break;
  }
  return "mount_per_layer";
}

const std::vector<PlantedFault>& AllPlantedFaults() {
  static const std::vector<PlantedFault> all = {PlantedFault::kInodePerLayer, PlantedFault::kFsync,
                                                PlantedFault::kCopyUp, PlantedFault::kMountPerLayer};
  return all;
}

const Driver& PlantedDriver(const Driver& inner, PlantedFault fault) {
  static std::map<std::pair<const Driver*, PlantedFault>, std::unique_ptr<FaultyDriver>> made;
  std::unique_ptr<FaultyDriver>& driver = made[{&inner, fault}];
  if (driver == nullptr) driver = std::make_unique<FaultyDriver>(inner, fault);
  return *driver;
}

Status SlowedSide::Run(Stopwatch& watch) {
  const int64_t began = NowNs();
  LM_TRY(inner_.Run(watch));
  const int64_t now = NowNs();
  const int64_t until = now + static_cast<int64_t>(share_ * static_cast<double>(now - began));
  while (NowNs() < until) {
  }
  return Status::Ok();
}

}  // namespace layermark
