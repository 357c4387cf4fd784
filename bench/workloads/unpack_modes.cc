// Unpacking an image in other ways than layer by layer through a mount.
#include <fmt/core.h>
#include <unistd.h>

#include <thread>

#include "bench/harness/fixture.h"
#include "core/oci/layer_tar.h"
#include "core/skip_code.h"

namespace layermark {
namespace {

class UnpackModes : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    mode_ = context_.Text("mode");
    LM_ASSIGN(backing_, Open(context_.backing->path(), O_RDONLY | O_DIRECTORY));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Unpack(); },
                                             [this]() -> Status {
                                               suffix_ = NextKey("#");
                                               return Flush();  // nothing of before falls into this
                                             },
                                             [this] { return RemoveChain(); });
    raw_ = std::make_unique<FunctionSide>(
        [this](Stopwatch&) -> Status {
          LM_TRY(fixture().UnpackRaw("tree").status());
          return mode_ == "flush" ? Flush() : Status::Ok();
        },
        [this] { return Flush(); }, [this] { return RemoveTree(fixture().raw_directory() + "/tree"); });
    return Status::Ok();
  }

  Status Verify() override {
    suffix_ = "#verify";
    LM_TRY(Unpack());
    LM_ASSIGN(const Manifest seen, fixture().subject().ViewManifest(Name(image().layer_count() - 1)));
    LM_ASSIGN(const Manifest expected, fixture().ModelOfImage());
    LM_TRY(RemoveChain());
    return Fixture::SameTree(expected, seen, "the unpacked image");
  }

 private:
  const ImageSource& image() const { return *context_.image; }
  std::string Name(size_t i) const { return image().chain_id(i) + suffix_; }

  Status Flush() const {
    return syncfs(backing_.get()) == 0 ? Status::Ok() : Status::Errno("syncfs", context_.backing->path());
  }

  Status Unpack() {
    if (mode_ == "parallel") return Parallel();
    std::string parent;
    for (size_t i = 0; i < image().layer_count(); ++i) {
      LM_ASSIGN(const Fd tar, image().OpenLayer(i));
      if (mode_ == "bare") {
        LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("work" + suffix_, parent));
        LM_TRY(ApplyBare(tar.get(), mounts));
        LM_TRY(api().Commit(Name(i), "work" + suffix_));
      } else {
        LM_TRY(fixture().subject().CommitTar(Name(i), parent, tar.get()).status());
        if (mode_ == "flush") LM_TRY(Flush());
      }
      parent = Name(i);
    }
    return Status::Ok();
  }

  // Straight into the directory of the layer's own changes: no mount of what lies below. A first layer of
  // some drivers has no upper directory; its bind source is the same thing.
  static Status ApplyBare(int tar_fd, const std::vector<Mount>& mounts) {
    const std::string upper = MountOption(mounts.back(), "upperdir");
    const std::string& directory = upper.empty() ? mounts.back().source : upper;
    LM_ASSIGN(const Fd root, Open(directory, O_RDONLY | O_DIRECTORY));
    ApplyOptions options;
    options.whiteouts = upper.empty() ? WhiteoutStyle::kRemove : WhiteoutStyle::kOverlay;
    return ApplyLayerTar(tar_fd, root.get(), options).status();
  }

  // Every layer at once, each as a snapshot without parent, which its commit gives it.
  Status Parallel() {
    const size_t count = image().layer_count();
    std::vector<std::vector<Mount>> mounts(count);
    std::vector<Fd> tars(count);
    for (size_t i = 0; i < count; ++i) {
      LM_ASSIGN(mounts[i], api().Prepare(fmt::format("work{}{}", i, suffix_), ""));
      LM_ASSIGN(tars[i], image().OpenLayer(i));
    }
    std::vector<Status> statuses(count);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; ++i)
      threads.emplace_back([&, i] { statuses[i] = ApplyOverlayStyle(tars[i].get(), mounts[i]); });
    for (std::thread& thread : threads) thread.join();
    for (size_t i = 0; i < count; ++i) {
      LM_TRY(statuses[i]);
      const std::optional<std::string> parent = i == 0 ? std::nullopt : std::optional(Name(i - 1));
      LM_TRY(api().Commit(Name(i), fmt::format("work{}{}", i, suffix_), {}, parent));
    }
    return Status::Ok();
  }

  static Status ApplyOverlayStyle(int tar_fd, const std::vector<Mount>& mounts) {
    LM_ASSIGN(const Fd root, Open(mounts.back().source, O_RDONLY | O_DIRECTORY));
    ApplyOptions options;
    options.whiteouts = WhiteoutStyle::kOverlay;
    return ApplyLayerTar(tar_fd, root.get(), options).status();
  }

  Status RemoveChain() {
    for (size_t i = image().layer_count(); i-- > 0;) LM_TRY(api().Remove(Name(i)));
    return Status::Ok();
  }

  std::string mode_, suffix_;
  Fd backing_;
};

std::optional<Lack> ModeIsHere(const WorkloadContext& context) {
  const std::string& mode = context.Text("mode");
  if (mode != "bare" && mode != "parallel") return std::nullopt;
  std::vector<Capability> needs = {Capability::upper_visible, Capability::kernel_overlay};
  if (mode == "parallel") needs.push_back(Capability::rebase);
  return context.instance->WhyMissing(needs);
}

LM_WORKLOAD(
    unpack_modes,
    {.family = "layer_stacking",
     .summary = "unpack the run's image: serial; with a flush after each layer; bare, without mounting "
                "what lies below; all layers in parallel",
     .source = "performance.md W28; containerd issue 2886",
     .from = From::kFull,
     .params = {{"mode",
                 {{"serial", "flush", "bare", "parallel"},
                  {"serial", "flush", "bare", "parallel"},
                  {"serial", "flush", "bare", "parallel"}}}},
     .operation = "for each layer: prepare, apply the tar, commit",
     .raw_twin = "the same tars into an ordinary directory, one after the other",
     .probe = ModeIsHere,
     .backing_bytes = int64_t{3} << 30,
     .image = {.stacks = 3, .plain = 1},
     .min_pairs = 6,
     .max_pairs = 30,
     .seconds_quick = 1.0,
     .deadline_seconds = 240,
     .inexact_counts = {{"mode", "parallel"}}},
    MakeWorkload<UnpackModes>);

}  // namespace
}  // namespace layermark
