// Random layers and steps, steered to what was run least.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_
#define LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/fuzz/origin_model.h"
#include "conformance/fuzz/program.h"

namespace layermark {

// Small, fast and the same on every machine (the standard's distributions are not).
class FuzzRandom {
 public:
  explicit FuzzRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next();  // splitmix64
  size_t Below(size_t bound) { return bound == 0 ? 0 : Next() % bound; }
  bool OneIn(size_t n) { return Below(n) == 0; }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[Below(from.size())];
  }

 private:
  uint64_t state_;
};
// The seed of the `index`-th program (or stack of layers) of a run.
uint64_t DeriveSeed(uint64_t seed, uint64_t index, std::string_view purpose);

// How often each (operation, origin, type) has run, and how often it ended a program early.
class Coverage {
 public:
  void Ran(FuzzOp op, const Target& target) { ++counts_[Key(op, target)].ran; }
  void Deviated(FuzzOp op, const Target& target) { ++counts_[Key(op, target)].deviated; }
  // Smaller is more wanted.
  double Cost(FuzzOp op, const Target& target) const;
  struct Count {
    int64_t ran = 0;
    int64_t deviated = 0;
  };
  const std::map<std::string, Count>& counts() const { return counts_; }
  void Set(const std::string& key, Count count) { counts_[key] = count; }
  // Per operation, the origins seen with their counts: a table for people.
  std::string ToText() const;

 private:
  static std::string Key(FuzzOp op, const Target& target);
  std::map<std::string, Count> counts_;
};

// One to four layers.
std::vector<Layer> GenerateLayers(FuzzRandom& random);

// The next step: the most wanted of a few random ones.
FuzzStep GenerateStep(FuzzRandom& random, const OriginModel& model, const Coverage& coverage);

// One name of the small pool that all programs share, so that names meet.
std::string RandomName(FuzzRandom& random);
std::string RandomData(FuzzRandom& random);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_GENERATOR_H_
