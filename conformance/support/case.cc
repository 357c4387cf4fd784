#include "conformance/support/case.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "conformance/support/recording_snapshotter.h"
#include "scenario/model.h"
#include "scenario/model_snapshotter.h"

namespace layermark {
namespace {

std::vector<Case>& Registry() {
  static std::vector<Case> cases;
  return cases;
}

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

namespace internal {

CaseRegistration::CaseRegistration(CaseInfo info, void (*body)(CaseContext&)) {
  Registry().push_back({std::move(info), body});
}

std::string Show(const std::string& v) {
  return fmt::format("\"{}\"", v);
}
std::string Show(bool v) {
  return v ? "true" : "false";
}
std::string Show(int64_t v) {
  return fmt::format("{}", v);
}
std::string Show(uint64_t v) {
  return fmt::format("{}", v);
}

}  // namespace internal

const std::vector<Case>& AllCases() {
  static const std::vector<Case> sorted = [] {
    std::vector<Case> cases = Registry();
    std::sort(cases.begin(), cases.end(),
              [](const Case& a, const Case& b) { return a.info.full_name() < b.info.full_name(); });
    return cases;
  }();
  return sorted;
}

CaseContext::CaseContext(const InstanceSpec& instance, Backing& backing, CapabilitySet capabilities,
                         uint64_t seed, const ImageSource* image)
    : instance_(instance),
      backing_(backing),
      capabilities_(capabilities),
      seed_(seed),
      image_(image),
      began_ns_(NowNs() - 1'000'000'000) {}

// The cases of a run share a backing: what a case leaves there is taken from those after it. What cannot be
// removed is no finding of this case.
CaseContext::~CaseContext() {
  kept_.clear();
  if (subject_ != nullptr) (void)subject_->Discard();
  if (oracle_ != nullptr) (void)oracle_->Discard();
}

Subject& CaseContext::subject() {
  if (subject_ == nullptr) {
    Result<Subject> opened = Subject::Open(instance_, backing_);
    // A store that cannot be opened leaves nothing to run on: the worker's end is then the verdict.
    if (!opened.ok())
      throw std::runtime_error(fmt::format("opening the store: {}", opened.status().ToString()));
    subject_ = std::make_unique<Subject>(std::move(opened).value());
  }
  return *subject_;
}

Subject& CaseContext::oracle() {
  if (oracle_ == nullptr) {
    Result<Subject> opened = Subject::Open(OracleInstance(), backing_);
    if (!opened.ok())
      throw std::runtime_error(fmt::format("opening the oracle: {}", opened.status().ToString()));
    oracle_ = std::make_unique<Subject>(std::move(opened).value());
  }
  return *oracle_;
}

void CaseContext::Fail(const std::string& what) {
  // Once the set-up went wrong, what follows from that says nothing about the claim.
  if (error_.empty()) failures_.push_back(what);
}

bool CaseContext::Check(bool condition, const std::string& what) {
  if (!condition) Fail(what);
  return condition;
}

bool CaseContext::Ok(const Status& status, const std::string& what) {
  return Check(status.ok(), fmt::format("{}: {}", what, status.ToString()));
}

bool CaseContext::HasCode(const Status& status, Code code, const std::string& what) {
  return Check(status.code() == code,
               fmt::format("{}: expected {}, got {}", what, CodeName(code), status.ToString()));
}

bool CaseContext::SameTree(const Manifest& expected, const Manifest& actual, const std::string& what,
                           const CompareOptions& options) {
  CompareOptions compare = options;
  if (compare.recent_after_ns == 0) compare.recent_after_ns = began_ns_;
  const std::vector<Difference> differences = Compare(expected, actual, compare);
  return Check(differences.empty(), fmt::format("{}: {}", what, Describe(differences)));
}

void CaseContext::Skip(const std::string& code, const std::string& reason) {
  if (skip_.empty()) skip_ = fmt::format("{}: {}", code, reason);
}

void CaseContext::Error(const std::string& what) {
  if (error_.empty()) error_ = what;
}

void CaseContext::Given(const std::vector<Layer>& layers) {
  ModelTree model;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (Status s = model.Apply(layers[i]); !s.ok()) {
      return Error(fmt::format("the model cannot apply layer {}: {}", i, s.ToString()));
    }
  }
  given_manifest_ = model.ToManifest();
  // A root that no layer gave a time has that of its making.
  if (Entry& root = given_manifest_.entries[""]; root.mtime_ns == 0) root.mtime_ns = NowNs();
  Result<std::string> reference = oracle().CommitChain(layers);
  if (!reference.ok())
    return Error(fmt::format("plain cannot take the layers: {}", reference.status().ToString()));
  oracle_given_ = *reference;
  Result<std::string> top = subject().CommitChain(layers);
  if (!top.ok()) return Fail(fmt::format("the driver cannot take the layers: {}", top.status().ToString()));
  given_ = *top;
}

void CaseContext::SameSteps(const Ops& driver, const Ops& plain) {
  const std::vector<Observation>& seen = driver.log();
  const std::vector<Observation>& expected = plain.log();
  for (size_t i = 0; i < std::max(seen.size(), expected.size()); ++i) {
    if (i >= seen.size() || i >= expected.size()) {
      return Fail(
          fmt::format("step {}: the driver made {} steps, plain {}", i + 1, seen.size(), expected.size()));
    }
    if (seen[i] == expected[i]) continue;
    Fail(fmt::format("step {}: {}; plain: {}", i + 1, ToString(seen[i]), ToString(expected[i])));
  }
}

void CaseContext::CheckParent() {
  if (given_.empty()) return;
  Result<Manifest> parent = subject().ViewManifest(given_);
  if (Ok(parent, "viewing the parent afterwards")) {
    SameTree(given_manifest_, *parent, "the parent is not what the model says");
  }
}

void CaseContext::When(const std::function<void(Ops&)>& act, const WhenOptions& options) {
  if (ended()) return;
  const std::string key = fmt::format("act{}", acts_++);
  WhenOptions when = options;
  when.compare.recent_after_ns = began_ns_;

  Result<MountedSnapshot> plain = oracle().Prepare(key, oracle_given_);
  if (!plain.ok()) return Error(fmt::format("plain cannot prepare: {}", plain.status().ToString()));
  Result<MountedSnapshot> mounted = subject().Prepare(key, given_);
  if (!Ok(mounted, "prepare and mount")) return;

  {
    Ops expected(plain->root_fd());
    act(expected);
    Ops seen(mounted->root_fd());
    act(seen);
    SameSteps(seen, expected);
  }

  Result<Manifest> reference = ReadManifest(plain->root_fd());
  if (!reference.ok()) return Error(fmt::format("reading plain's tree: {}", reference.status().ToString()));
  Result<Manifest> first = ReadManifest(mounted->root_fd());
  if (Ok(first, "reading the mounted tree")) SameTree(*reference, *first, "mounted", when.compare);
  if (when.remount) {
    if (!Ok(mounted->Remount(subject().api()), "unmount and mount again")) return;
    Result<Manifest> second = ReadManifest(mounted->root_fd());
    if (Ok(second, "reading the tree mounted again"))
      SameTree(*reference, *second, "mounted again", when.compare);
  }
  if (!Ok(mounted->Unmount(), "unmount") || !Ok(plain->Unmount(), "unmount plain")) return;
  if (when.commit) {
    const std::string name = key + ".committed";
    if (Ok(api().Commit(name, key), "commit")) {
      Result<Manifest> third = subject().ViewManifest(name);
      if (Ok(third, "viewing the committed snapshot"))
        SameTree(*reference, *third, "committed", when.compare);
    }
  }
  CheckParent();
}

void CaseContext::ThenStackIsRight() {
  if (ended()) return;
  Result<Manifest> seen = subject().ViewManifest(given_);
  if (!Ok(seen, "viewing the stack")) return;
  SameTree(given_manifest_, *seen, "the stack is not what the model says");
  Result<Manifest> reference = oracle().ViewManifest(oracle_given_);
  if (!reference.ok()) return Error(fmt::format("viewing plain's stack: {}", reference.status().ToString()));
  SameTree(*reference, *seen, "the stack is not what plain shows");
  // What a new snapshot on it starts from: a driver may show a view by other means than it makes a copy.
  const std::string key = fmt::format("on.{}.{}", given_, acts_++);
  Result<MountedSnapshot> next = subject().Prepare(key, given_);
  if (!Ok(next, "preparing on the stack")) return;
  Result<Manifest> start = ReadManifest(next->root_fd());
  if (Ok(start, "reading a snapshot prepared on the stack")) {
    SameTree(given_manifest_, *start, "a snapshot prepared on the stack does not start as it");
  }
  if (Ok(next->Unmount(), "unmount")) Ok(api().Remove(key), "removing the snapshot prepared on the stack");
}

MountedSnapshot* CaseContext::PrepareOnGiven(const std::string& key) {
  Result<MountedSnapshot> mounted = subject().Prepare(key, given_);
  if (!Ok(mounted, "prepare and mount")) return nullptr;
  kept_.push_back(std::make_unique<MountedSnapshot>(std::move(mounted).value()));
  return kept_.back().get();
}

void CaseContext::SameAsModel(const std::function<void(Snapshotter&)>& calls) {
  if (ended()) return;
  ModelSnapshotter model(Has(Capability::rebase));
  RecordingSnapshotter expected(model);
  calls(expected);
  RecordingSnapshotter seen(api());
  calls(seen);
  const size_t steps = std::max(expected.log().size(), seen.log().size());
  for (size_t i = 0; i < steps; ++i) {
    const std::string want = i < expected.log().size() ? expected.log()[i] : "(no call)";
    const std::string got = i < seen.log().size() ? seen.log()[i] : "(no call)";
    if (want != got) Fail(fmt::format("call {}: {}; model: {}", i + 1, got, want));
  }
}

}  // namespace layermark
