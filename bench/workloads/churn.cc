// Churn: containers that come and go, one after the other, and what of them does not go.
#include <dirent.h>
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <cctype>

#include "bench/harness/fixture.h"
#include "results/accounting.h"
#include "results/kernel_counters.h"
#include "results/statistics.h"
#include "scenario/launcher.h"

namespace layermark {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr int kWarmUp = 5;
constexpr int64_t kWritten = int64_t{1} << 20;

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// The median of the slopes between all pairs of points (Theil-Sen): outliers do not move it.
double Slope(const std::vector<double>& values) {
  std::vector<double> slopes;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i + 1; j < values.size(); ++j)
      slopes.push_back((values[j] - values[i]) / static_cast<double>(j - i));
  }
  return slopes.empty() ? 0 : Median(std::move(slopes));
}

class Churn : public FixtureWorkload {
 public:
  using FixtureWorkload::FixtureWorkload;

  Status SetUp() override {
    LM_TRY(OpenFixture());
    LM_ASSIGN(top_, fixture().Unpack());
    LM_ASSIGN(program_, StaticTrueProgram());
    return Status::Ok();
  }

  // What a container wrote is in it while it lives, and the image is the same after it went as before.
  Status Verify() override {
    LM_ASSIGN(const Manifest before, fixture().subject().ViewManifest(top_));
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare("verify", top_));
    LM_TRY(StartAndWrite(snapshot));
    const Result<std::string> seen = ReadFileAt(snapshot.root_fd(), "written");
    if (!seen.ok() || *seen != written_) return WrongAnswer("what the container wrote cannot be read in it");
    LM_TRY(snapshot.Unmount());
    LM_TRY(api().Remove("verify"));
    LM_ASSIGN(const Manifest after, fixture().subject().ViewManifest(top_));
    return Fixture::SameTree(before, after, "the image after the container");
  }

  Result<Figures> Account() override {
    // What is made once (the store's journal, a directory for work) is there before the first look.
    for (int i = 0; i < kWarmUp; ++i) LM_TRY(Cycle());
    LM_ASSIGN(const Held before, Look());
    const auto cycles = static_cast<int>(context_.Number("cycles"));
    std::vector<double> times;
    for (int i = 0; i < cycles; ++i) {
      const int64_t began = NowNs();
      LM_TRY(Cycle().WithContext(fmt::format("container {} of {}", i + 1, cycles)));
      times.push_back(static_cast<double>(NowNs() - began));
    }
    LM_ASSIGN(const Held after, Look());
    Figures figures = {
        {Metric::leaked_mounts, static_cast<double>(after.mounts - before.mounts)},
        {Metric::leaked_inodes, static_cast<double>(after.inodes - before.inodes)},
        {Metric::leaked_descriptors, static_cast<double>(after.descriptors - before.descriptors)},
        {Metric::leaked_processes, static_cast<double>(after.processes - before.processes)},
        {Metric::pool_bytes, static_cast<double>(after.pool.used_bytes - before.pool.used_bytes)},
        {Metric::cycle_slope_ns, Slope(times)}};
    if (before.slabs.ok() && after.slabs.ok()) {
      figures[Metric::slab_slope_bytes] =
          static_cast<double>(Sum(Growth(*before.slabs, *after.slabs))) / cycles;
    } else {
      missing_[Metric::slab_slope_bytes] = (before.slabs.ok() ? after : before).slabs.status().ToString();
    }
    return figures;
  }

  std::map<Metric, std::string> Missing() override { return missing_; }

 private:
  struct Held {
    int64_t mounts = 0, inodes = 0, descriptors = 0, processes = 0;
    PoolState pool;
    Result<SlabBytes> slabs = SlabBytes{};
  };

  Result<Held> Look() {
    Held held;
    LM_ASSIGN(held.pool, ReadPool(context_.backing->path()));  // deferred deletion is done after it
    LM_ASSIGN(const SpaceCount space, CountSpace(fixture().subject().root(), {.extents = false}));
    held.inodes = space.inodes;
    LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
    held.mounts = static_cast<int64_t>(mounts.size());
    LM_ASSIGN(const std::vector<std::string> descriptors, ListDir(AT_FDCWD, "/proc/self/fd"));
    held.descriptors = static_cast<int64_t>(descriptors.size());
    LM_ASSIGN(const std::vector<std::string> proc, ListDir(AT_FDCWD, "/proc"));
    held.processes = std::count_if(proc.begin(), proc.end(), [](const std::string& name) {
      return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    });
    held.slabs = ReadSlabs();
    return held;
  }

  Status StartAndWrite(MountedSnapshot& snapshot) {
    ContainerSpec spec;
    spec.root = snapshot.path();
    spec.program_fd = program_.get();
    spec.capture_output = false;
    LM_ASSIGN(const ContainerResult result, RunContainer(spec, kDeadline));
    if (!result.status.success()) return Internal("the program ended with " + result.status.ToString());
    return WriteFileAt(snapshot.root_fd(), "written", written_);
  }

  Status Cycle() {
    const std::string key = NextKey("cycle");
    LM_ASSIGN(MountedSnapshot snapshot, fixture().subject().Prepare(key, top_));
    LM_TRY(StartAndWrite(snapshot));
    LM_TRY(snapshot.Unmount());
    return api().Remove(key);
  }

  const std::string written_ = std::string(static_cast<size_t>(kWritten), 'w');
  std::string top_;
  Fd program_;
  std::map<Metric, std::string> missing_;
};

LM_WORKLOAD(
    churn,
    {.family = "churn",
     .summary = "N containers one after the other, each writes 1 MiB: what mounts, inodes, descriptors, "
                "processes and kernel memory are left (counts)",
     .source = "performance.md W27",
     .params = {{"cycles", {{"10"}, {"30"}, {"1000"}}}},
     .operation = "prepare, mount, start, write 1 MiB, unmount, remove",
     .image = {.stacks = 1, .trees = 1},
     .deadline_seconds = 300},
    MakeWorkload<Churn>);

}  // namespace
}  // namespace layermark
