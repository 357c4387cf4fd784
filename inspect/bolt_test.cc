#include "inspect/bolt.h"

#include <gtest/gtest.h>

#include <string>

#include "core/sys/fd.h"
#include "testing/bolt_file.h"

namespace layermark::inspect {
namespace {

using testing::BoltWriter;

// Enough for branches of two levels, buckets of their own and within values, and a value of several pages.
BoltBucket Sample() {
  BoltBucket root;
  BoltBucket& v1 = root.buckets["v1"];
  for (int i = 0; i < 20; ++i) v1.values["key" + std::to_string(i)] = "value" + std::to_string(i);
  v1.values["long"] = std::string(20'000, 'x');
  v1.values["nothing"] = "";
  v1.buckets["small"].values["a"] = std::string("\0b", 2);
  v1.buckets["large"].buckets["below"].values["c"] = "d";
  v1.buckets["empty"] = {};
  return root;
}

bool Same(const BoltBucket& a, const BoltBucket& b) {
  if (a.values != b.values || a.buckets.size() != b.buckets.size()) return false;
  for (const auto& [key, bucket] : a.buckets) {
    const auto other = b.buckets.find(key);
    if (other == b.buckets.end() || !Same(bucket, other->second)) return false;
  }
  return true;
}

TEST(BoltTest, ReadsWhatWasWritten) {
  for (const size_t page_size : {size_t{1024}, size_t{4096}, size_t{65536}}) {
    const Result<BoltBucket> read = ParseBolt(BoltWriter(page_size).Write(Sample()), "file");
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(Same(*read, Sample())) << page_size;
    ASSERT_NE(read->Find({"v1", "large", "below"}), nullptr);
    EXPECT_EQ(read->Find({"v1", "large", "below"})->Value("c"), "d");
    EXPECT_EQ(read->Find({"v1", "none"}), nullptr);
    EXPECT_EQ(read->Find({"v1"})->Value("none"), "");
  }
}

TEST(BoltTest, TakesTheNewerOfTwoMetaPagesAndTheOtherWhereItIsTorn) {
  for (const size_t page_size : {size_t{1024}, size_t{4096}}) {
    // The second meta page is one transaction older and leads to the same tree.
    std::string bytes = BoltWriter(page_size).Write(Sample());
    bytes[16 + 20] ^= 1;  // the checksum of the first one no longer holds
    Result<BoltBucket> read = ParseBolt(bytes, "file");
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(Same(*read, Sample()));
    bytes[page_size + 16 + 20] ^= 1;
    read = ParseBolt(bytes, "file");
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.status().code(), Code::kDataLoss);
  }
  // A newer second meta page wins: here it names a page that is none.
  std::string bytes = BoltWriter().Write(Sample());
  bytes[4096 + 16 + 48] = 9;
  bytes[4096 + 16 + 16] = 0;
  BoltWriter::SetChecksum(&bytes, 4096 + 16);
  const Result<BoltBucket> read = ParseBolt(bytes, "file");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().message(), "file: damaged: neither a branch nor a leaf");
}

TEST(BoltTest, WhatIsDamagedIsAnErrorAndNothingElse) {
  const std::string sound = BoltWriter(1024).Write(Sample());
  for (const size_t size : {size_t{0}, size_t{100}, size_t{1024}, size_t{3 * 1024}, sound.size() - 1024}) {
    EXPECT_FALSE(ParseBolt(sound.substr(0, size), "file").ok()) << size;
  }
  EXPECT_FALSE(ParseBolt(std::string(8192, 'x'), "file").ok());
  // A page that leads to itself.
  std::string loop = sound;
  const auto root = static_cast<size_t>(static_cast<unsigned char>(sound[16 + 16]));
  loop[root * 1024 + 8] = 1;   // a branch
  loop[root * 1024 + 10] = 1;  // of one element
  loop.replace(root * 1024 + 16 + 8, 8, std::string(1, static_cast<char>(root)) + std::string(7, '\0'));
  const Result<BoltBucket> read = ParseBolt(loop, "file");
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("named twice"), std::string::npos) << read.status().message();
}

TEST(BoltTest, ReadsAFile) {
  const std::string path = ::testing::TempDir() + "/bolt_test.db";
  ASSERT_TRUE(WriteFile(path, BoltWriter().Write(Sample())).ok());
  const Result<BoltBucket> read = ReadBolt(path);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_TRUE(Same(*read, Sample()));
  ASSERT_TRUE(WriteFile(path, "no database").ok());
  const Result<BoltBucket> other = ReadBolt(path);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.status().message().find(path), std::string::npos);
  EXPECT_EQ(ReadBolt(path + ".none").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace layermark::inspect
