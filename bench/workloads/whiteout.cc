// Whiteouts: removing lower files, removing and making a directory again, listing over removed names.
#include <fmt/core.h>
#include <unistd.h>

#include "bench/harness/fixture.h"
#include "results/accounting.h"
#include "scenario/model.h"

namespace layermark {
namespace {

constexpr int kFiles = 1000;

std::string FileName(int i) {
  return fmt::format("d/file{:05}", i);
}

Layer Directory(int files) {
  Layer layer;
  layer.Dir("d");
  for (int i = 0; i < files; ++i) layer.File(FileName(i), "x");
  return layer;
}

Status SameAsLayer(const Layer& layer, const Manifest& seen) {
  ModelTree model;
  LM_TRY(model.Apply(layer));
  return Fixture::SameTree(model.ToManifest(), seen, "the lower layer");
}

// What a pair's raw twin and the oracle work on: an ordinary directory with the layer in it.
Result<Fd> RawTree(Fixture& fixture, const std::string& name, const Layer& layer) {
  const std::string path = fixture.raw_directory() + "/" + name;
  LM_TRY(MakeDirs(path));
  LM_ASSIGN(Fd root, Open(path, O_RDONLY | O_DIRECTORY));
  LM_TRY(ApplyLayer(layer, root.get()));
  return root;
}

Status Unlink(int root_fd, int i) {
  return unlinkat(root_fd, FileName(i).c_str(), 0) == 0 ? Status::Ok()
                                                        : Status::Errno("unlinkat", FileName(i));
}

class WhiteoutUnlink : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_TRY(fixture().subject().CommitLayer("base", "", Directory(kFiles)));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "base"));
    LM_ASSIGN(raw_root_, RawTree(fixture(), "tree", Directory(kFiles)));
    driver_ = std::make_unique<FunctionSide>(
        [this](Stopwatch&) { return Unlink(snapshot_.root_fd(), driver_at_++); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Unlink(raw_root_.get(), raw_at_++); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "base"));
    for (int i = 0; i < 50; ++i) LM_TRY(Unlink(snapshot.root_fd(), i));
    LM_ASSIGN(std::vector<std::string> names, ListDir(snapshot.root_fd(), "d"));
    LM_TRY(snapshot.Remount(api()));
    LM_ASSIGN(std::vector<std::string> again, ListDir(snapshot.root_fd(), "d"));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    LM_ASSIGN(Manifest base, fixture().subject().ViewManifest("base"));
    std::vector<std::string> expected;
    for (int i = 50; i < kFiles; ++i) expected.push_back(FileName(i).substr(2));
    if (names != expected)
      return WrongAnswer(
          fmt::format("{} names are listed after 50 of {} were removed", names.size(), kFiles));
    if (again != expected)
      return WrongAnswer(fmt::format("{} names are listed after mounting again", again.size()));
    return SameAsLayer(Directory(kFiles), base);
  }

  // What removing exactly 100 files leaves in the store.
  Result<Figures> Account() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("account", "base"));
    LM_ASSIGN(const SpaceCount before, CountSpace(fixture().subject().root()));
    LM_ASSIGN(const PoolState pool_before, ReadPool(context_.backing->path()));
    for (int i = 0; i < 100; ++i) LM_TRY(Unlink(snapshot.root_fd(), i));
    LM_ASSIGN(const PoolState pool_after, ReadPool(context_.backing->path()));
    LM_ASSIGN(const SpaceCount after, CountSpace(fixture().subject().root()));
    LM_TRY(snapshot.Unmount());
    return Figures{{Metric::whiteouts, static_cast<double>(after.whiteouts - before.whiteouts)},
                   {Metric::inodes, static_cast<double>(after.inodes - before.inodes)},
                   {Metric::pool_bytes, static_cast<double>(pool_after.used_bytes - pool_before.used_bytes)}};
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  MountedSnapshot snapshot_;
  Fd raw_root_;
  int driver_at_ = 0, raw_at_ = 0;
};

LM_WORKLOAD(whiteout_unlink,
            {.family = "whiteout",
             .summary = "unlink of a lower file; counts: what removing 100 of them leaves",
             .source = "performance.md W15",
             .operation = "unlink",
             .raw_twin = "the same in a directory of the bare backing file system",
             .min_pairs = 50,
             .max_pairs = 100,
             .gate = {.choices = {{}}, .max_pairs = kFiles - 1}},  // and one pair warms up
            MakeWorkload<WhiteoutUnlink>);

