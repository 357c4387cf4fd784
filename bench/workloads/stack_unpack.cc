// Unpacking the image: every layer through prepare, mount, apply, unmount, commit; and the commit alone.
#include <fmt/core.h>

#include "bench/harness/fixture.h"
#include "results/accounting.h"
#include "scenario/image_census.h"
#include "scenario/model.h"

namespace layermark {
namespace {

class StackUnpack : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    driver_ =
        std::make_unique<FunctionSide>([this](Stopwatch&) { return fixture().Unpack(suffix_).status(); },
                                       [this] {
                                         suffix_ = NextKey("#");
                                         return Status::Ok();
                                       },
                                       [this] { return RemoveChain(suffix_); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return fixture().UnpackRaw("tree").status(); },
                                          FunctionSide::Step{},
                                          [this] { return RemoveTree(fixture().raw_directory() + "/tree"); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const std::string top, fixture().Unpack("#verify"));
    LM_ASSIGN(Manifest seen, fixture().subject().ViewManifest(top));
    LM_ASSIGN(Manifest expected, fixture().ModelOfImage());
    LM_TRY(Fixture::SameTree(expected, seen, "the unpacked image"));
    return RemoveChain("#verify");
  }

  // What the unpacked image takes.
  Result<Figures> Account() override {
    LM_ASSIGN(const PoolState before, ReadPool(context_.backing->path()));
    LM_ASSIGN(const std::string top, fixture().Unpack("#account"));
    LM_ASSIGN(const PoolState after, ReadPool(context_.backing->path()));
    LM_ASSIGN(const SpaceCount space, CountSpace(fixture().subject().root()));
    LM_ASSIGN(const Manifest shown, fixture().subject().ViewManifest(top));
    int64_t logical = 0;
    for (const auto& [path, entry] : shown.entries) {
      const bool counts = entry.link_group.empty() || entry.link_group == path;
      if (entry.type == FileType::kRegular && counts) logical += entry.size_bytes;
    }
    Figures figures = {{Metric::pool_bytes, static_cast<double>(after.used_bytes - before.used_bytes)},
                       {Metric::allocated_bytes, static_cast<double>(space.allocated_bytes)},
                       {Metric::inodes, static_cast<double>(space.inodes)},
                       {Metric::whiteouts, static_cast<double>(space.whiteouts)},
                       {Metric::logical_bytes, static_cast<double>(logical)}};
    if (space.extents_known) {
      figures[Metric::own_bytes] = static_cast<double>(space.own_bytes);
      figures[Metric::shared_bytes] = static_cast<double>(space.shared_bytes);
    }
    return figures;
  }

 private:
  Status RemoveChain(const std::string& suffix) {
    for (size_t i = context_.image->layer_count(); i > 0; --i) {
      LM_TRY(api().Remove(context_.image->chain_id(i - 1) + suffix));
    }
    // Some give the room back later, and a large image is unpacked many times.
    return context_.instance->declared.Has(Capability::cleanup) ? api().Cleanup() : Status::Ok();
  }

  std::string suffix_;
};

LM_WORKLOAD(stack_unpack,
            {.family = "layer_stacking",
             .summary = "unpack the run's image layer by layer",
             .source = "performance.md W28",
             .operation = "for each layer: prepare, mount, apply the tar, unmount, commit",
             .raw_twin = "the same tars into an ordinary directory",
             .image = {.stacks = 3, .plain = 1},
             .min_pairs = 3,
             .max_pairs = 30,
             .seconds_quick = 1.0},
            MakeWorkload<StackUnpack>);

class StackCommit : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    Layer base;
    for (int i = 0; i < 100; ++i) base.File(fmt::format("base{:03}", i), std::string(4096, 'b'));
    LM_TRY(fixture().subject().CommitLayer("base", "", base));
    for (int64_t i = 0; i < context_.Number("files"); ++i)
      change_.File(fmt::format("new{:04}", i), std::string(4096, 'n'));
    change_.Remove("base000");
    LM_TRY(model_.Apply(base));
    LM_TRY(model_.Apply(change_));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return api().Commit("committed", key_); },
                                             [this] { return PrepareOne(); },
                                             [this] { return api().Remove("committed"); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_TRY(PrepareOne());
    LM_TRY(api().Commit("committed", key_));
    LM_ASSIGN(Manifest seen, fixture().subject().ViewManifest("committed"));
    LM_TRY(api().Remove("committed"));
    return Fixture::SameTree(model_.ToManifest(), seen, "the committed layer");
  }

 private:
  Status PrepareOne() {
    key_ = NextKey("k");
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(key_, "base"));
    LM_TRY(ApplyLayer(change_, snapshot.root_fd()));
    return snapshot.Unmount();
  }

  Layer change_;
  ModelTree model_;
  std::string key_;
};

LM_WORKLOAD(
    stack_commit,
    {.family = "layer_stacking",
     .summary = "commit of a layer with N new files (no raw twin: nothing does the same without a driver)",
     .source = "performance.md 1.2, containerd benchsuite",
     .params = {{"files", {{"10"}, {"100"}, {"10", "100", "1000"}}}},
     .operation = "Commit",
     .max_pairs = 100,
     .gate = {.choices = {{{"files", "10"}}}, .clock = GateClock::kCpu}},
    MakeWorkload<StackCommit>);

}  // namespace
}  // namespace layermark
