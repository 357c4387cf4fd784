// Writing: small updates in the middle of large lower files, and a long stream into a new file.
#include <fmt/core.h>
#include <unistd.h>

#include "bench/harness/file_set.h"
#include "bench/harness/space_meter.h"

namespace layermark {
namespace {

constexpr int64_t kFileBytes = int64_t{1} << 20;

class UpdateMiddle : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = EqualFiles(context_.Number("files"), kFileBytes);
    LM_TRY(CommitFileSet(fixture(), "base", set_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, raw_root_.get()));
    driver_ = OnFreshSnapshot("base", [this](Stopwatch&) { return Update(fresh().root_fd()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Update(raw_root_.get()); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(Update(raw_root_.get()));
    uint64_t expected = 0, seen = 0;
    LM_TRY(ReadEach(set_, raw_root_.get(), &expected));
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "base"));
    LM_TRY(Update(snapshot.root_fd()));
    LM_TRY(ReadEach(set_, snapshot.root_fd(), &seen));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    return seen == expected ? Status::Ok() : WrongAnswer("the updated files have other content");
  }

  // What the updates alone add to a container that is there already.
  Result<Figures> Account() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("account", "base"));
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_TRY(Update(snapshot.root_fd()));
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(snapshot.Unmount());
    return figures;
  }

 private:
  Status Update(int root_fd) const {
    for (const FileSet::File& file : set_.files) {
      LM_ASSIGN(Fd fd, OpenAt(root_fd, file.path, O_WRONLY));
      LM_TRY(PWriteAll(fd.get(), "abcd", kFileBytes / 2));
      LM_TRY(fd.Close());
    }
    return Status::Ok();
  }

  FileSet set_;
  Fd raw_root_;
};

LM_WORKLOAD(update_middle,
            {.family = "copy_up",
             .summary = "four bytes in the middle of each of N lower files of 1 MiB; counts: what that adds",
             .source = "performance.md W25",
             .from = From::kQuick,
             .params = {{"files", {{"4"}, {"10"}, {"100"}}}},
             .operation = "open O_WRONLY, pwrite of 4 bytes, close; N times",
             .raw_twin = "the same on files of the bare backing file system",
             .backing_bytes = int64_t{3} << 30,
             .min_pairs = 6,
             .max_pairs = 50,
             .seconds_quick = 0.1},
            MakeWorkload<UpdateMiddle>);

class StreamWrite : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;
  // The stream wraps here, so that its length is not bound by the backing's size.
  static constexpr int64_t kWindow = 64;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    block_.assign(static_cast<size_t>(kFileBytes), 's');
    LM_TRY(fixture().subject().CommitLayer("base", "", Layer().File("f", "base")));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "base"));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    driver_ = OnTree([this] { return snapshot_.root_fd(); });
    raw_ = OnTree([this] { return raw_root_.get(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(Stream(snapshot_.root_fd()));
    LM_ASSIGN(const std::string seen, ReadFileAt(snapshot_.root_fd(), "stream"));
    const int64_t expected = std::min(context_.Number("writes"), kWindow) * kFileBytes;
    if (static_cast<int64_t>(seen.size()) != expected || seen.find_first_not_of('s') != std::string::npos)
      return WrongAnswer(fmt::format("{} bytes can be read again, not {}", seen.size(), expected));
    return Unlink(snapshot_.root_fd());
  }

  Status TearDown() override { return snapshot_.Unmount(); }

 private:
  std::unique_ptr<Side> OnTree(std::function<int()> root) {
    return std::make_unique<FunctionSide>([this, root](Stopwatch&) { return Stream(root()); },
                                          FunctionSide::Step{}, [root] { return Unlink(root()); });
  }

  static Status Unlink(int root_fd) {
    return unlinkat(root_fd, "stream", 0) == 0 ? Status::Ok() : Status::Errno("unlinkat", "stream");
  }

  Status Stream(int root_fd) const {
    LM_ASSIGN(Fd fd, OpenAt(root_fd, "stream", O_CREAT | O_EXCL | O_WRONLY, 0644));
    for (int64_t i = 0; i < context_.Number("writes"); ++i)
      LM_TRY(PWriteAll(fd.get(), block_, (i % kWindow) * kFileBytes));
    return fd.Close();
  }

  std::string block_;
  MountedSnapshot snapshot_;
  Fd raw_root_;
};

LM_WORKLOAD(
    stream_write,
    {.family = "writing",
     .summary = "N writes of 1 MiB each into a new file of at most 64 MiB (then from its start again)",
     .source = "performance.md W22; fuse-overlayfs issue 390",
     .from = From::kQuick,
     .params = {{"writes", {{"16"}, {"32"}, {"32", "4024"}}}},
     .operation = "open O_CREAT, N times pwrite of 1 MiB, close",
     .raw_twin = "the same on the bare backing file system",
     .min_pairs = 6,
     .max_pairs = 40,
     .seconds_quick = 0.2,
     .hard_seconds = 2,
     .deadline_seconds = 180},
    MakeWorkload<StreamWrite>);

}  // namespace
}  // namespace layermark
