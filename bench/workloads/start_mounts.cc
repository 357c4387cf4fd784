// Start among mounts: a container start where the starting process sees many mounts already.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>

#include "bench/harness/fixture.h"
#include "core/skip_code.h"
#include "core/sys/mount_namespace.h"
#include "scenario/launcher.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};

class StartMounts : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_TRY(fixture().subject().CommitLayer("base", "", Layer().File("f", "base")));
    LM_ASSIGN(snapshot_, fixture().subject().Prepare("active", "base"));
    LM_ASSIGN(raw_target_, WorkspaceDirectory("raw"));
    const std::vector<Mount> bind = {{"bind", fixture().raw_directory(), "", {"rbind", "rw"}}};
    LM_ASSIGN(raw_mounted_, MountAll(bind, raw_target_));
    LM_ASSIGN(program_, StaticTrueProgram());
    LM_ASSIGN(probe_, StaticProbeProgram());
    LM_ASSIGN(seen_before_, MountsInContainer());
    LM_ASSIGN(const std::string others, WorkspaceDirectory("others"));
    LM_ASSIGN(const std::vector<MountInfo> there, ReadMountInfo());
    for (auto i = static_cast<int64_t>(there.size()); i < context_.Number("mounts"); ++i) {
      const std::string target = fmt::format("{}/{}", others, i);
      LM_TRY(MakeDirs(target));
      LM_TRY(BindMount(fixture().raw_directory(), target, false, false));
      others_.push_back(target);
    }
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Start(snapshot_.path()); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return Start(raw_target_); });
    return Status::Ok();
  }

  // However many mounts there are outside, the container sees its root alone.
  Status Verify() override {
    LM_ASSIGN(const std::vector<MountInfo> there, ReadMountInfo());
    if (static_cast<int64_t>(there.size()) < context_.Number("mounts"))
      return WrongAnswer(fmt::format("{} mounts are there", there.size()));
    LM_ASSIGN(const std::string seen, MountsInContainer());
    if (seen == seen_before_) return Status::Ok();
    return WrongAnswer(fmt::format("the container counts {} mounts, and {} before there were more outside",
                                   seen, seen_before_));
  }

  Status TearDown() override {
    for (; !others_.empty(); others_.pop_back()) LM_TRY(UnmountPath(others_.back()));
    LM_TRY(raw_mounted_.Unmount());
    return snapshot_.Unmount();
  }

 private:
  Result<std::string> MountsInContainer() const {
    ContainerSpec spec;
    spec.root = snapshot_.path();
    spec.program_fd = probe_.get();
    spec.argv = {"probe", "mounts"};
    LM_ASSIGN(const ContainerResult counted, RunContainer(spec, kDeadline));
    if (!counted.status.success()) return Internal("the probe: " + counted.standard_error);
    return counted.standard_output;
  }

  Status Start(const std::string& root) const {
    ContainerSpec spec;
    spec.root = root;
    spec.program_fd = program_.get();
    spec.capture_output = false;
    spec.new_network = false;
    LM_ASSIGN(const ContainerResult result, RunContainer(spec, kDeadline));
    return result.status.success() ? Status::Ok()
                                   : Internal("the program ended with " + result.status.ToString());
  }

  MountedSnapshot snapshot_;
  Mounted raw_mounted_;
  std::string raw_target_, seen_before_;
  std::vector<std::string> others_;
  Fd program_, probe_;
};

std::optional<Lack> MethodIsHere(const WorkloadContext& context) {
  if (context.Text("method") == "pivot") return std::nullopt;
  const Status probed = ProbeOpenTreeNamespace();
  const std::string reason =
      probed.ok() ? "the kernel offers OPEN_TREE_NAMESPACE; the launcher of this version does not use it"
                  : probed.ToString();
  return Lack{SkipCodeName(SkipCode::kernel_missing), reason};
}

LM_WORKLOAD(start_mounts,
            {.family = "mount_storm",
             .summary = "a container start while N mounts are there, which a new mount namespace copies",
             .source = "performance.md W03; Linux 7.0, OPEN_TREE_NAMESPACE",
             .from = From::kFull,
             .params = {{"method",
                         {{"pivot", "open_tree_namespace"},
                          {"pivot", "open_tree_namespace"},
                          {"pivot", "open_tree_namespace"}}},
                        {"mounts", {{"30"}, {"30", "300"}, {"30", "300", "3000"}}}},
             .operation = "clone3 with a new mount namespace, pivot_root, exec, exit",
             .raw_twin = "the same on a bind mount",
             .probe = MethodIsHere,
             .min_pairs = 10,
             .max_pairs = 200},
            MakeWorkload<StartMounts>);

}  // namespace
}  // namespace layermark
