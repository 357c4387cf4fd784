// Churn: containers made, started, written in, stopped and removed, one after the other; and what they leave.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "bench/harness/fixture.h"
#include "results/accounting.h"
#include "results/statistics.h"
#include "scenario/launcher.h"
#include "scenario/workspace.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr size_t kWritten = size_t{1} << 20;

// What must be the same after the containers as before them.
struct Left {
  int64_t mounts = 0, descriptors = 0, processes = 0, inodes = 0;
};

Result<Left> LookAround(const std::string& store) {
  Left left;
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  LM_ASSIGN(const std::vector<std::string> descriptors, ListDir(AT_FDCWD, "/proc/self/fd"));
  LM_ASSIGN(const std::vector<std::string> entries, ListDir(AT_FDCWD, "/proc"));
  LM_ASSIGN(const SpaceCount space, CountSpace(store));
  left.mounts = static_cast<int64_t>(mounts.size());
  left.descriptors = static_cast<int64_t>(descriptors.size());
  left.processes = std::count_if(entries.begin(), entries.end(), [](const std::string& name) {
    return name.find_first_not_of("0123456789") == std::string::npos;
  });
  left.inodes = space.inodes;
  return left;
}

// The median of the slopes between all pairs of points (Theil and Sen), here of at most 200 medians of runs
// of neighbours, so that a slow container here and there does not count.
double Slope(const std::vector<double>& times) {
  const size_t run = std::max<size_t>(1, times.size() / 200);
  std::vector<std::pair<double, double>> points;
  for (size_t at = 0; at + run <= times.size(); at += run) {
    const auto begin = times.begin() + static_cast<std::ptrdiff_t>(at);
    points.emplace_back(static_cast<double>(at) + static_cast<double>(run) / 2,
                        Median({begin, begin + static_cast<std::ptrdiff_t>(run)}));
  }
  std::vector<double> slopes;
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t j = i + 1; j < points.size(); ++j)
      slopes.push_back((points[j].second - points[i].second) / (points[j].first - points[i].first));
  }
  return slopes.empty() ? 0 : Median(std::move(slopes));
}

class Churn : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(top_, fixture().Unpack());
    LM_ASSIGN(raw_root_, fixture().UnpackRaw("tree"));
    LM_ASSIGN(program_, StaticTrueProgram());
    LM_ASSIGN(target_, WorkspaceDirectory("container"));
    data_.assign(kWritten, 'w');
    driver_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnDriver(); });
    raw_ = std::make_unique<FunctionSide>([this](Stopwatch&) { return OnBind(); });
    return Status::Ok();
  }

  Status Verify() override {
    LM_ASSIGN(const Manifest before, fixture().subject().ViewManifest(top_));
    LM_TRY(OnDriver());
    LM_ASSIGN(const Manifest after, fixture().subject().ViewManifest(top_));
    LM_TRY(Fixture::SameTree(before, after, "the image after a container"));
    return api().Stat("container").ok() ? WrongAnswer("the removed container is still there") : Status::Ok();
  }

  Result<Figures> Account() override {
    for (int i = 0; i < 3; ++i) LM_TRY(OnDriver());  // what comes once only is there before it is counted
    LM_TRY(api().Cleanup());
    LM_ASSIGN(const Left before, LookAround(fixture().subject().root()));
    std::vector<double> times;
    for (int64_t i = 0; i < context_.Number("containers"); ++i) {
      const auto began = std::chrono::steady_clock::now();
      LM_TRY(OnDriver());
      times.push_back(
          std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count());
    }
    LM_TRY(api().Cleanup());
    LM_ASSIGN(const Left after, LookAround(fixture().subject().root()));
    const auto more = [](int64_t a, int64_t b) { return static_cast<double>(a - b); };
    return Figures{{Metric::leaked_mounts, more(after.mounts, before.mounts)},
                   {Metric::leaked_descriptors, more(after.descriptors, before.descriptors)},
                   {Metric::leaked_processes, more(after.processes, before.processes)},
                   {Metric::leaked_inodes, more(after.inodes, before.inodes)},
                   {Metric::cycle_slope_ns, Slope(times)}};
  }

 private:
  Status Life(Mounted& mounted) {
    ContainerSpec spec;
    spec.root = target_;
    spec.program_fd = program_.get();
    spec.capture_output = false;
    LM_ASSIGN(const ContainerResult result, RunContainer(spec, kDeadline));
    if (!result.status.success()) return Internal("the program ended with " + result.status.ToString());
    LM_TRY(WriteFile(target_ + "/own-log", data_));
    return mounted.Unmount();
  }

  Status OnDriver() {
    LM_ASSIGN(const std::vector<Mount> mounts, api().Prepare("container", top_));
    LM_ASSIGN(Mounted mounted, MountAll(mounts, target_));
    LM_TRY(Life(mounted));
    return api().Remove("container");
  }

  Status OnBind() {
    const std::vector<Mount> bind = {{"bind", raw_root_, "", {"rbind", "rw"}}};
    LM_ASSIGN(Mounted mounted, MountAll(bind, target_));
    LM_TRY(Life(mounted));
    const std::string log = raw_root_ + "/own-log";
    return unlink(log.c_str()) == 0 ? Status::Ok() : Status::Errno("unlink", log);
  }

  std::string top_, raw_root_, target_, data_;
  Fd program_;
};

LM_WORKLOAD(
    churn,
    {.family = "container_start",
     .summary = "N containers one after the other, each of which writes 1 MiB; counts: what they leave",
     .source = "performance.md W27",
     .from = From::kFull,
     .params = {{"containers", {{"20"}, {"100"}, {"1000"}}}},
     .operation = "prepare, mount, start, write 1 MiB, unmount, remove",
     .raw_twin = "the same on a bind mount, the written file removed",
     .backing_bytes = int64_t{2} << 30,
     .min_pairs = 5,
     .max_pairs = 60,
     .deadline_seconds = 300},
    MakeWorkload<Churn>);

}  // namespace
}  // namespace layermark
