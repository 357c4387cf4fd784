// What the harness itself costs an operation: no allocation between the clock's two readings, and a time that
// is printed (never asserted).
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "bench/harness/fixture.h"
#include "bench/harness/pair_loop.h"
#include "results/statistics.h"

namespace {

std::atomic<bool> g_counting = false;
std::atomic<int> g_allocations = 0;

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAYERMARK_SANITIZER_OWNS_MALLOC
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAYERMARK_SANITIZER_OWNS_MALLOC
#endif

#ifdef LAYERMARK_SANITIZER_OWNS_MALLOC
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));
const int g_hooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) {
      if (g_counting.load(std::memory_order_relaxed)) g_allocations.fetch_add(1, std::memory_order_relaxed);
    },
    [](const volatile void*) {});
#else
// The C library's own function under another name: the hook counts and passes on.
extern "C" void* __libc_malloc(size_t size) noexcept;
extern "C" void* malloc(size_t size) noexcept {
  if (g_counting.load(std::memory_order_relaxed)) g_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
#endif

namespace layermark {
namespace {

// Counts from the end of Before to the start of After: the timed region lies between.
class EmptySide : public Side {
 public:
  Status Before() override {
    g_counting = true;
    return Status::Ok();
  }
  Status Run(Stopwatch& watch) override {
    if (stamps_) {
      watch.Phase(Metric::phase_mount);
      watch.Stop();
    }
    if (allocates_) delete[] new (std::nothrow) char[64];
    return Status::Ok();
  }
  Status After() override {
    g_counting = false;
    return Status::Ok();
  }
  bool stamps_ = false, allocates_ = false;
};

PairPlan Plan(int pairs, bool cpu_time) {
  PairPlan plan;
  plan.min_pairs = plan.max_pairs = pairs;
  plan.cpu_time = cpu_time;
  return plan;
}

TEST(TimedRegion, HoldsNoAllocationOfTheHarness) {
  for (const bool cpu_time : {false, true}) {
    for (const bool stamps : {false, true}) {
      EmptySide a, b;
      a.stamps_ = b.stamps_ = stamps;
      g_allocations = 0;
      ASSERT_TRUE(RunPairs(a, &b, Plan(100, cpu_time)).ok());
      EXPECT_EQ(g_allocations, 0) << "cpu_time " << cpu_time << ", stamps " << stamps;
    }
  }
}

TEST(TimedRegion, TheHookSeesAnAllocation) {
  EmptySide a;
  a.allocates_ = true;
  g_allocations = 0;
  ASSERT_TRUE(RunPairs(a, nullptr, Plan(10, false)).ok());
  EXPECT_GE(g_allocations, 10);
}

TEST(TimedRegion, PrintsWhatAnEmptyOperationCosts) {
  EmptySide a, b;
  auto samples = RunPairs(a, &b, Plan(20000, false));
  ASSERT_TRUE(samples.ok());
  auto with_cpu = RunPairs(a, &b, Plan(5000, true));
  ASSERT_TRUE(with_cpu.ok());
  fmt::print(
      "an empty operation: {:.0f} ns by wall clock; by CPU clock {:.0f} ns after {:.0f} ns for reading it "
      "were taken off\n",
      Median(samples->at({"driver", Metric::latency})), Median(with_cpu->at({"driver", Metric::cpu_time})),
      CpuClockCostNs());
  EXPECT_EQ(samples->at({"driver", Metric::latency}).size(), 20000u);
  EXPECT_EQ(with_cpu->at({"driver", Metric::cpu_time}).size(), 5000u);
  EXPECT_EQ(samples->count({"driver", Metric::cpu_time}), 0u);
}

}  // namespace
}  // namespace layermark
