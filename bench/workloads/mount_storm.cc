// Mount storm: a hundred containers on many layers, started by several workers at once.
#include <fmt/core.h>

#include <atomic>
#include <optional>
#include <thread>

#include "bench/harness/fixture.h"
#include "bench/harness/mapped_mounts.h"
#include "core/skip_code.h"
#include "scenario/launcher.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr uid_t kFirstId = 200000;

class MountStorm : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    std::vector<Layer> layers;
    for (int64_t i = 0; i < context_.Number("layers"); ++i)
      layers.push_back(Layer().File("top", fmt::format("{}", i)));
    LM_ASSIGN(const std::string top, fixture().subject().CommitChain(layers));
    if (context_.Text("idmap") != "none") {
      LM_ASSIGN(IdMapping mapping, IdMapping::Create(kFirstId));
      mapping_ = std::move(mapping);
      style_ = context_.Text("idmap") == "parent" ? MapStyle::kParent : MapStyle::kLayers;
    }
    LM_ASSIGN(program_, StaticTrueProgram());
    const std::vector<Mount> bind = {{"bind", fixture().raw_directory(), "", {"rbind", "rw"}}};
    for (int64_t i = 0; i < context_.Number("starts"); ++i) {
      Start start;
      LM_ASSIGN(start.mounts, api().Prepare(fmt::format("c{}", i), top));
      LM_ASSIGN(start.target, WorkspaceDirectory("container"));
      LM_ASSIGN(start.scratch, WorkspaceDirectory("mapped"));
      start.bind = bind;
      starts_.push_back(std::move(start));
    }
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Storm(true); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Storm(false); });
    return Status::Ok();
  }

  // One container shows the topmost layer's file, and with mapped ids its new owner.
  Status Verify() override {
    LM_ASSIGN(const Fd probe, StaticProbeProgram());
    Start& start = starts_.front();
    MappedMounts mapped;
    LM_ASSIGN(Mounted mounted, MountFor(start, true, mapped));
    ContainerSpec spec;
    spec.root = start.target;
    spec.program_fd = probe.get();
    spec.argv = {"probe", "list"};
    LM_ASSIGN(const ContainerResult listed, RunContainer(spec, kDeadline));
    LM_TRY(mounted.Unmount());
    LM_TRY(mapped.Unmount());
    if (!listed.status.success()) return WrongAnswer("the probe: " + listed.standard_error);
    LM_ASSIGN(const std::vector<ProbeLine> lines, ParseProbeListing(listed.standard_output));
    const uid_t owner = mapping_ ? kFirstId : 0;
    for (const ProbeLine& line : lines) {
      if (line.path != "top") continue;
      const auto size = static_cast<int64_t>(std::to_string(context_.Number("layers") - 1).size());
      if (line.entry.uid != owner) return WrongAnswer(fmt::format("the file belongs to {}", line.entry.uid));
      return line.entry.size_bytes == size ? Status::Ok()
                                           : WrongAnswer("the file is not the topmost layer's");
    }
    return WrongAnswer("the container does not show its file");
  }

  Status TearDown() override { return Status::Ok(); }

 private:
  struct Start {
    std::vector<Mount> mounts, bind;
    std::string target, scratch;
  };

  Result<Mounted> MountFor(const Start& start, bool on_driver, MappedMounts& mapped) const {
    if (!on_driver) return MountAll(start.bind, start.target);
    if (!mapping_) return MountAll(start.mounts, start.target);
    LM_ASSIGN(mapped, MappedMounts::Make(*mapping_, start.mounts, start.scratch, style_));
    return MountAll(mapped.mounts(), start.target);
  }

  Status One(const Start& start, bool on_driver) const {
    MappedMounts mapped;
    LM_ASSIGN(Mounted mounted, MountFor(start, on_driver, mapped));
    ContainerSpec spec;
    spec.root = start.target;
    spec.program_fd = program_.get();
    spec.capture_output = false;
    spec.new_network = false;
    LM_ASSIGN(const ContainerResult result, RunContainer(spec, kDeadline));
    if (!result.status.success()) return Internal("the program ended with " + result.status.ToString());
    LM_TRY(mounted.Unmount());
    return mapped.Unmount();
  }

  // The workers take the starts one after the other until none is left.
  Status Storm(bool on_driver) {
    const auto workers = static_cast<size_t>(context_.Number("workers"));
    std::atomic<size_t> next{0};
    std::vector<Status> statuses(workers);
    std::vector<std::thread> threads;
    for (size_t w = 0; w < workers; ++w) {
      threads.emplace_back([&, w] {
        for (size_t i = next++; i < starts_.size() && statuses[w].ok(); i = next++)
          statuses[w] = One(starts_[i], on_driver);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) LM_TRY(status);
    return Status::Ok();
  }

  std::vector<Start> starts_;
  std::optional<IdMapping> mapping_;
  MapStyle style_ = MapStyle::kLayers;
  Fd program_;
};

std::optional<Lack> MappingWorks(const WorkloadContext& context) {
  if (context.Text("idmap") == "none") return std::nullopt;
  const Result<std::string> target = WorkspaceDirectory("probe");
  Status bound = target.ok() ? BindIdMapped(context.backing->path(), *target, kFirstId) : target.status();
  if (bound.ok()) bound = UnmountPath(*target);
  if (bound.ok()) return std::nullopt;
  return Lack{SkipCodeName(SkipCode::id_mapped_mounts), bound.ToString()};
}

LM_WORKLOAD(
    mount_storm,
    {.family = "mount_storm",
     .summary = "N containers on many layers, started by W workers at once; with id-mapped layers, or "
                "their parent alone mapped",
     .source = "performance.md W02; Netflix, Mount Mayhem",
     .from = From::kFull,
     .params = {{"idmap",
                 {{"none", "layers", "parent"}, {"none", "layers", "parent"}, {"none", "layers", "parent"}}},
                {"layers", {{"8"}, {"50"}, {"50"}}},
                {"starts", {{"8"}, {"50"}, {"100"}}},
                {"workers", {{"2"}, {"1", "4"}, {"1", "2", "4", "8"}}}},
     .operation = "N times: bind mounts where ids are mapped, mount, start, unmount",
     .raw_twin = "as many starts on bind mounts of one directory",
     .param_needs = {{{"layers", "50"}, Capability::layers_128}},
     .probe = MappingWorks,
     .min_pairs = 6,
     .max_pairs = 40,
     .deadline_seconds = 240,
     .inexact_counts = {{"workers", "2"}, {"workers", "4"}, {"workers", "8"}}},
    MakeWorkload<MountStorm>);

}  // namespace
}  // namespace layermark
