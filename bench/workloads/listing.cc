// Listing: one directory that many layers filled, and a walk over a whole tree.
#include <dirent.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include "bench/harness/file_set.h"
#include "bench/harness/tree_walk.h"

namespace layermark {
namespace {

class MergedDirectory : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int64_t layers = context_.Number("layers");
    const int64_t entries = context_.Number("entries");
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    std::vector<Layer> chain(static_cast<size_t>(layers));
    chain[0].Dir("d");
    for (int64_t i = 0; i < entries; ++i) {
      chain[static_cast<size_t>(i % layers)].File(fmt::format("d/entry{:06}", i), "");
    }
    for (const Layer& layer : chain) LM_TRY(ApplyLayer(layer, raw_root_.get()));
    LM_ASSIGN(const std::string top, fixture().subject().CommitChain(chain));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", top));
    // A fresh mount has no merged listing in its cache.
    driver_ = std::make_unique<FunctionSide>(
        [this](Stopwatch&) { return ListDir(snapshot_.root_fd(), "d").status(); },
        [this] { return snapshot_.Remount(); });
    raw_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return ListDir(raw_root_.get(), "d").status(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const std::vector<std::string> seen, ListDir(snapshot_.root_fd(), "d"));
    LM_ASSIGN(const std::vector<std::string> expected, ListDir(raw_root_.get(), "d"));
    if (seen == expected) return Status::Ok();
    return WrongAnswer(fmt::format("{} names are listed, not {}", seen.size(), expected.size()));
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(list_merged,
            {.family = "listing",
             .summary = "listing one directory whose entries came in N layers",
             .source = "performance.md W18",
             .from = From::kFull,
             .params = {{"entries", {{"100"}, {"1000"}, {"10000"}}},
                        {"layers", {{"1", "10"}, {"1", "10", "50"}, {"1", "10", "50"}}}},
             .operation = "open, getdents to the end, close; on a fresh mount",
             .raw_twin = "the same on an ordinary directory with all entries, warm",
             .param_needs = {{{"layers", "50"}, Capability::layers_128}},
             .backing_bytes = int64_t{3} << 30,
             .backing_inodes = 800000,
             .max_pairs = 100},
            MakeWorkload<MergedDirectory>);

class ListTree : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int64_t files = context_.Number("files");
    const FileSet set = WideTree(files / 10, files, 64);
    LM_TRY(CommitFileSet(fixture(), "tree", set));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "tree"));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set, raw_root_.get()));
    const bool cold = context_.Text("cache") == "cold";
    driver_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return WalkTree(snapshot_.root_fd()).status(); },
                                       [this, cold] { return cold ? snapshot_.Remount() : Status::Ok(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return WalkTree(raw_root_.get()).status(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const TreeWalk expected, WalkTree(raw_root_.get()));
    LM_ASSIGN(const TreeWalk seen, WalkTree(snapshot_.root_fd()));
    if (seen == expected) return Status::Ok();
    return WrongAnswer(fmt::format("a walk sees {} entries and {} bytes, not {} and {}", seen.entries,
                                   seen.file_bytes, expected.entries, expected.file_bytes));
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(list_tree,
            {.family = "listing",
             .summary = "ls -lR in the process: every directory read, every entry's attributes asked",
             .source = "performance.md W18; composefs mailing-list thread of 2023",
             .from = From::kFull,
             .params = {{"cache", {{"cold"}, {"cold", "warm"}, {"cold", "warm"}}},
                        {"files", {{"400"}, {"4000"}, {"40000"}}}},
             .operation = "getdents and fstatat of everything; cold: on a fresh mount",
             .raw_twin = "the same on the bare backing file system, warm",
             .backing_bytes = int64_t{2} << 30,
             .backing_inodes = 400000,
             .min_pairs = 5,
             .max_pairs = 60,
             .deadline_seconds = 240},
            MakeWorkload<ListTree>);

}  // namespace
}  // namespace layermark
