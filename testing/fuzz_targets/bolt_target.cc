// A bbolt database, as containerd's records are.
#include <cstdint>
#include <utility>

#include "inspect/bolt.h"
#include "testing/bolt_file.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

constexpr size_t kPage = 1024;

// Sets the checksums of the meta pages: else nearly every change of them is refused, and nothing behind
// reached.
std::string WithChecksums(std::string_view bytes) {
  std::string out(bytes);
  for (const size_t page : {size_t{0}, kPage}) {
    if (out.size() >= page + 16 + 64) testing::BoltWriter::SetChecksum(&out, page + 16);
  }
  return out;
}

// Bytes that a bucket holds, keys and values.
uint64_t Held(const inspect::BoltBucket& bucket) {
  uint64_t sum = 0;
  for (const auto& [key, value] : bucket.values) sum += key.size() + value.size();
  for (const auto& [key, below] : bucket.buckets) sum += key.size() + Held(below);
  return sum;
}

}  // namespace

std::vector<std::string> Seeds() {
  inspect::BoltBucket root;
  inspect::BoltBucket& v1 = root.buckets["v1"];
  for (int i = 0; i < 12; ++i) {
    inspect::BoltBucket& snapshot = v1.buckets["snapshots"].buckets["ns/" + std::to_string(i) + "/key"];
    snapshot.values = {
        {"id", std::string(1, static_cast<char>(i))}, {"kind", "\x03"}, {"parent", "ns/0/key"}};
  }
  v1.values["version"] = "6";
  inspect::BoltBucket small;
  small.buckets["v1"].values["a"] = "b";
  return {testing::BoltWriter(kPage).Write(root), testing::BoltWriter(kPage, 40).Write(root),
          testing::BoltWriter(kPage).Write(small), testing::BoltWriter(kPage).Write({})};
}

void SetUp() {}

void Run(std::string_view input) {
  const std::string bytes = WithChecksums(input);
  const Result<inspect::BoltBucket> read = inspect::ParseBolt(bytes, "input");
  if (read.ok()) {
    Promise(Held(*read) <= bytes.size(), "no more than the file can hold");
    return;
  }
  Promise(read.status().code() == Code::kDataLoss, "what is no database is DATA_LOSS");
  Promise(read.status().message().starts_with("input: "), "the text names the file");
}

}  // namespace layermark::fuzz_target
