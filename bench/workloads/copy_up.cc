// Copy-up: the first change of a lower file, by size and kind of change.
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include "bench/harness/fixture.h"
#include "core/tree/compare.h"

namespace layermark {
namespace {

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

enum class Change { kOpen, kChmod, kAppend, kTruncate };

Status Apply(Change change, int root_fd) {
  if (change == Change::kChmod) {
    return fchmodat(root_fd, "f", 0600, 0) == 0 ? Status::Ok() : Status::Errno("fchmodat", "f");
  }
  const int flags = change == Change::kAppend     ? O_WRONLY | O_APPEND
                    : change == Change::kTruncate ? O_WRONLY | O_TRUNC
                                                  : O_WRONLY;
  LM_ASSIGN(Fd fd, OpenAt(root_fd, "f", flags));
  if (change == Change::kAppend) LM_TRY(WriteAll(fd.get(), "+"));
  if (change == Change::kOpen) LM_TRY(PWriteAll(fd.get(), "+", 0));
  return fd.Close();
}

// `size` bytes that do not compress to nothing; "sparse" sizes have data at their start and middle alone.
Layer FileOf(int64_t size, bool sparse) {
  if (sparse) return Layer().Sparse("f", size, size / 2, std::string(65536, 's'));
  std::string data(static_cast<size_t>(size), '\0');
  uint64_t x = 88172645463325252ULL;
  for (char& c : data) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c = static_cast<char>(x);
  }
  return Layer().File("f", std::move(data));
}

template <Change change, bool sparse = false>
class CopyUp : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    layer_ = FileOf(context_.Number("size"), sparse);
    LM_TRY(fixture().subject().CommitLayer("base", "", layer_));
    LM_ASSIGN(base_, fixture().subject().ViewManifest("base"));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(raw_root_, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(ApplyLayer(layer_, raw_root_.get()));
    driver_ = OnFreshSnapshot("base", [this](Stopwatch&) { return Apply(change, fresh().root_fd()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Apply(change, raw_root_.get()); },
                                          [this]() -> Status {
                                            // The same file again, in its first state; only what the change
                                            // touches is put back.
                                            if (change == Change::kTruncate)
                                              return ApplyLayer(layer_, raw_root_.get());
                                            if (change == Change::kAppend) {
                                              return CutAppended();
                                            }
                                            return Status::Ok();
                                          });
    return Status::Ok();
  }

  Status Verify() override {
    const int64_t before_ns = NowNs() - 1'000'000'000;  // a file system's clock is coarser than the caller's
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", "base"));
    LM_TRY(Apply(change, snapshot.root_fd()));
    LM_ASSIGN(Manifest seen, ReadManifest(snapshot.root_fd()));
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    // The oracle: the same change on an ordinary file.
    const std::string path = fixture().raw_directory() + "/oracle";
    LM_TRY(MakeDirs(path));
    LM_ASSIGN(Fd root, Open(path, O_RDONLY | O_DIRECTORY));
    LM_TRY(ApplyLayer(layer_, root.get()));
    LM_TRY(Apply(change, root.get()));
    LM_ASSIGN(Manifest expected, ReadManifest(root.get()));
    LM_TRY(RemoveTree(path));
    // Times of the change itself differ, and whether it stays sparse is a matter of conformance, not of being
    // right.
    CompareOptions options;
    options.recent_after_ns = before_ns;
    options.hole_tolerance_bytes = -1;
    options.root_attributes = false;
    const std::vector<Difference> differences = Compare(expected, seen, options);
    if (!differences.empty()) return WrongAnswer("after the change: " + Describe(differences));
    LM_ASSIGN(Manifest base, fixture().subject().ViewManifest("base"));
    return Fixture::SameTree(base_, base, "the lower layer after the change");
  }

 private:
  Status CutAppended() {
    LM_ASSIGN(Fd fd, OpenAt(raw_root_.get(), "f", O_WRONLY));
    if (ftruncate(fd.get(), context_.Number("size")) != 0) return Status::Errno("ftruncate", "f");
    return Status::Ok();
  }

  Layer layer_;
  Manifest base_;
  Fd raw_root_;
};

const ParamValues kSizes = {{"4KiB"},
                            {"0", "4KiB", "64KiB", "1MiB", "16MiB", "64MiB"},
                            {"0", "4KiB", "64KiB", "1MiB", "16MiB", "64MiB", "128MiB"}};
const ParamValues kOneSize = {{"64KiB"}, {"1MiB"}, {"4KiB", "64KiB", "1MiB", "16MiB"}};

LM_WORKLOAD(copy_up_open,
            {.family = "copy_up",
             .summary = "first write to a lower file of a size",
             .source = "performance.md W13",
             .params = {{"size", kSizes}},
             .operation = "open O_WRONLY, pwrite of one byte, close",
             .raw_twin = "the same on a file of the bare backing file system",
             .min_pairs = 5,
             .max_pairs = 200,
             .gate = {.choices = {{{"size", "4KiB"}}, {{"size", "64KiB"}}}, .clock = GateClock::kCpu}},
            (MakeWorkload<CopyUp<Change::kOpen>>));
LM_WORKLOAD(copy_up_sparse,
            {.family = "copy_up",
             .summary = "first write to a lower file that is 1 GiB long and nearly all hole",
             .source = "performance.md W13; kernel commit 2ea98466",
             .params = {{"size", {{"64MiB"}, {"1GiB"}, {"1GiB"}}}},
             .operation = "open O_WRONLY, pwrite of one byte, close",
             .raw_twin = "the same on a file of the bare backing file system",
             .backing_bytes = int64_t{4} << 30,
             .min_pairs = 3,
             .max_pairs = 50,
             .deadline_seconds = 180},
            (MakeWorkload<CopyUp<Change::kOpen, true>>));
LM_WORKLOAD(copy_up_chmod,
            {.family = "copy_up",
             .summary = "chmod of a lower file",
             .source = "performance.md W14",
             .params = {{"size", kOneSize}},
             .operation = "chmod",
             .raw_twin = "the same on a file of the bare backing file system",
             .min_pairs = 5,
             .max_pairs = 200,
             .gate = {.choices = {{{"size", "64KiB"}}}, .clock = GateClock::kCpu}},
            (MakeWorkload<CopyUp<Change::kChmod>>));
LM_WORKLOAD(copy_up_append,
            {.family = "copy_up",
             .summary = "append of one byte to a lower file",
             .source = "performance.md W09",
             .params = {{"size", kOneSize}},
             .operation = "open O_APPEND, write of one byte, close",
             .raw_twin = "the same on a file of the bare backing file system",
             .min_pairs = 5,
             .max_pairs = 200,
             .gate = {.choices = {{{"size", "64KiB"}}}, .clock = GateClock::kCpu}},
            (MakeWorkload<CopyUp<Change::kAppend>>));
LM_WORKLOAD(copy_up_truncate,
            {.family = "copy_up",
             .summary = "open of a lower file with O_TRUNC: no data need be copied",
             .source = "properties 72",
             .params = {{"size", kOneSize}},
             .operation = "open O_TRUNC, close",
             .raw_twin = "the same on a file of the bare backing file system",
             .min_pairs = 5,
             .max_pairs = 200,
             .gate = {.choices = {{{"size", "64KiB"}}}, .clock = GateClock::kCpu}},
            (MakeWorkload<CopyUp<Change::kTruncate>>));

}  // namespace
}  // namespace layermark
