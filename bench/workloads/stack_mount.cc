// Mounting and unmounting a snapshot on many layers.
#include <fmt/core.h>

#include "bench/harness/fixture.h"
#include "scenario/model.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr int64_t kNames = 16;

class StackMount : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    std::vector<Layer> layers;
    for (int64_t i = 0; i < context_.Number("layers"); ++i) {
      // Few names, each in many layers: a driver that copies has little to copy, and what is seen still
      // depends on the order of the layers.
      layers.push_back(Layer()
                           .File(fmt::format("f{}", i % kNames), fmt::format("layer {}", i))
                           .File("top", fmt::format("{}", i)));
      LM_TRY(model_.Apply(layers.back()));
    }
    LM_ASSIGN(const std::string top, fixture().subject().CommitChain(layers));
    LM_ASSIGN(mounts_, api().Prepare("active", top));
    LM_ASSIGN(target_, WorkspaceDirectory("target"));
    LM_ASSIGN(raw_target_, WorkspaceDirectory("raw"));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) -> Status {
      LM_ASSIGN(Mounted mounted, MountAll(mounts_, target_));
      return mounted.Unmount();
    });
    const std::vector<Mount> bind = {{"bind", fixture().raw_directory(), "", {"rbind", "rw"}}};
    raw_ = std::make_unique<FunctionSide>([this, bind](Stopwatch&) -> Status {
      LM_ASSIGN(Mounted mounted, MountAll(bind, raw_target_));
      return mounted.Unmount();
    });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(Mounted mounted, MountAll(mounts_, target_));
    LM_ASSIGN(Manifest seen, ReadManifest(target_));
    LM_TRY(mounted.Unmount());
    return Fixture::SameTree(model_.ToManifest(), seen, "the mounted stack");
  }

 private:
  ModelTree model_;
  std::vector<Mount> mounts_;
  std::string target_, raw_target_;
};

LM_WORKLOAD(stack_mount,
            {.family = "layer_stacking",
             .summary = "mount and unmount of a writable snapshot on N layers",
             .source = "performance.md W01",
             .params = {{"layers",
                         {{"1", "8"},
                          {"1", "8", "32", "128", "500"},
                          {"1", "8", "16", "32", "64", "128", "256", "500"}}}},
             .operation = "mount, unmount",
             .raw_twin = "bind mount, unmount",
             .param_needs = {{{"layers", "128"}, Capability::layers_128},
                             {{"layers", "256"}, Capability::layers_500},
                             {{"layers", "500"}, Capability::layers_500}},
             .gate = {.choices = {{{"layers", "16"}}, {{"layers", "64"}}}, .clock = GateClock::kCpu}},
            MakeWorkload<StackMount>);

}  // namespace
}  // namespace layermark
