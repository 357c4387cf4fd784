// The short form of a target: its seeds and fixed mutations of them, with any compiler.
//
//   replay_X [--mutations N]    runs the seeds, then N mutations of them (default 3000), the same each time
//   replay_X --write-seeds DIR  writes the seeds as files, for libFuzzer to start from
//   replay_X FILE...            runs what libFuzzer found
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/sys/fd.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

constexpr int kMutations = 3000;

// The same numbers everywhere: a test must not depend on a library's generator.
class Random {
 public:
  size_t Below(size_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return bound == 0 ? 0 : static_cast<size_t>(state_ % bound);
  }

 private:
  uint64_t state_ = 88172645463325252ULL;
};

void Mutate(Random& random, const std::vector<std::string>& seeds, std::string* input) {
  static const std::vector<std::string> kWords = {"0",
                                                  "-1",
                                                  "null",
                                                  "[]",
                                                  "{}",
                                                  "\"\"",
                                                  "..",
                                                  "/",
                                                  "\n",
                                                  "99999999999999999999",
                                                  "\xff\xff\xff\xff",
                                                  "\x80",
                                                  std::string(8, '\0'),
                                                  "7777777777777"};
  const size_t at = random.Below(input->size() + 1);
  const size_t length = random.Below(std::min<size_t>(64, input->size() - at) + 1);
  switch (random.Below(7)) {
    case 0:
      if (at < input->size()) (*input)[at] = static_cast<char>((*input)[at] ^ (1 << random.Below(8)));
      break;
    case 1:
      if (at < input->size()) (*input)[at] = static_cast<char>(random.Below(256));
      break;
    case 2:
      input->erase(at, length);
      break;
    case 3:
      input->insert(at, input->substr(at, length));
      break;
    case 4:
      input->replace(at, length, kWords[random.Below(kWords.size())]);
      break;
    case 5:
      input->resize(at);
      break;
    default: {
      const std::string& other = seeds[random.Below(seeds.size())];
      const size_t from = random.Below(other.size() + 1);
      input->replace(at, length, other.substr(from, random.Below(512)));
    }
  }
  if (input->size() > kMaxInput) input->resize(kMaxInput);
}

int Replay(int mutations) {
  SetUp();
  const std::vector<std::string> seeds = Seeds();
  for (const std::string& seed : seeds) Run(seed);
  Random random;
  for (int i = 0; i < mutations; ++i) {
    std::string input = seeds[random.Below(seeds.size())];
    for (size_t n = 1 + random.Below(4); n > 0; --n) Mutate(random, seeds, &input);
    Run(input);
  }
  fmt::print("{} seeds and {} mutations\n", seeds.size(), mutations);
  return 0;
}

int WriteSeeds(const std::string& directory) {
  int number = 0;
  for (const std::string& seed : Seeds()) {
    if (!WriteFile(fmt::format("{}/seed{}", directory, number++), seed).ok()) return 2;
  }
  return 0;
}

int RunFiles(const std::vector<std::string>& files) {
  std::vector<std::string> inputs;
  for (const std::string& file : files) {
    Result<std::string> input = ReadFile(file);
    if (!input.ok()) {
      fmt::print(stderr, "{}\n", input.status().ToString());
      return 2;
    }
    inputs.push_back(std::move(input).value());
  }
  SetUp();
  for (const std::string& input : inputs) Run(input);
  return 0;
}

}  // namespace
}  // namespace layermark::fuzz_target

int main(int argc, char** argv) {
  using namespace layermark::fuzz_target;  // NOLINT(google-build-using-namespace): this file is the program
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "--write-seeds") return WriteSeeds(words[1]);
  if (words.size() == 2 && words[0] == "--mutations") return Replay(std::atoi(words[1].c_str()));
  return words.empty() ? Replay(kMutations) : RunFiles(words);
}
