// Random layers and steps, steered to what was run least.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_
#define LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/fuzz/fuzz_random.h"
#include "conformance/fuzz/origin_model.h"
#include "conformance/fuzz/program.h"
#include "scenario/model.h"

namespace layermark {

// The seed of the `index`-th program (or stack of layers) of a run.
uint64_t DeriveSeed(uint64_t seed, uint64_t index, std::string_view purpose);

// How often each (operation, origin, type, state) has run, and how often it ended a program early.
class Coverage {
 public:
  void Ran(const FuzzStep& step, const OriginModel& model) { ++counts_[Key(step, model)].ran; }
  void Called(const std::string& verb, const std::string& kind) {
    ++counts_["call_" + verb + " " + kind + " snapshot call"].ran;
  }
  void Deviated(const FuzzStep& step, const OriginModel& model) { ++counts_[Key(step, model)].deviated; }
  // Smaller is more wanted.
  double Cost(const FuzzStep& step, const OriginModel& model) const;
  struct Count {
    int64_t ran = 0;
    int64_t deviated = 0;
  };
  const std::map<std::string, Count>& counts() const { return counts_; }
  void Set(const std::string& key, Count count) { counts_[key] = count; }
  // Per operation, the origins seen with their counts, then the types and states: a table for people.
  std::string ToText() const;

 private:
  static std::string Key(const FuzzStep& step, const OriginModel& model);
  std::map<std::string, Count> counts_;
};

// One to four layers, now and then more. `gentle`: a layer only adds to those below, for a driver that
// does not take others.
std::vector<Layer> GenerateLayers(FuzzRandom& random, bool gentle = false);

// Steps that work on a tree, of a vocabulary wide in what a commit or a copy may lose: contents of odd sizes
// and bytes, names, owners, modes, times, attributes, kinds of objects, changes that leave size and time.
// `lower`: the tree is what other snapshots committed, of which unions may split hard links.
Layer GenerateTree(FuzzRandom& random, const ModelTree& tree, size_t steps, bool lower);

// The next step: the most wanted of a few random ones.
FuzzStep GenerateStep(FuzzRandom& random, const OriginModel& model, const Coverage& coverage);

// One name of the small pool that all programs share, so that names meet.
std::string RandomName(FuzzRandom& random);
std::string RandomData(FuzzRandom& random);
// An attribute and a value that fits it: lists of POSIX ACLs and capabilities come as the kernel stores them.
struct FuzzXattr {
  std::string name, value;
};
FuzzXattr RandomXattr(FuzzRandom& random);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_
