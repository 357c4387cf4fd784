// copy_tree: what it costs to give a container the image's tree: the driver's Prepare of a child, against the
// system's own cp of the same tree. Drivers that copy must not lose against it; the others show what they
// save.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/workload.h"
#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/tree/compare.h"
#include "core/tree/manifest.h"
#include "results/accounting.h"
#include "scenario/subject.h"

namespace layermark {
namespace {

Status Flush(const std::string& directory) {
  LM_ASSIGN(Fd fd, Open(directory, O_RDONLY | O_DIRECTORY));
  return syncfs(fd.get()) == 0 ? Status::Ok() : Status::Errno("syncfs", directory);
}

// What both sides do after the copy, where the parameter asks for it.
class FlushChoice {
 public:
  FlushChoice(bool wanted, std::string directory) : wanted_(wanted), directory_(std::move(directory)) {}
  // Nothing that an earlier operation left to write falls into the next one's time.
  Status Before() const { return Flush(directory_); }
  Status AtEnd() const { return wanted_ ? Flush(directory_) : Status::Ok(); }

 private:
  bool wanted_;
  std::string directory_;
};

class PrepareSide : public Side {
 public:
  PrepareSide(Snapshotter& api, std::string parent, FlushChoice flush)
      : api_(api), parent_(std::move(parent)), flush_(std::move(flush)) {}
  Status Before() override { return flush_.Before(); }
  Status Run(Stopwatch&) override {
    auto mounts = api_.Prepare("copy", parent_);
    return mounts.ok() ? flush_.AtEnd() : mounts.status();
  }
  Status After() override { return api_.Remove("copy"); }

 private:
  Snapshotter& api_;
  std::string parent_;
  FlushChoice flush_;
};

class SystemCopySide : public Side {
 public:
  SystemCopySide(std::string from, std::string to, const std::string& reflink, FlushChoice flush)
      : to_(std::move(to)), flush_(std::move(flush)) {
    command_ = {"cp", "-a", "--reflink=" + reflink, "--", from + "/.", to_};
    options_.deadline = std::chrono::minutes(10);
  }
  Status Before() override {
    LM_TRY(MakeDirs(to_));
    return flush_.Before();
  }
  Status Run(Stopwatch&) override {
    auto copied = RunCommandOk(command_, options_);
    return copied.ok() ? flush_.AtEnd() : copied.status();
  }
  Status After() override { return RemoveTree(to_); }

 private:
  std::string to_;
  FlushChoice flush_;
  std::vector<std::string> command_;
  CommandOptions options_;
};

class CopyTreeWorkload : public Workload {
 public:
  explicit CopyTreeWorkload(const WorkloadContext& context) : context_(context) {}

  Status SetUp() override {
    LM_ASSIGN(Subject subject, Subject::Open(context_.instance->instance, *context_.backing));
    subject_ = std::make_unique<Subject>(std::move(subject));
    // The tree that cp copies is unpacked beside the driver's store, without the driver.
    LM_ASSIGN(tree_, context_.backing->NewDirectory("tree"));
    LM_ASSIGN(Fd root, Open(tree_, O_RDONLY | O_DIRECTORY));
    for (size_t i = 0; i < context_.image->layer_count(); ++i) {
      LM_ASSIGN(Fd layer, context_.image->OpenLayer(i));
      auto committed = subject_->CommitTar(context_.image->chain_id(i), top_, layer.get());
      if (!committed.ok()) return committed.status().WithContext("unpack by the driver");
      top_ = context_.image->chain_id(i);
      LM_ASSIGN(Fd again, context_.image->OpenLayer(i));
      auto applied = ApplyLayerTar(again.get(), root.get());
      if (!applied.ok()) return applied.status().WithContext("unpack");
    }
    FlushChoice flush(context_.Text("flush") == "yes", context_.backing->path());
    prepare_ = std::make_unique<PrepareSide>(subject_->api(), top_, flush);
    LM_ASSIGN(const std::string beside, context_.backing->NewDirectory("beside"));
    copy_ = std::make_unique<SystemCopySide>(tree_, beside + "/copy", context_.Text("reflink"), flush);
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const Manifest expected, ReadManifest(tree_));
    LM_ASSIGN(MountedSnapshot child, subject_->Prepare("verify", top_));
    LM_ASSIGN(const Manifest actual, ReadManifest(child.root_fd()));
    LM_TRY(child.Unmount());
    LM_TRY(subject_->api().Remove("verify"));
    auto differences = Compare(expected, actual);
    return differences.empty() ? Status::Ok() : WrongAnswer(Describe(differences));
  }

  Side* driver() override { return prepare_.get(); }
  Side* raw() override { return copy_.get(); }

  // What one child adds to the store and to the pool.
  Result<Figures> Account() override {
    LM_ASSIGN(const PoolState pool_before, ReadPool(context_.backing->path()));
    LM_ASSIGN(const SpaceCount before, CountSpace(subject_->root()));
    auto mounts = subject_->api().Prepare("account", top_);
    if (!mounts.ok()) return mounts.status();
    LM_ASSIGN(const PoolState pool, ReadPool(context_.backing->path()));
    LM_ASSIGN(const SpaceCount after, CountSpace(subject_->root()));
    LM_TRY(subject_->api().Remove("account"));
    Figures figures;
    figures[Metric::pool_bytes] = static_cast<double>(pool.used_bytes - pool_before.used_bytes);
    figures[Metric::allocated_bytes] = static_cast<double>(after.allocated_bytes - before.allocated_bytes);
    figures[Metric::inodes] = static_cast<double>(after.inodes - before.inodes);
    return figures;
  }

  Status TearDown() override { return subject_ ? subject_->Close() : Status::Ok(); }

 private:
  const WorkloadContext context_;
  std::unique_ptr<Subject> subject_;
  std::string tree_, top_;
  std::unique_ptr<PrepareSide> prepare_;
  std::unique_ptr<SystemCopySide> copy_;
};

LM_WORKLOAD(copy_tree,
            {
                .family = "copy_tree",
                .summary = "give a container the image's tree: Prepare of a child of its top layer",
                .source = "platform-recipes.md section 5",
                .params = {{"reflink",
                            {.smoke = {"never"}, .quick = {"never", "auto"}, .full = {"never", "auto"}}},
                           {"flush", {.smoke = {"no"}, .quick = {"no"}, .full = {"no", "yes"}}}},
                .operation = "Prepare; with flush=yes also syncfs of the backing",
                .raw_twin = "cp -a --reflink={reflink} of the tree in a directory, started as a process",
                .backing_bytes = int64_t{3} << 30,
                .image = {.stacks = 1, .trees = 1, .plain = 2},
                .min_pairs = 7,
                .hard_seconds = 60,
                .deadline_seconds = 600,
                .gate = {.choices = {{{"flush", "no"}, {"reflink", "never"}}}, .clock = GateClock::kCpu},
            },
            [](const WorkloadContext& context) -> Result<std::unique_ptr<Workload>> {
              return std::unique_ptr<Workload>(std::make_unique<CopyTreeWorkload>(context));
            });

}  // namespace
}  // namespace layermark
