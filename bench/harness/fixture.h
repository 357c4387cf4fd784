// What most workloads need: the driver's store, the image unpacked in it, and a directory for the raw twin.
#ifndef LAYERMARK_BENCH_HARNESS_FIXTURE_H_
#define LAYERMARK_BENCH_HARNESS_FIXTURE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bench/harness/workload.h"
#include "core/result.h"
#include "core/tree/manifest.h"

namespace layermark {

class Fixture {
 public:
  static Result<Fixture> Open(const WorkloadContext& context);

  Subject& subject() { return *subject_; }
  Snapshotter& api() { return subject_->api(); }
  const std::string& raw_directory() const { return raw_; }

  // Unpacks the run's image layer by layer, each under its chain ID (with `suffix`); answers the top's name.
  Result<std::string> Unpack(const std::string& suffix = "");
  // The image's layers applied to one ordinary directory below raw_directory(); its path.
  Result<std::string> UnpackRaw(const std::string& name);
  // What the model says that the image shows after all its layers.
  Result<Manifest> ModelOfImage() const;
  // Ok, or WrongAnswer with what differs.
  static Status SameTree(const Manifest& expected, const Manifest& actual, const std::string& what,
                         const std::vector<std::string>& unspecified_mtimes = {});
  // The same without times, the root's own attributes and holes: where both sides wrote for themselves.
  static Status SameContent(const Manifest& expected, const Manifest& actual, const std::string& what);

 private:
  const WorkloadContext* context_ = nullptr;
  std::unique_ptr<Subject> subject_;
  std::string raw_;
};

// nullopt where `needed_bytes` fit on the backing (a directory of the host is taken to be large enough).
std::optional<Lack> NeedsRoom(const WorkloadContext& context, int64_t needed_bytes);

// A Side made of functions.
class FunctionSide : public Side {
 public:
  using Step = std::function<Status()>;
  using Operation = std::function<Status(Stopwatch&)>;
  explicit FunctionSide(Operation run, Step before = {}, Step after = {})
      : run_(std::move(run)), before_(std::move(before)), after_(std::move(after)) {}
  Status Before() override { return before_ ? before_() : Status::Ok(); }
  Status Run(Stopwatch& watch) override { return run_(watch); }
  Status After() override { return after_ ? after_() : Status::Ok(); }

 private:
  Operation run_;
  Step before_, after_;
};

// A Workload over a Fixture; the sides are set in SetUp.
class FixtureWorkload : public Workload {
 public:
  explicit FixtureWorkload(const WorkloadContext& context) : context_(context) {}
  Side* driver() override { return driver_.get(); }
  Side* raw() override { return raw_.get(); }

 protected:
  Status OpenFixture();
  Fixture& fixture() { return *fixture_; }
  Snapshotter& api() { return fixture_->api(); }
  // A side that works on fresh(), each time a fresh one on `parent`; its making and removal are not timed.
  std::unique_ptr<Side> OnFreshSnapshot(const std::string& parent, FunctionSide::Operation operation);
  MountedSnapshot& fresh() { return fresh_; }
  std::string NextKey(const std::string& prefix) { return prefix + std::to_string(next_++); }

  const WorkloadContext context_;
  std::unique_ptr<Side> driver_, raw_;

 private:
  std::unique_ptr<Fixture> fixture_;
  MountedSnapshot fresh_;
  std::string key_;
  int64_t next_ = 0;
};

template <typename T>
Result<std::unique_ptr<Workload>> MakeWorkload(const WorkloadContext& context) {
  return std::unique_ptr<Workload>(std::make_unique<T>(context));
}

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_FIXTURE_H_
