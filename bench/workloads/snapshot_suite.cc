// The suite that containerd times its snapshotters with, and a chain of layers that each change one file.
#include <fmt/core.h>
#include <unistd.h>

#include <set>

#include "bench/harness/file_set.h"
#include "bench/harness/space_meter.h"

namespace layermark {
namespace {

// One change of a layer: a file made, four bytes in its middle written, or removed.
struct Operation {
  enum { kCreate, kUpdate, kRemove } kind = kCreate;
  std::string name;
};

// Ten operations for each layer, counted from 1: 5 updates, 4 new files and a removal where 3 divides the
// number; 4, 4 and 2 where it is even; 10 new files else. The first layers have less to update.
std::vector<std::vector<Operation>> PlanOf(int64_t layers) {
  std::vector<std::vector<Operation>> plan;
  std::set<std::string> there;
  int made = 0;
  for (int64_t layer = 1; layer <= layers; ++layer) {
    size_t updates = layer % 3 == 0 ? 5 : layer % 2 == 0 ? 4 : 0;
    size_t removals = layer % 3 == 0 ? 1 : layer % 2 == 0 ? 2 : 0;
    updates = std::min(updates, there.size());
    removals = std::min(removals, there.size() - updates);
    std::vector<Operation> operations;
    auto oldest = there.begin();
    for (size_t i = 0; i < updates; ++i) operations.push_back({Operation::kUpdate, *oldest++});
    for (size_t i = 0; i < removals; ++i) {
      operations.push_back({Operation::kRemove, *oldest});
      oldest = there.erase(oldest);
    }
    while (operations.size() < 10) {
      operations.push_back({Operation::kCreate, fmt::format("f{:04}", made++)});
      there.insert(operations.back().name);
    }
    plan.push_back(std::move(operations));
  }
  return plan;
}

class SnapshotSuite : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    plan_ = PlanOf(context_.Number("layers"));
    data_.assign(static_cast<size_t>(context_.Number("size")), 'd');
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) { return OnDriver(&watch); },
                                             FunctionSide::Step{}, [this] { return RemoveChain(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnDirectory(); },
                                          [this] { return MakeDirs(tree()); },
                                          [this] { return RemoveTree(tree()); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(MakeDirs(tree()));
    LM_TRY(OnDirectory());
    LM_ASSIGN(Manifest expected, ReadManifest(tree()));
    LM_TRY(RemoveTree(tree()));
    LM_TRY(OnDriver(nullptr));
    LM_ASSIGN(Manifest seen, fixture().subject().ViewManifest(names_.back()));
    LM_TRY(RemoveChain());
    return Fixture::SameContent(expected, seen, "the top layer");
  }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(OnDriver(nullptr));
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(RemoveChain());
    return figures;
  }

 private:
  std::string tree() { return fixture().raw_directory() + "/suite"; }

  Status Write(int root_fd, const std::vector<Operation>& operations) const {
    for (const Operation& operation : operations) {
      if (operation.kind == Operation::kRemove) {
        if (unlinkat(root_fd, operation.name.c_str(), 0) != 0)
          return Status::Errno("unlinkat", operation.name);
      } else if (operation.kind == Operation::kUpdate) {
        LM_ASSIGN(Fd fd, OpenAt(root_fd, operation.name, O_WRONLY));
        LM_TRY(PWriteAll(fd.get(), "abcd", static_cast<off_t>(data_.size() / 2)));
        LM_TRY(fd.Close());
      } else {
        LM_TRY(WriteFileAt(root_fd, operation.name, data_));
      }
    }
    return Status::Ok();
  }

  Status OnDriver(Stopwatch* watch) {
    const auto stamp = [&](Metric metric) {
      if (watch != nullptr) watch->Sum(metric);
    };
    for (size_t i = 0; i < plan_.size(); ++i) {
      const std::string parent = names_.empty() ? "" : names_.back();
      LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("work", parent));
      stamp(Metric::phase_prepare);
      {
        LM_ASSIGN(MountedSnapshot snapshot, MountedSnapshot::Mount("work", mounts));
        LM_TRY(Write(snapshot.root_fd(), plan_[i]));
        LM_TRY(snapshot.Unmount());
      }
      stamp(Metric::phase_write);
      names_.push_back(fmt::format("suite{:03}", i));
      LM_TRY(api().Commit(names_.back(), "work"));
      stamp(Metric::phase_commit);
    }
    return Status::Ok();
  }

  Status OnDirectory() {
    LM_ASSIGN(const Fd root, Open(tree(), O_RDONLY | O_DIRECTORY));
    for (const auto& operations : plan_) LM_TRY(Write(root.get(), operations));
    return Status::Ok();
  }

  Status RemoveChain() {
    for (; !names_.empty(); names_.pop_back()) LM_TRY(api().Remove(names_.back()));
    return Status::Ok();
  }

  std::vector<std::vector<Operation>> plan_;
  std::string data_;
  std::vector<std::string> names_;
};