class WhiteoutRecreate : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    layer_ = Directory(static_cast<int>(context_.Number("files")));
    LM_TRY(fixture().subject().CommitLayer("base", "", layer_));
    driver_ = OnFreshSnapshot("base", [this](Stopwatch&) { return Recreate(fresh().root_fd()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Recreate(raw_root_.get()); },
                                          [this]() -> Status {
                                            LM_ASSIGN(raw_root_, RawTree(fixture(), "tree", layer_));
                                            return Status::Ok();
                                          },
                                          [this] { return RemoveTree(fixture().raw_directory() + "/tree"); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "base"));
    LM_TRY(Recreate(snapshot.root_fd()));
    for (int round = 0; round < 2; ++round) {
      LM_ASSIGN(std::vector<std::string> names, ListDir(snapshot.root_fd(), "d"));
      if (names != std::vector<std::string>{"new"}) {
        return WrongAnswer(fmt::format("the directory made again lists {} names", names.size()));
      }
      if (ExistsAt(snapshot.root_fd(), FileName(0)))
        return WrongAnswer("a removed file can be reached by name");
      if (round == 0) LM_TRY(snapshot.Remount(api()));
    }
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    LM_ASSIGN(Manifest base, fixture().subject().ViewManifest("base"));
    return SameAsLayer(layer_, base);
  }

 private:
  static Status Recreate(int root_fd) {
    LM_TRY(RemoveTreeAt(root_fd, "d"));
    if (mkdirat(root_fd, "d", 0755) != 0) return Status::Errno("mkdirat", "d");
    LM_ASSIGN(Fd fd, OpenAt(root_fd, "d/new", O_CREAT | O_EXCL | O_WRONLY, 0644));
    return fd.Close();
  }

  Layer layer_;
  Fd raw_root_;
};

LM_WORKLOAD(whiteout_recreate,
            {.family = "whiteout",
             .summary = "rm -rf of a lower directory, mkdir and one new file in it",
             .source = "performance.md W15",
             .params = {{"files", {{"100"}, {"100"}, {"100", "1000"}}}},
             .operation = "rm -rf, mkdir, create",
             .raw_twin = "the same in a directory of the bare backing file system",
             .min_pairs = 5,
             .max_pairs = 100,
             .gate = {.choices = {{{"files", "100"}}}}},
            MakeWorkload<WhiteoutRecreate>);

class WhiteoutList : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int removed = static_cast<int>(context_.Number("removed"));
    Layer removal;
    for (int i = 0; i < removed; ++i) removal.Remove(FileName(i));
    LM_TRY(fixture().subject().CommitLayer("base", "", Directory(kFiles)));
    LM_TRY(fixture().subject().CommitLayer("less", "base", removal));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "less"));
    Layer rest;
    rest.Dir("d");
    for (int i = removed; i < kFiles; ++i) rest.File(FileName(i), "x");
    LM_ASSIGN(raw_root_, RawTree(fixture(), "tree", rest));
    // A fresh mount has no cached listing of the merged directory.
    driver_ = std::make_unique<FunctionSide>(
        [this](Stopwatch&) { return ListDir(snapshot_.root_fd(), "d").status(); },
        [this] { return snapshot_.Remount(api()); });
    raw_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return ListDir(raw_root_.get(), "d").status(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(std::vector<std::string> seen, ListDir(snapshot_.root_fd(), "d"));
    LM_ASSIGN(std::vector<std::string> expected, ListDir(raw_root_.get(), "d"));
    if (seen != expected)
      return WrongAnswer(fmt::format("{} names are listed, not {}", seen.size(), expected.size()));
    return Status::Ok();
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(whiteout_list,
            {.family = "whiteout",
             .summary = "listing a directory of 1000 lower files of which a later layer removed some",
             .source = "performance.md W15, W18",
             .params = {{"removed", {{"500"}, {"0", "500"}, {"0", "500", "990"}}}},
             .operation = "open, getdents to the end, close; on a fresh mount",
             .raw_twin = "the same on a directory with the files that are left",
             .max_pairs = 100,
             .gate = {.choices = {{{"removed", "500"}}}}},
            MakeWorkload<WhiteoutList>);

}  // namespace
}  // namespace layermark
