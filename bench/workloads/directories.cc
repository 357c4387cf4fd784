// Directories: making many and removing them, and renaming one that a lower layer brought.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "bench/harness/fixture.h"

namespace layermark {
namespace {

constexpr int kPerDirectory = 1000;

std::string NameOf(int64_t i) {
  return fmt::format("m{}/d{}", i / kPerDirectory, i);
}

class MakeDirectories : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_TRY(fixture().subject().CommitLayer("base", "", Layer().File("f", "base")));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "base"));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    driver_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return MakeAndRemove(snapshot_.root_fd()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return MakeAndRemove(raw_root_.get()); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(Make(snapshot_.root_fd()));
    const int64_t count = context_.Number("count");
    int64_t seen = 0;
    for (int64_t m = 0; m * kPerDirectory < count; ++m) {
      LM_ASSIGN(const std::vector<std::string> names, ListDir(snapshot_.root_fd(), fmt::format("m{}", m)));
      seen += static_cast<int64_t>(names.size());
    }
    if (seen != count) return WrongAnswer(fmt::format("{} directories are listed, not {}", seen, count));
    LM_TRY(Remove(snapshot_.root_fd()));
    LM_ASSIGN(const std::vector<std::string> left, ListDir(snapshot_.root_fd()));
    if (left != std::vector<std::string>{"f"})
      return WrongAnswer(fmt::format("{} names are left after all directories were removed", left.size()));
    return Status::Ok();
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  Status Make(int root_fd) const {
    for (int64_t i = 0; i < context_.Number("count"); ++i) {
      const std::string name = NameOf(i);
      if (i % kPerDirectory == 0) LM_TRY(MakeDirsAt(root_fd, name.substr(0, name.find('/'))));
      if (mkdirat(root_fd, name.c_str(), 0755) != 0) return Status::Errno("mkdirat", name);
    }
    return Status::Ok();
  }

  Status Remove(int root_fd) const {
    for (int64_t m = 0; m * kPerDirectory < context_.Number("count"); ++m)
      LM_TRY(RemoveTreeAt(root_fd, fmt::format("m{}", m)));
    return Status::Ok();
  }

  Status MakeAndRemove(int root_fd) const {
    LM_TRY(Make(root_fd));
    return Remove(root_fd);
  }

  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(make_directories,
            {.family = "directories",
             .summary = "mkdir of N directories, then removal of all",
             .source = "performance.md W16; fuse-overlayfs pull requests 88, 91, 92",
             .from = From::kFull,
             .params = {{"count", {{"100"}, {"1000"}, {"1000", "20000", "200000"}}}},
             .operation = "N times mkdir; then each directory listed and removed",
             .raw_twin = "the same on the bare backing file system",
             .backing_bytes = int64_t{3} << 30,
             .backing_inodes = 500000,
             .min_pairs = 6,
             .max_pairs = 60,
             .deadline_seconds = 300},
            MakeWorkload<MakeDirectories>);

class RenameDirectory : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    layer_.Dir("d");
    for (int64_t i = 0; i < context_.Number("files"); ++i) layer_.File(fmt::format("d/f{}", i), "x");
    LM_TRY(fixture().subject().CommitLayer("base", "", layer_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(ApplyLayer(layer_, raw_root_.get()));
    driver_ = OnFreshSnapshot("base", [this](Stopwatch&) { return Move(fresh().root_fd(), "d", "e"); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Move(raw_root_.get(), "d", "e"); },
                                          FunctionSide::Step{},
                                          [this] { return Move(raw_root_.get(), "e", "d"); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "base"));
    LM_TRY(Move(snapshot.root_fd(), "d", "e"));
    LM_TRY(snapshot.Remount(api()));
    LM_ASSIGN(const std::vector<std::string> seen, ListDir(snapshot.root_fd(), "e"));
    LM_ASSIGN(const std::vector<std::string> expected, ListDir(raw_root_.get(), "d"));
    if (seen != expected || ExistsAt(snapshot.root_fd(), "d"))
      return WrongAnswer(
          fmt::format("the renamed directory shows {} of {} names", seen.size(), expected.size()));
    LM_ASSIGN(const std::string content, ReadFileAt(snapshot.root_fd(), "e/f0"));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    return content == "x" ? Status::Ok() : WrongAnswer("a file of the renamed directory has other content");
  }

 private:
  static Status Move(int root_fd, const char* from, const char* to) {
    return renameat(root_fd, from, root_fd, to) == 0 ? Status::Ok() : Status::Errno("renameat", from);
  }

  Layer layer_;
  Fd raw_root_;
};

LM_WORKLOAD(rename_directory,
            {.family = "directories",
             .summary = "rename of a directory that a lower layer brought",
             .source = "performance.md W15",
             .from = From::kFull,
             .params = {{"files", {{"10"}, {"100"}, {"100", "10000"}}}},
             .operation = "rename",
             .raw_twin = "the same on the bare backing file system",
             .needs = {Capability::rename_dir},
             .min_pairs = 5,
             .max_pairs = 100},
            MakeWorkload<RenameDirectory>);

}  // namespace
}  // namespace layermark
