// The declaration of a case: one conformance claim, in one block.
//
//   LM_CASE(whiteout, unlink_hides_lower_file,
//           .claim = "unlink of a file that a lower layer brought hides it, and leaves the layer as it was",
//           .source = "properties 28; ovl/003") {
//     t.Given({Layer().File("f", "lower")});
//     t.When([](Ops& fs) {
//       fs.Unlink("f");
//       fs.Stat("f");
//       fs.List("");
//     });
//   }
//
// The block runs in a worker process of its own on a fresh store of the instance under test. What is expected
// is computed by the oracles, never typed in: When() runs its steps on the driver's mount and on `plain`, and
// compares the two step by step and as whole trees, four times: mounted, mounted again, committed and viewed,
// and the parent, which must be what the model says. SameAsModel() runs calls of the Snapshotter API on the
// driver and on the model. A case is mandatory for every driver unless it names capabilities that it needs.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_CASE_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_CASE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/support/ops.h"
#include "core/capability.h"
#include "core/result.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "drivers/snapshotter.h"
#include "scenario/subject.h"

namespace layermark {

class CaseContext;
class ImageSource;

struct CaseInfo {
  std::string area;
  std::string name;      // [a-z0-9_]+, what must hold
  std::string claim{};   // one sentence
  std::string source{};  // ids, separated by "; ": "rule 28", "L19", "properties 31", "ovl/003", a URL
  std::vector<Capability> needs{};  // skipped, with the probe's reason, where one is missing
  int deadline_seconds = 60;
  int64_t backing_bytes = 0;              // > 0: a backing of its own of this size (a case that fills it up)
  std::vector<std::string> kernel_log{};  // substrings of kernel messages that this case provokes on purpose
  bool alone = false;                     // nothing else of the run happens beside it
  bool wants_image = false;               // image() is called: the run's image is unpacked for it
  std::string full_name() const { return area + "." + name; }
};

struct Case {
  CaseInfo info;
  void (*body)(CaseContext&) = nullptr;
};

// All registered cases, sorted by area and name.
const std::vector<Case>& AllCases();

struct WhenOptions {
  bool commit = true;      // also commit, view, and compare again
  bool remount = true;     // also unmount, mount again, and compare
  CompareOptions compare;  // recent_after_ns is filled in
};

class CaseContext {
 public:
  CaseContext(const InstanceSpec& instance, Backing& backing, CapabilitySet capabilities, uint64_t seed,
              const ImageSource* image);
  ~CaseContext();

  // --- The tree fixture
  // ------------------------------------------------------------------------------------- Commits these
  // layers one on the other on the driver and on `plain`. Without layers the snapshot has no parent.
  void Given(const std::vector<Layer>& layers);
  // Prepares a snapshot on them, runs `act` on the driver's mount and on plain's, compares as said above.
  // Can be called again: the next act works on a fresh snapshot of the same parent.
  void When(const std::function<void(Ops&)>& act, const WhenOptions& options = {});
  // The driver's view of what Given committed, compared with the model and with plain; and what a snapshot
  // prepared on it shows at first, compared with the model.
  void ThenStackIsRight();
  // For what When cannot say: prepares a snapshot on the given layers and hands it over, on the driver only.
  MountedSnapshot* PrepareOnGiven(const std::string& key);
  const std::string& given() const {
    return given_;
  }  // the top layer's name on the driver; "" without layers
  // What the model says the given layers show.
  const Manifest& given_manifest() const { return given_manifest_; }

  // --- The API fixture
  // -------------------------------------------------------------------------------------- Runs `calls` on
  // the driver's Snapshotter and on the model's; every call's code and answer must agree.
  void SameAsModel(const std::function<void(Snapshotter&)>& calls);

  // --- Everything else
  // --------------------------------------------------------------------------------------
  Subject& subject();  // the driver's store
  Subject& oracle();   // plain's store on the same backing
  Snapshotter& api() { return subject().api(); }
  Backing& backing() { return backing_; }
  const InstanceSpec& instance() const { return instance_; }
  bool Has(Capability capability) const { return capabilities_.Has(capability); }
  uint64_t seed() const { return seed_; }
  const ImageSource& image() const { return *image_; }  // REQUIRES: .wants_image

  // Verdict. The first failure's text is the row's reason; later ones follow it. None of them ends the case.
  void Fail(const std::string& what);
  bool Check(bool condition, const std::string& what);     // fails with `what`
  bool Ok(const Status& status, const std::string& what);  // fails unless ok
  template <typename T>
  bool Ok(const Result<T>& result, const std::string& what) {
    return Ok(result.status(), what);
  }
  bool HasCode(const Status& status, Code code, const std::string& what);  // fails unless that code
  bool SameTree(const Manifest& expected, const Manifest& actual, const std::string& what,
                const CompareOptions& options = {});
  template <typename A, typename B>
  bool Equal(const A& expected, const B& actual, const std::string& what);
  // Fails for each step that the two sides answered differently; for steps that are not run by When.
  void SameSteps(const Ops& driver, const Ops& plain);
  // Ends the case as skip; for what only turns up inside (a machine code and a sentence).
  void Skip(const std::string& code, const std::string& reason);
  // Something of the set-up, not of the claim, went wrong: verdict error.
  void Error(const std::string& what);
  bool failed() const { return !failures_.empty(); }
  bool ended() const { return failed() || !skip_.empty() || !error_.empty(); }

  const std::vector<std::string>& failures() const { return failures_; }
  const std::string& skip_reason() const { return skip_; }
  const std::string& error() const { return error_; }

 private:
  struct Look;
  void CheckParent();

  InstanceSpec instance_;
  Backing& backing_;
  CapabilitySet capabilities_;
  uint64_t seed_;
  const ImageSource* image_;
  std::unique_ptr<Subject> subject_, oracle_;
  std::vector<std::unique_ptr<MountedSnapshot>> kept_;
  std::string given_, oracle_given_;
  Manifest given_manifest_;
  int64_t began_ns_;  // times after this are "made during the case"
  int acts_ = 0;
  std::vector<std::string> failures_;
  std::string skip_, error_;
};

namespace internal {
struct CaseRegistration {
  CaseRegistration(CaseInfo info, void (*body)(CaseContext&));
};
std::string Show(const std::string& v);
std::string Show(bool v);
std::string Show(int64_t v);
std::string Show(uint64_t v);
inline std::string Show(int v) {
  return Show(static_cast<int64_t>(v));
}
inline std::string Show(unsigned v) {
  return Show(static_cast<uint64_t>(v));
}
inline std::string Show(const char* v) {
  return Show(std::string(v));
}
}  // namespace internal

template <typename A, typename B>
bool CaseContext::Equal(const A& expected, const B& actual, const std::string& what) {
  if (expected == actual) return true;
  Fail(what + ": expected " + internal::Show(expected) + ", got " + internal::Show(actual));
  return false;
}

}  // namespace layermark

#define LM_CASE(area_, name_, ...)                                                                    \
  static void LmCase_##area_##_##name_(::layermark::CaseContext& t);                                  \
  static const ::layermark::internal::CaseRegistration lm_case_registration_##area_##_##name_{        \
      ::layermark::CaseInfo{.area = #area_, .name = #name_, __VA_ARGS__}, &LmCase_##area_##_##name_}; \
  static void LmCase_##area_##_##name_([[maybe_unused]] ::layermark::CaseContext& t)

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_CASE_H_
