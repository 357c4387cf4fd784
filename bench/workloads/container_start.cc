// Container start: prepare, mount, new namespaces, pivot_root, a static program, and everything undone again.
#include <fmt/core.h>

#include <thread>

#include "bench/harness/fixture.h"
#include "core/tree/compare.h"
#include "scenario/launcher.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};

class ContainerStart : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(top_, fixture().Unpack());
    LM_ASSIGN(raw_root_, fixture().UnpackRaw("tree"));
    LM_ASSIGN(program_, StaticTrueProgram());
    const auto parallel = static_cast<size_t>(context_.Number("parallel"));
    for (size_t i = 0; i < parallel; ++i) {
      LM_ASSIGN(std::string target, WorkspaceDirectory("container"));
      targets_.push_back(std::move(target));
      keys_.push_back(fmt::format("container{}", i));
    }
    mounted_.resize(parallel);
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) {
      return All(watch, &ContainerStart::StartOnDriver, &ContainerStart::StopOnDriver);
    });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch& watch) {
      return All(watch, &ContainerStart::StartOnBind, &ContainerStart::StopOnBind);
    });
    return Status::Ok();
  }

  // The process in the container must see exactly the image, and its write must land in its snapshot alone.
  Status Verify() override {
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", top_));
    LM_ASSIGN(Fd probe, StaticProbeProgram());
    ContainerSpec spec;
    spec.root = snapshot.path();
    spec.program_fd = probe.get();
    spec.argv = {"probe", "list"};
    LM_ASSIGN(ContainerResult listed, RunContainer(spec, kDeadline));
    if (!listed.status.success())
      return WrongAnswer("the probe ended with " + listed.status.ToString() + ": " + listed.standard_error);
    LM_ASSIGN(std::vector<ProbeLine> lines, ParseProbeListing(listed.standard_output));
    spec.argv = {"probe", "write", "/written-by-the-container", "here"};
    LM_ASSIGN(ContainerResult wrote, RunContainer(spec, kDeadline));
    if (!wrote.status.success()) return WrongAnswer("writing in the container: " + wrote.standard_error);
    const Result<std::string> content = ReadFileAt(snapshot.root_fd(), "written-by-the-container");
    if (!content.ok() || *content != "here")
      return WrongAnswer("what the container wrote is not in its snapshot");
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    LM_ASSIGN(Manifest expected, fixture().ModelOfImage());
    Manifest seen = ProbeManifest(lines);
    for (const auto& [path, entry] : expected.entries) {
      const auto it = seen.entries.find(path);
      if (entry.mtime_ns == -1 && it != seen.entries.end()) it->second.mtime_ns = -1;
    }
    CompareOptions options;
    options.xattrs = false;  // the probe does not list them
    options.hole_tolerance_bytes = -1;
    const std::vector<Difference> differences = Compare(expected, seen, options);
    if (!differences.empty()) return WrongAnswer("what the container sees: " + Describe(differences));
    LM_ASSIGN(Manifest image, fixture().subject().ViewManifest(top_));
    if (image.entries.contains("written-by-the-container"))
      return WrongAnswer("the container wrote into the image");
    return targets_.size() == 1 ? Status::Ok() : VerifyTogether();
  }

 private:
  // As many as are timed, mounted at once: each must see what its own container wrote and nothing of the
  // others.
  Status VerifyTogether() {
    LM_ASSIGN(Fd probe, StaticProbeProgram());
    std::vector<MountedSnapshot> snapshots;
    for (const std::string& key : keys_) {
      LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(key, top_));
      snapshots.push_back(std::move(snapshot));
    }
    for (const MountedSnapshot& snapshot : snapshots) {
      ContainerSpec spec;
      spec.root = snapshot.path();
      spec.program_fd = probe.get();
      spec.argv = {"probe", "write", "/own", snapshot.key()};
      LM_ASSIGN(ContainerResult wrote, RunContainer(spec, kDeadline));
      if (!wrote.status.success()) return WrongAnswer("writing in the container: " + wrote.standard_error);
    }
    for (MountedSnapshot& snapshot : snapshots) {
      const Result<std::string> own = ReadFileAt(snapshot.root_fd(), "own");
      if (!own.ok() || *own != snapshot.key())
        return WrongAnswer(
            fmt::format("{} of {} containers does not see what it wrote", snapshot.key(), snapshots.size()));
      LM_TRY(snapshot.Unmount());
      LM_TRY(api().Remove(snapshot.key()));
    }
    return Status::Ok();
  }

  using Step = Status (ContainerStart::*)(size_t, Stopwatch*);

  // All containers start together; once every program has ended, all go.
  Status All(Stopwatch& watch, Step start, Step stop) {
    if (targets_.size() == 1) {
      LM_TRY((this->*start)(0, &watch));
      watch.Stop();
      return (this->*stop)(0, &watch);
    }
    LM_TRY(Together(start));
    watch.Stop();
    return Together(stop);
  }

  Status Together(Step step) {
    std::vector<std::thread> threads;
    std::vector<Status> statuses(targets_.size());
    threads.reserve(targets_.size());
    for (size_t i = 0; i < targets_.size(); ++i) {
      threads.emplace_back([&, i] { statuses[i] = (this->*step)(i, nullptr); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses) LM_TRY(status);
    return Status::Ok();
  }

  Status Launch(size_t i, Stopwatch* watch) {
    ContainerSpec spec;
    spec.root = targets_[i];
    spec.program_fd = program_.get();
    spec.capture_output = false;
    LM_ASSIGN(ContainerResult result, RunContainer(spec, kDeadline));
    if (!result.status.success()) return Internal("the program ended with " + result.status.ToString());
    if (watch != nullptr) {
      watch->Add(Metric::phase_clone, result.phases.clone_ns);
      watch->Add(Metric::phase_pivot, result.phases.pivot_ns);
      watch->Add(Metric::phase_exec, result.phases.exec_ns);
    }
    return Status::Ok();
  }

  Status StartOnDriver(size_t i, Stopwatch* watch) {
    LM_ASSIGN(std::vector<Mount> mounts, api().Prepare(keys_[i], top_));
    if (watch != nullptr) watch->Phase(Metric::phase_prepare);
    LM_ASSIGN(mounted_[i], MountAll(mounts, targets_[i]));
    if (watch != nullptr) watch->Phase(Metric::phase_mount);
    return Launch(i, watch);
  }

  Status StopOnDriver(size_t i, Stopwatch* watch) {
    LM_TRY(mounted_[i].Unmount());
    if (watch != nullptr) watch->Phase(Metric::phase_unmount);
    LM_TRY(api().Remove(keys_[i]));
    if (watch != nullptr) watch->Phase(Metric::phase_remove);
    return Status::Ok();
  }

  Status StartOnBind(size_t i, Stopwatch* watch) {
    const std::vector<Mount> bind = {{"bind", raw_root_, "", {"rbind", "rw"}}};
    LM_ASSIGN(mounted_[i], MountAll(bind, targets_[i]));
    if (watch != nullptr) watch->Phase(Metric::phase_mount);
    return Launch(i, watch);
  }

  Status StopOnBind(size_t i, Stopwatch* watch) {
    LM_TRY(mounted_[i].Unmount());
    if (watch != nullptr) watch->Phase(Metric::phase_unmount);
    return Status::Ok();
  }

  std::string top_, raw_root_;
  Fd program_;
  std::vector<std::string> targets_, keys_;
  std::vector<Mounted> mounted_;
};

LM_WORKLOAD(
    container_start,
    {.family = "container_start",
     .summary = "start of a static program in new mount, pid, uts, ipc and net namespaces, N at a time",
     .source = "performance.md W04",
     .params = {{"parallel", {{"1"}, {"1", "8"}, {"1", "8"}}}},
     .operation = "prepare, mount, clone3, pivot_root, exec, exit; unmount and remove are its teardown",
     .raw_twin = "the launcher on a bind mount of the unpacked image",
     .image = {.stacks = 1, .trees = 1, .plain = 1},
     .image_trees_param = "parallel",
     .min_pairs = 10,
     .max_pairs = 200,
     .seconds_quick = 1.0,
     .inexact_counts = {{"parallel", "8"}},
     .gate = {.choices = {{{"parallel", "1"}}}}},
    MakeWorkload<ContainerStart>);

}  // namespace
}  // namespace layermark
