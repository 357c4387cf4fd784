// Randomness that is the same on every machine: the distributions of the standard library are not.
#ifndef LAYERMARK_SCENARIO_IMAGE_RANDOM_H_
#define LAYERMARK_SCENARIO_IMAGE_RANDOM_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace layermark {

class ImageRandom {
 public:
  explicit ImageRandom(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  // Uniform in [0, n). REQUIRES: n > 0. (The bias of the modulo is below n / 2^64.)
  uint64_t Below(uint64_t n) { return engine_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  const T& Of(const std::vector<T>& items) {
    return items[Below(items.size())];
  }
  // `count` sizes with a log-normal shape (about 2.5 octaves of standard deviation) that sum to `total`.
  // Integer arithmetic only.
  std::vector<int64_t> LogNormalSizes(size_t count, int64_t total);

 private:
  std::mt19937_64 engine_;
};

// The content of a file, made piece by piece. Text-like content compresses to about a third.
class ContentStream {
 public:
  ContentStream(uint64_t seed, bool text) : state_(seed), text_(text) {}
  // Appends `bytes` more to `out`.
  void Append(size_t bytes, std::string* out);

 private:
  uint64_t Mix();
  uint64_t state_;
  bool text_;
  std::string rest_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_RANDOM_H_
