// Arena: the two sides of a fuzz program. A snapshot of the driver on the program's layers, mounted; and an
// ordinary directory on the same backing into which the same layers were written one after the other. Each
// step runs on both, and what differs is a mismatch.
//
// Threads: one. REQUIRES: a private mount namespace and a workspace; umask 022 and no supplementary groups.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_ARENA_H_
#define LAYERMARK_CONFORMANCE_FUZZ_ARENA_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conformance/fuzz/executor.h"
#include "conformance/fuzz/program.h"
#include "core/tree/compare.h"
#include "scenario/subject.h"

namespace layermark {

// The first step on which the two sides differ.
struct Mismatch {
  enum class Kind {
    kOutcome,  // a step ended otherwise: `expected` and `seen`
    kTree,     // the trees differ: `tree`
    kCall,     // a call of the driver, a mount or a layer failed: `call` and `seen.error`
  };
  Kind kind = Kind::kOutcome;
  size_t step = 0;  // index in the program; its size for what comes before any step
  Outcome expected, seen;
  std::vector<Difference> tree;
  std::vector<std::string> effects;  // EffectOf each of them
  bool stale = false;                // nothing of it is to be looked at, yet the trees have parted
  std::string call;                  // "prepare"
  std::string message;               // of the failed call
};
std::string Describe(const Mismatch& mismatch);  // for people, several lines

// "mtime directory": the field of a difference and the type of the object, what masks and signatures use.
std::string EffectOf(const Difference& difference, const Manifest& expected);
// True for a field after which the two trees are still the same for what follows.
bool IsAttribute(const std::string& field);

class Arena {
 public:
  static Result<std::unique_ptr<Arena>> Open(const InstanceSpec& instance, Backing& backing);
  ~Arena();  // gives up what is mounted; the stores stay until the backing goes

  // Says of a difference, with its effect, whether it is known and what stands behind it is wanted. Masked
  // differences are left out of a mismatch; their paths are in masked().
  using Mask = std::function<bool(const Difference&, const std::string& effect)>;
  void SetMask(Mask mask) { mask_ = std::move(mask); }
  const std::set<std::string>& masked() const { return masked_; }          // of the last comparison
  const std::vector<layermark::Mount>& mounts() const { return mounts_; }  // of the last snapshot mounted

  // Makes both sides ready. Layers equal to those of the last time are used again. A Status: our own side
  // failed, such as layers that do not apply to an ordinary directory (kInvalidArgument).
  // Then the trees are compared. With `as_they_are` a driver that shows the layers otherwise is no mismatch:
  // what differs then is how this stack is, and is no difference later, so that such a driver can be tested
  // too.
  Result<std::optional<Mismatch>> Begin(const std::vector<Layer>& layers, bool as_they_are = false);
  // Runs one step on both sides. `expected` is what the ordinary directory said.
  // REQUIRES: began. Compares the trees as a check does.
  Result<std::optional<Mismatch>> Check(size_t index) { return CompareTrees(index); }
  Result<std::optional<Mismatch>> Run(const FuzzStep& step, size_t index, Outcome* expected);
  // Takes both sides away. To be called after each Begin, whatever came of it.
  Status End();
  // End, and a mismatch "remove" where a store did not let go of what the program left.
  Result<std::optional<Mismatch>> Finish(size_t index);
  // End, and the layers too.
  Status Discard();

  // Begin, all steps, End.
  Result<std::optional<Mismatch>> RunProgram(const FuzzProgram& program);

 private:
  Arena() = default;
  Status LoadReference(const std::vector<Layer>& layers);
  std::optional<Mismatch> LoadDriver(const std::vector<Layer>& layers);
  std::optional<Mismatch> Prepare(size_t index);
  Status RemoveChain();
  Result<std::optional<Mismatch>> CompareTrees(size_t index, bool sockets = true);
  Result<std::optional<Mismatch>> CompareWith(int root_fd, size_t index, bool sockets);
  Result<std::optional<Mismatch>> DiffAndApply(const std::string& parent, const std::string& name,
                                               size_t index);
  Result<std::optional<Mismatch>> Session(FuzzOp op, size_t index);
  // The stores can be used no more: a fresh one for the next program.
  void Forget();
  std::optional<Mismatch> Failed(const std::string& call, const Status& status, size_t index) const;

  InstanceSpec instance_;
  Backing* backing_ = nullptr;
  Mask mask_;
  std::set<std::string> masked_;
  std::set<std::string> differing_, as_it_is_;  // "PATH\nFIELD"
  bool taken_as_it_is_ = false;                 // as_it_is_ belongs to the layers that are loaded
  std::vector<layermark::Mount> mounts_;
  std::optional<Subject> subject_;
  std::string loaded_;              // the text of the layers that are committed
  std::vector<std::string> chain_;  // their names, lowest first
  size_t permanent_ = 0;            // how many of them are the program's layers; the rest were commits
  std::optional<MountedSnapshot> mounted_;
  std::string key_;
  std::string reference_;  // the ordinary directory
  Fd reference_fd_;
  Executor driver_side_, plain_side_;
  int64_t began_ns_ = 0;
  uint64_t serial_ = 0;
  Status unclean_;  // what went wrong when the last program was taken away
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_ARENA_H_
