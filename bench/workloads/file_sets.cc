// File sets: appending to, and reading, every file of a set, by one container or many at once.
#include <fmt/core.h>

#include <thread>

#include "bench/harness/file_set.h"
#include "bench/harness/space_meter.h"

namespace layermark {
namespace {

enum class Kind { kSmall, kTree, kBig };
enum class What { kAppend, kRead };

constexpr const char* kLine = "log\n\n";  // 5 bytes
constexpr int64_t kBlock = 4096;

FileSet SetOf(Kind kind, const WorkloadContext& context) {
  switch (kind) {
    case Kind::kSmall:
      return EqualFiles(context.Number("files"), 512);
    case Kind::kTree:
      return LeafTree(context.Number("depth"));
    case Kind::kBig:
      return BigFiles(10, context.Number("unit"));
  }
  return {};
}

// Whether the set and what the containers copy of it fit on the backing.
template <Kind kind>
std::optional<Lack> RoomFor(const WorkloadContext& context) {
  const FileSet set = SetOf(kind, context);
  int64_t bytes = 0;
  for (const FileSet::File& file : set.files) bytes += (file.bytes + kBlock - 1) / kBlock * kBlock + kBlock;
  bytes += static_cast<int64_t>(set.directories.size()) * kBlock;
  // The set, the raw twin's, and a copy for each container, by Prepare or by copy-up.
  return NeedsRoom(context, bytes * (3 + context.Number("containers")) * 5 / 4);
}

template <Kind kind, What what>
class OnFileSet : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = SetOf(kind, context_);
    containers_ = static_cast<size_t>(context_.Number("containers"));
    LM_TRY(CommitFileSet(fixture(), "set", set_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, raw_root_.get()));
    if (what == What::kRead) {
      LM_TRY(PrepareAll());
      driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnAll(true); });
      raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnAll(false); });
    } else {
      driver_ =
          std::make_unique<FunctionSide>([this](Stopwatch&) { return OnAll(true); },
                                         [this] { return PrepareAll(); }, [this] { return RemoveAll(); });
      raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnAll(false); }, FunctionSide::Step{},
                                            [this] { return CutEach(set_, raw_root_.get()); });
    }
    return Status::Ok();
  }

  // Every container sees the set, and its own lines in it; the set itself stays as it was.
  Status Verify() override {
    uint64_t expected = 0;
    LM_TRY(ReadEach(set_, raw_root_.get(), &expected));
    if (what == What::kAppend) LM_TRY(PrepareAll());
    for (const MountedSnapshot& snapshot : snapshots_) {
      uint64_t seen = 0;
      LM_TRY(ReadEach(set_, snapshot.root_fd(), &seen));
      if (seen != expected) return WrongAnswer(snapshot.key() + " does not show what was put into the set");
    }
    if (what == What::kRead) return Status::Ok();
    LM_TRY(OnAll(true));
    LM_TRY(AppendToEach(set_, raw_root_.get(), kLine));
    LM_ASSIGN(Manifest tree, ReadManifest(raw_root_.get()));
    for (const MountedSnapshot& snapshot : snapshots_) {
      LM_ASSIGN(Manifest seen, ReadManifest(snapshot.root_fd()));
      LM_TRY(Fixture::SameContent(tree, seen, snapshot.key()));
    }
    LM_TRY(RemoveAll());
    LM_TRY(CutEach(set_, raw_root_.get()));
    LM_ASSIGN(MountedSnapshot view, fixture().subject().View("view", "set"));
    uint64_t seen = 0;
    LM_TRY(ReadEach(set_, view.root_fd(), &seen));
    LM_TRY(view.Unmount());
    LM_TRY(api().Remove("view"));
    return seen == expected ? Status::Ok() : WrongAnswer("the set has changed below the containers");
  }

  Result<Figures> Account() override {
    if (what == What::kRead) return Figures{};
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(PrepareAll());
    LM_TRY(OnAll(true));
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(RemoveAll());
    return figures;
  }

  Status TearDown() override { return RemoveAll(); }

 private:
  Status PrepareAll() {
    for (size_t i = 0; i < containers_; ++i) {
      LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(fmt::format("c{}", i), "set"));
      snapshots_.push_back(std::move(snapshot));
    }
    return Status::Ok();
  }

  Status RemoveAll() {
    for (MountedSnapshot& snapshot : snapshots_) {
      LM_TRY(snapshot.Unmount());
      LM_TRY(api().Remove(snapshot.key()));
    }
    snapshots_.clear();
    return Status::Ok();
  }

  Status One(int root_fd) const {
    return what == What::kRead ? ReadEach(set_, root_fd) : AppendToEach(set_, root_fd, kLine);
  }

  // A thread for each container; the raw twin's work on the one ordinary directory.
  Status OnAll(bool on_driver) {
    const auto root = [&](size_t i) { return on_driver ? snapshots_[i].root_fd() : raw_root_.get(); };
    if (containers_ == 1) return One(root(0));
    std::vector<std::thread> threads;
    std::vector<Status> statuses(containers_);
    for (size_t i = 0; i < containers_; ++i) threads.emplace_back([&, i] { statuses[i] = One(root(i)); });
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) LM_TRY(status);
    return Status::Ok();
  }

  FileSet set_;
  size_t containers_ = 1;
  Fd raw_root_;
  std::vector<MountedSnapshot> snapshots_;
};

