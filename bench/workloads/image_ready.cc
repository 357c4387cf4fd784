// Image ready: until a container has read the part of its image that it needs, as HelloBench found it.
#include <fcntl.h>
#include <fmt/core.h>

#include "bench/harness/file_set.h"
#include "bench/harness/space_meter.h"

namespace layermark {
namespace {

constexpr double kNeeded = 0.064;  // the part of an image's bytes that a start reads
constexpr int64_t kFileBytes = 64 << 10;

FileSet SetOf(const WorkloadContext& context) {
  const int64_t files = context.Number("size") / kFileBytes;
  return WideTree(std::max<int64_t>(1, files / 10), files, kFileBytes);
}

class ImageReady : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    set_ = SetOf(context_);
    LM_TRY(CommitFileSet(fixture(), "image", set_));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set_, raw_root_.get()));
    // Whole files, spread over the tree.
    const auto count = static_cast<size_t>(kNeeded * static_cast<double>(set_.files.size()) + 0.5);
    needed_.directories = set_.directories;
    for (size_t i = 0; i < std::max<size_t>(1, count); ++i)
      needed_.files.push_back(set_.files[i * set_.files.size() / std::max<size_t>(1, count)]);
    driver_ = std::make_unique<FunctionSide>(
        [this](Stopwatch& watch) -> Status {
          LM_ASSIGN(snapshot_, fixture().subject().Prepare(NextKey("k"), "image"));
          LM_TRY(Ready(snapshot_.root_fd()));
          watch.Phase(Metric::ready_time);
          return Status::Ok();
        },
        FunctionSide::Step{},
        [this]() -> Status {
          LM_TRY(Forget(snapshot_.root_fd()));
          LM_TRY(snapshot_.Unmount());
          return api().Remove(snapshot_.key());
        });
    raw_ = std::make_unique<FunctionSide>(
        [this](Stopwatch& watch) -> Status {
          LM_TRY(Ready(raw_root_.get()));
          watch.Phase(Metric::ready_time);
          return Status::Ok();
        },
        FunctionSide::Step{}, [this] { return Forget(raw_root_.get()); });
    return Status::Ok();
  }

  Status Verify() override {
    uint64_t expected = 0, seen = 0;
    LM_TRY(ReadEach(set_, raw_root_.get(), &expected));
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "image"));
    LM_TRY(Ready(snapshot.root_fd()));
    LM_TRY(ReadEach(set_, snapshot.root_fd(), &seen));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    return seen == expected ? Status::Ok() : WrongAnswer("the container does not show the image");
  }

  // The bytes that were moved for one container: what its making added to the store, and what it read.
  Result<Figures> Account() override {
    SpaceMeter meter(fixture().subject().root(), context_.backing->path());
    LM_TRY(meter.Begin());
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("account", "image"));
    LM_TRY(Ready(snapshot.root_fd()));
    LM_ASSIGN(Figures figures, meter.End());
    LM_TRY(snapshot.Unmount());
    figures[Metric::moved_bytes] = figures[Metric::allocated_bytes] + static_cast<double>(needed_.bytes());
    return figures;
  }

 private:
  Status Ready(int root_fd) const {
    LM_TRY(ReadEach(needed_, root_fd));
    return WriteFileAt(root_fd, "ready", "ready");
  }

  // Out of the page cache, so that the next start reads them from the backing again.
  Status Forget(int root_fd) const {
    for (const FileSet::File& file : needed_.files) {
      LM_ASSIGN(const Fd fd, OpenAt(root_fd, file.path, O_RDONLY));
      if (const int error = posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0)
        return Status::Errno("posix_fadvise", file.path, error);
    }
    return Status::Ok();
  }

  FileSet set_, needed_;
  Fd raw_root_;
  MountedSnapshot snapshot_;
};

std::optional<Lack> RoomForImage(const WorkloadContext& context) {
  return NeedsRoom(context, context.Number("size") * 4);
}

LM_WORKLOAD(image_ready,
            {.family = "container_start",
             .summary = "until a container has read 6.4 % of its image, in whole files, and written a marker",
             .source = "performance.md W05; Slacker, FAST 2016",
             .from = From::kFull,
             .params = {{"size", {{"4MiB"}, {"32MiB"}, {"32MiB", "128MiB", "512MiB"}}}},
             .operation = "prepare, mount, read the files that are needed, write a file",
             .raw_twin = "the same read and write in an ordinary directory of the image",
             .probe = RoomForImage,
             .backing_bytes = int64_t{3} << 30,
             .min_pairs = 6,
             .max_pairs = 60,
             .deadline_seconds = 240},
            MakeWorkload<ImageReady>);

}  // namespace
}  // namespace layermark