LM_WORKLOAD(snapshot_suite,
            {.family = "layer_stacking",
             .summary = "N layers of ten operations each: new files, updates of four bytes, removals",
             .source = "performance.md W06; containerd snapshot benchsuite",
             .from = From::kQuick,
             .params = {{"layers", {{"16"}, {"16"}, {"16"}}},
                        {"size", {{"16KiB"}, {"64KiB"}, {"64KiB", "1MiB"}}}},
             .operation = "for each layer: prepare; mount, write, unmount; commit",
             .raw_twin = "the same writes in one directory of the bare backing file system",
             .backing_bytes = int64_t{3} << 30,
             .min_pairs = 6,
             .max_pairs = 20,
             .seconds_quick = 0.2,
             .hard_seconds = 40,
             .deadline_seconds = 240},
            MakeWorkload<SnapshotSuite>);

// A base of many files and N layers on it, each of which changes 16 KiB.
class LayerChain : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;
  static constexpr int64_t kFileBytes = 16 << 10;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = EqualFiles(context_.Number("files"), kFileBytes);
    LM_TRY(CommitFileSet(fixture(), "base", set_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, raw_root_.get()));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Grow(); }, FunctionSide::Step{},
                                             [this] { return RemoveChain(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return EditRaw(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(EditRaw());
    LM_ASSIGN(Manifest expected, ReadManifest(raw_root_.get()));
    LM_TRY(Grow());
    LM_ASSIGN(Manifest seen, fixture().subject().ViewManifest(names_.back()));
    LM_TRY(RemoveChain());
    return Fixture::SameContent(expected, seen, "the top layer");
  }

  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(Grow());
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(RemoveChain());
    return figures;
  }

 private:
  Status Edit(int root_fd, size_t layer) const {
    const std::string& path = set_.files[layer % set_.files.size()].path;
    LM_ASSIGN(Fd fd, OpenAt(root_fd, path, O_WRONLY));
    LM_TRY(PWriteAll(fd.get(), std::string(kFileBytes, 'e'), 0));
    return fd.Close();
  }

  size_t layers() const { return static_cast<size_t>(context_.Number("layers")); }

  Status Grow() {
    for (size_t i = 0; i < layers(); ++i) {
      LM_ASSIGN(MountedSnapshot snapshot,
                fixture().subject().Prepare("work", names_.empty() ? "base" : names_.back()));
      LM_TRY(Edit(snapshot.root_fd(), i));
      LM_TRY(snapshot.Unmount());
      const std::string name = fmt::format("chain{:03}", i);
      LM_TRY(api().Commit(name, "work"));
      names_.push_back(name);
    }
    return Status::Ok();
  }

  Status EditRaw() {
    for (size_t i = 0; i < layers(); ++i) LM_TRY(Edit(raw_root_.get(), i));
    return Status::Ok();
  }

  Status RemoveChain() {
    for (; !names_.empty(); names_.pop_back()) LM_TRY(api().Remove(names_.back()));
    return Status::Ok();
  }

  FileSet set_;
  Fd raw_root_;
  std::vector<std::string> names_;
};

// A driver that copies takes the base once for each layer.
std::optional<Lack> RoomForChain(const WorkloadContext& context) {
  const bool shares = context.instance->Has(Capability::shares_bytes);
  const int64_t base = context.Number("files") * (LayerChain::kFileBytes + 512);
  return NeedsRoom(context, base * (shares ? 3 : context.Number("layers") + 4));
}

LM_WORKLOAD(layer_chain,
            {.family = "layer_stacking",
             .summary = "N layers on a base of files of 16 KiB, each of which rewrites one of them",
             .source = "performance.md W07; dkwon17 storage-driver-test",
             .from = From::kFull,
             .params = {{"files", {{"64"}, {"256"}, {"1024", "4096"}}},
                        {"layers", {{"1", "8"}, {"1", "16", "64"}, {"1", "2", "4", "8", "16", "32", "64"}}}},
             .operation = "for each layer: prepare, mount, write of 16 KiB, unmount, commit",
             .raw_twin = "the same writes in one directory of the bare backing file system",
             .probe = RoomForChain,
             .backing_bytes = int64_t{4} << 30,
             .backing_inodes = 400000,
             .min_pairs = 3,
             .max_pairs = 20,
             .deadline_seconds = 300},
            MakeWorkload<LayerChain>);

}  // namespace
}  // namespace layermark