// A hundred containers that copy up ten thousand files each take minutes for one operation: reading alone
// goes there.
const ParamValues kReaders = {{"1"}, {"1", "10"}, {"1", "10", "100"}};
const ParamValues kWriters = {{"1"}, {"1", "10"}, {"1", "10"}};

// What all six share.
WorkloadInfo Info(const char* summary, const char* source, const char* param, ParamValues values, What what,
                  std::optional<Lack> (*probe)(const WorkloadContext&)) {
  WorkloadInfo info;
  info.family = "file_sets";
  info.summary = summary;
  info.source = source;
  info.from = From::kFull;
  info.params = {{param, std::move(values)}, {"containers", what == What::kRead ? kReaders : kWriters}};
  info.operation = what == What::kRead
                       ? "open, read to the end, close, of each file; in each container"
                       : "open O_APPEND, write of 5 bytes, close, of each file; in each container";
  info.raw_twin = "as many threads do the same in one directory of the bare backing file system";
  info.probe = probe;
  info.backing_bytes = int64_t{4} << 30;
  info.backing_inodes = 600000;
  info.min_pairs = 3;
  info.max_pairs = 40;
  info.deadline_seconds = 400;
  info.inexact_counts = {{"containers", "10"}, {"containers", "100"}};
  return info;
}

const ParamValues kFiles = {{"100"}, {"1001"}, {"10001"}};
const ParamValues kDepth = {{"6"}, {"10"}, {"14"}};
const ParamValues kUnit = {{"4KiB"}, {"64KiB"}, {"64KiB", "1MiB"}};

LM_WORKLOAD(append_small,
            Info("append a line to each of many files of 512 bytes", "performance.md W08", "files", kFiles,
                 What::kAppend, RoomFor<Kind::kSmall>),
            (MakeWorkload<OnFileSet<Kind::kSmall, What::kAppend>>));
LM_WORKLOAD(append_big,
            Info("append 5 bytes to 10 files each of 1, 8, 32 and 128 units", "performance.md W09", "unit",
                 kUnit, What::kAppend, RoomFor<Kind::kBig>),
            (MakeWorkload<OnFileSet<Kind::kBig, What::kAppend>>));
LM_WORKLOAD(append_tree,
            Info("append to each leaf of a binary tree of directories", "performance.md W10", "depth", kDepth,
                 What::kAppend, RoomFor<Kind::kTree>),
            (MakeWorkload<OnFileSet<Kind::kTree, What::kAppend>>));
LM_WORKLOAD(read_big,
            Info("read 10 files each of 1, 8, 32 and 128 units, warm", "performance.md W11", "unit", kUnit,
                 What::kRead, RoomFor<Kind::kBig>),
            (MakeWorkload<OnFileSet<Kind::kBig, What::kRead>>));
LM_WORKLOAD(read_small,
            Info("read many files of 512 bytes, warm", "performance.md W12", "files", kFiles, What::kRead,
                 RoomFor<Kind::kSmall>),
            (MakeWorkload<OnFileSet<Kind::kSmall, What::kRead>>));
LM_WORKLOAD(read_tree,
            Info("read each leaf of a binary tree of directories, warm", "performance.md W12", "depth",
                 kDepth, What::kRead, RoomFor<Kind::kTree>),
            (MakeWorkload<OnFileSet<Kind::kTree, What::kRead>>));

}  // namespace
}  // namespace layermark
