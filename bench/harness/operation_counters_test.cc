#include "bench/harness/operation_counters.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>

#include "bench/harness/fixture.h"
#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

class OperationCountersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tree_ = TempTree::Create(::testing::TempDir(), "operation_counters").value();
    BackingSpec spec;
    spec.kind = "dir";
    spec.device = "disk";
    spec.directory = tree_.path();
    Result<Backing> backing = Backing::Create(spec);
    ASSERT_TRUE(backing.ok()) << backing.status().ToString();
    backing_ = std::make_unique<Backing>(std::move(*backing));
    counters_ = std::make_unique<OperationCounters>(*backing_);
  }

  std::map<Metric, OperationCount> Count(Side& side, const std::string& name = "driver") {
    auto rows = counters_->Count(side, name);
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    std::map<Metric, OperationCount> out;
    if (!rows.ok()) return out;
    for (const OperationCount& row : *rows) {
      EXPECT_EQ(row.side, name);
      EXPECT_EQ(row.value.has_value(), row.reason.empty())
          << Row(row.metric).name << ": a number or a reason";
      out[row.metric] = row;
    }
    return out;
  }
  std::string Path(const std::string& name) const { return backing_->path() + "/" + name; }

  TempTree tree_;
  std::unique_ptr<Backing> backing_;
  std::unique_ptr<OperationCounters> counters_;
};

TEST_F(OperationCountersTest, CountsTheOperationAndNotWhatIsAroundIt) {
  int before = 0;
  int runs = 0;
  int after = 0;
  FunctionSide side(
      [&](Stopwatch&) {
        ++runs;
        for (int i = 0; i < 5; ++i) syscall(SYS_getppid);
        syscall(SYS_sched_yield);
        return Status::Ok();
      },
      [&] {
        ++before;
        syscall(SYS_getuid);
        return Status::Ok();
      },
      [&] {
        ++after;
        syscall(SYS_getgid);
        return Status::Ok();
      });
  const auto counts = Count(side);
  EXPECT_EQ(counts.at(Metric::syscalls).value, 5);
  EXPECT_TRUE(counts.at(Metric::syscalls).exact);
  EXPECT_EQ(counts.at(Metric::syscalls).breakdown, (std::map<std::string, int64_t>{{"getppid", 5}}));
  EXPECT_EQ(counts.at(Metric::runtime_syscalls).breakdown,
            (std::map<std::string, int64_t>{{"sched_yield", 1}}));
  EXPECT_EQ(counts.at(Metric::mounts).value, 0);
  EXPECT_EQ(counts.at(Metric::inodes_left).value, 0);
  EXPECT_EQ(runs, 2) << "once to warm up, once counted";
  EXPECT_EQ(before, 2);
  EXPECT_EQ(after, 2);
}

TEST_F(OperationCountersTest, SeesWhatIsLeft) {
  int number = 0;
  FunctionSide side([&](Stopwatch&) -> Status {
    const std::string name = Path("made" + std::to_string(number++));
    LM_TRY(MakeDirs(name));
    LM_TRY(WriteFile(name + "/new", std::string(10000, 'x')));
    if (mknod((name + "/gone").c_str(), S_IFCHR, 0) != 0) return Status::Errno("mknod", name);
    LM_TRY(WriteFile(name + "/copied", std::string(4096, 'x')));
    return SetXattrAt(AT_FDCWD, name + "/copied", "trusted.overlay.origin", "handle");
  });
  const auto counts = Count(side);
  EXPECT_EQ(counts.at(Metric::inodes_left).value, 4);
  EXPECT_EQ(counts.at(Metric::whiteouts_left).value, 1);
  EXPECT_EQ(counts.at(Metric::stored_left_bytes).value, 14096);
  EXPECT_EQ(counts.at(Metric::copied_bytes).value, 4096);
  EXPECT_GE(counts.at(Metric::allocated_left_bytes).value, 14096);
  EXPECT_EQ(counts.at(Metric::mounts_left).value, 0);
}

TEST_F(OperationCountersTest, SaysWhatCannotBeCounted) {
  FunctionSide side([](Stopwatch&) { return Status::Ok(); });
  const auto counts = Count(side);
  // A directory of the host lies on a device that others write to.
  EXPECT_FALSE(counts.at(Metric::flushes).value);
  EXPECT_NE(counts.at(Metric::flushes).reason.find("not on a device of its own"), std::string::npos);
  EXPECT_FALSE(counts.at(Metric::device_bytes).value);
  EXPECT_FALSE(counts.contains(Metric::daemon_syscalls)) << "there is no daemon";
}

TEST_F(OperationCountersTest, OfTheTwinOnlyTheCalls) {
  FunctionSide side([](Stopwatch&) {
    syscall(SYS_getppid);
    return Status::Ok();
  });
  const auto counts = Count(side, "raw");
  EXPECT_EQ(counts.at(Metric::syscalls).value, 1);
  EXPECT_FALSE(counts.contains(Metric::inodes_left));
}

TEST_F(OperationCountersTest, AFailingOperationIsTheAnswer) {
  FunctionSide side([](Stopwatch&) { return FailedPrecondition("broken"); });
  EXPECT_EQ(counters_->Count(side, "driver").status().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace layermark
