// Queue I/O: random and sequential blocks of one file with several requests in flight, through io_uring.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>

#include "bench/harness/file_set.h"
#include "core/skip_code.h"
#include "core/sys/queue_io.h"

namespace layermark {
namespace {

constexpr char kByte = '\x05';

class QueueWorkload : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    const int64_t size = context_.Number("size"), block = context_.Number("block");
    const FileSet set = {{}, {{"f", size}}};
    LM_TRY(CommitFileSet(fixture(), "base", set));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "base"));
    LM_TRY(MakeDirs(fixture().raw_directory() + "/tree"));
    LM_ASSIGN(const Fd raw_root, Open(fixture().raw_directory() + "/tree", O_RDONLY | O_DIRECTORY));
    LM_TRY(WriteFileSet(set, raw_root.get()));
    writes_ = context_.Text("operation") == "write";
    for (int64_t at = 0; at + block <= size; at += block) offsets_.push_back(at);
    if (context_.Text("order") == "random")
      std::shuffle(offsets_.begin(), offsets_.end(), std::mt19937_64(context_.seed));
    LM_ASSIGN(QueueIo queue,
              QueueIo::Create(static_cast<unsigned>(context_.Number("depth")), static_cast<size_t>(block)));
    queue_.emplace(std::move(queue));
    // A file that is written is copied up here, so that what is timed is the I/O alone.
    const int flags = (writes_ ? O_RDWR : O_RDONLY) | (context_.Text("direct") == "yes" ? O_DIRECT : 0);
    LM_ASSIGN(file_, OpenAt(snapshot_.root_fd(), "f", flags));
    LM_ASSIGN(raw_file_, OpenAt(raw_root.get(), "f", flags));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return All(file_.get()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return All(raw_file_.get()); });
    return Status::Ok();
  }

  // What is read is what was put there; what is written can be read again, from the mounted file and on a
  // fresh mount.
  Status Verify() override {
    uint64_t expected = 0, seen = 0;
    LM_TRY(queue_->Read(raw_file_.get(), offsets_, &expected));
    LM_TRY(queue_->Read(file_.get(), offsets_, &seen));
    if (seen != expected) return WrongAnswer("the file has other content");
    if (!writes_) return Status::Ok();
    LM_TRY(All(file_.get()));
    LM_ASSIGN(const std::string content, ReadFileAt(snapshot_.root_fd(), "f"));
    if (content != std::string(static_cast<size_t>(context_.Number("size")), kByte))
      return WrongAnswer("what was written is not what is read");
    return Status::Ok();
  }

  Status TearDown() override {
    file_ = Fd();
    return snapshot_.Unmount();
  }

 private:
  Status All(int fd) { return writes_ ? queue_->Write(fd, offsets_, kByte) : queue_->Read(fd, offsets_); }

  bool writes_ = false;
  std::vector<int64_t> offsets_;
  std::optional<QueueIo> queue_;
  MountedSnapshot snapshot_;
  Fd file_, raw_file_;
};

std::optional<Lack> RingIsHere(const WorkloadContext& context) {
  if (context.Text("direct") == "yes") {
    if (auto lack = context.instance->WhyMissing({Capability::direct_io})) return lack;
  }
  const Result<QueueIo> queue = QueueIo::Create(1, 4096);
  if (queue.ok()) return std::nullopt;
  return Lack{SkipCodeName(SkipCode::kernel_missing), queue.status().ToString()};
}

LM_WORKLOAD(
    queue_io,
    {.family = "queue_io",
     .summary = "every block of a lower file read, or of a file that was copied up written, D in flight",
     .source = "performance.md W11, W21; platform-recipes.md section 5",
     .from = From::kFull,
     .params = {{"block", {{"4KiB"}, {"4KiB", "128KiB"}, {"4KiB", "128KiB"}}},
                {"depth", {{"8"}, {"1", "32"}, {"1", "8", "32"}}},
                {"direct", {{"yes"}, {"no", "yes"}, {"no", "yes"}}},
                {"operation", {{"read", "write"}, {"read", "write"}, {"read", "write"}}},
                {"order", {{"random"}, {"random", "sequential"}, {"random", "sequential"}}},
                {"size", {{"1MiB"}, {"8MiB"}, {"64MiB"}}}},
     .operation = "io_uring: a request for each block; direct: O_DIRECT",
     .raw_twin = "the same on a file of the bare backing file system",
     .probe = RingIsHere,
     .min_pairs = 5,
     .max_pairs = 100,
     .seconds_quick = 0.2},
    MakeWorkload<QueueWorkload>);

}  // namespace
}  // namespace layermark
