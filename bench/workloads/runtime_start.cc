// Runtime start: one container by our launcher, crun or runc, all on the same root, with the share of
// storage.
#include <fmt/core.h>

#include <optional>

#include "bench/harness/container_runtime.h"
#include "bench/harness/fixture.h"
#include "core/skip_code.h"
#include "results/statistics.h"
#include "scenario/launcher.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr const char* kProgram = "layermark-program";
constexpr const char* kWritten = "written-by-the-container";

class RuntimeStart : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(const std::string image, fixture().Unpack());
    LM_ASSIGN(raw_root_, fixture().UnpackRaw("tree"));
    // The runtimes execute a program of the root and mount /proc there: one more layer brings both.
    LM_ASSIGN(const Fd program, StaticTrueProgram());
    LM_ASSIGN(const std::string bytes, ReadAll(program.get()));
    LM_ASSIGN(MountedSnapshot top, fixture().subject().Prepare("top", image));
    LM_TRY(AddProgram(top.root_fd(), bytes));
    LM_TRY(top.Unmount());
    top_ = image + "#program";
    LM_TRY(api().Commit(top_, "top"));
    LM_ASSIGN(const Fd raw, Open(raw_root_, O_RDONLY | O_DIRECTORY));
    LM_TRY(AddProgram(raw.get(), bytes));
    if (const std::string& name = context_.Text("runtime"); name != "launcher") {
      LM_ASSIGN(ContainerRuntime runtime, ContainerRuntime::Create(name));
      runtime_ = std::move(runtime);
    }
    LM_ASSIGN(target_, WorkspaceDirectory("container"));
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) { return OnDriver(watch); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) { return OnBind(watch); });
    return Status::Ok();
  }

  // A program that fails must fail the start, or a start that works would say nothing.
  Status Verify() override {
    LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("container", top_));
    LM_ASSIGN(Mounted mounted, MountAll(mounts, target_));
    if (Start("no-such-program").ok()) return WrongAnswer("the start of a program that is missing succeeds");
    LM_TRY(Start(kProgram));
    LM_TRY(WriteFile(target_ + "/" + kWritten, "here"));
    LM_TRY(mounted.Unmount());
    LM_TRY(api().Remove("container"));
    LM_ASSIGN(const Manifest image, fixture().subject().ViewManifest(top_));
    return image.entries.contains(kWritten) ? WrongAnswer("a container wrote into the image") : Status::Ok();
  }

  Result<Figures> Account() override {
    if (shares_.empty()) return Figures{};
    return Figures{{Metric::storage_share, Median(shares_)}};
  }

 private:
  static Status AddProgram(int root_fd, const std::string& bytes) {
    LM_TRY(MakeDirsAt(root_fd, "proc"));
    return WriteFileAt(root_fd, kProgram, bytes, 0755);
  }

  Status Start(const std::string& program) {
    if (runtime_) return runtime_->Run(target_, "/" + program, kDeadline);
    ContainerSpec spec;
    spec.root = target_;
    spec.argv = {"/" + program};
    spec.capture_output = false;
    LM_ASSIGN(const ContainerResult result, RunContainer(spec, kDeadline));
    return result.status.success() ? Status::Ok()
                                   : Internal("the program ended with " + result.status.ToString());
  }

  Status OnDriver(Stopwatch& watch) {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("container", top_));
    watch.Phase(Metric::phase_prepare);
    LM_ASSIGN(Mounted mounted, MountAll(mounts, target_));
    watch.Phase(Metric::phase_mount);
    const auto start = Clock::now();
    LM_TRY(Start(kProgram));
    const auto end = Clock::now();
    watch.Phase(Metric::phase_runtime);
    watch.Stop();
    LM_TRY(mounted.Unmount());
    watch.Phase(Metric::phase_unmount);
    LM_TRY(api().Remove("container"));
    watch.Phase(Metric::phase_remove);
    const std::chrono::duration<double> all = Clock::now() - began, running = end - start;
    shares_.push_back(1 - running / all);
    return Status::Ok();
  }

  Status OnBind(Stopwatch& watch) {
    const std::vector<Mount> bind = {{"bind", raw_root_, "", {"rbind", "rw"}}};
    LM_ASSIGN(Mounted mounted, MountAll(bind, target_));
    watch.Phase(Metric::phase_mount);
    LM_TRY(Start(kProgram));
    watch.Phase(Metric::phase_runtime);
    watch.Stop();
    LM_TRY(mounted.Unmount());
    watch.Phase(Metric::phase_unmount);
    return Status::Ok();
  }

  std::string top_, raw_root_, target_;
  std::optional<ContainerRuntime> runtime_;
  std::vector<double> shares_;
};

std::optional<Lack> RuntimeIsHere(const WorkloadContext& context) {
  const std::string& name = context.Text("runtime");
  if (name == "launcher") return std::nullopt;
  const Result<ContainerRuntime> runtime = ContainerRuntime::Create(name);
  if (runtime.ok()) return std::nullopt;
  const bool missing = runtime.status().code() == Code::kNotFound;
  return Lack{SkipCodeName(missing ? SkipCode::tool_missing : SkipCode::kernel_missing),
              runtime.status().ToString()};
}

LM_WORKLOAD(
    runtime_start,
    {.family = "container_start",
     .summary = "a container's life by our launcher, crun and runc on the same root; storage_share: the "
                "part that prepare, mount, unmount and remove take of it",
     .source = "performance.md W04; platform-recipes.md section 4",
     .from = From::kFull,
     .params = {{"runtime",
                 {{"launcher", "crun", "runc"}, {"launcher", "crun", "runc"}, {"launcher", "crun", "runc"}}}},
     .operation = "prepare, mount, start of a static program until its end; unmount and remove are its "
                  "teardown",
     .raw_twin = "the same runtime on a bind mount of the unpacked image",
     .probe = RuntimeIsHere,
     .image = {.stacks = 1, .trees = 2, .plain = 1},
     .min_pairs = 10,
     .max_pairs = 200,
     .seconds_quick = 1.0,
     .inexact_counts = {{"runtime", "crun"}, {"runtime", "runc"}}},
    MakeWorkload<RuntimeStart>);

}  // namespace
}  // namespace layermark
