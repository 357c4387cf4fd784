// The random numbers of the fuzzers: the same on every machine for the same seed.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_FUZZ_RANDOM_H_
#define LAYERMARK_CONFORMANCE_FUZZ_FUZZ_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

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

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_FUZZ_RANDOM_H_
