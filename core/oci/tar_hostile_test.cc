// Archives that lie, are damaged, or are large in ways that cost nothing to claim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>
#include <string>

#include "core/oci/layer_tar.h"
#include "core/oci/tar_header.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST_F(ApplyTest, ClaimBeyondTheLimitFailsBeforeAnyWrite) {
  TarEntry entry = TarFile("big", "");
  entry.claimed_size = int64_t{10} << 30;
  const auto result = Apply({entry});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kOutOfRange);
  EXPECT_THAT(result.status().message(), HasSubstr("big: claims 10737418240 bytes"));
  EXPECT_EQ(Names(), "");
  const Fd tar = TarFd(BuildTar({entry}));
  EXPECT_FALSE(ListTar(tar.get()).ok());
}

TEST_F(ApplyTest, ClaimWithoutDataIsTruncation) {
  TarEntry entry = TarFile("big", "some");
  entry.claimed_size = int64_t{7} << 30;
  const auto result = Apply({entry});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kDataLoss);
  EXPECT_THAT(result.status().message(), HasSubstr("runcated"));
  struct stat st;
  ASSERT_EQ(fstatat(root_.get(), "big", &st, 0), 0);
  EXPECT_LT(st.st_blocks, 100);
}

TEST_F(ApplyTest, TruncationIsSeenInHeadersAndData) {
  const std::string whole =
      BuildTar({TarFile("a", std::string(3000, 'a')), TarFile("b", std::string(3000, 'b'))});
  for (const size_t cut :
       {size_t{100}, size_t{700}, size_t{3000}, size_t{3500}, size_t{4700}, size_t{6000}}) {
    const auto result = ApplyBytes(whole.substr(0, cut));
    ASSERT_FALSE(result.ok()) << cut;
    EXPECT_THAT(result.status().code(), AnyOf(Code::kDataLoss, Code::kInvalidArgument)) << cut;
  }
}

TEST_F(ApplyTest, WhatIsNoTarIsRefused) {
  for (const std::string& bytes :
       {std::string(), std::string(5000, 'z'), std::string("\x1f\x8b\x08 not gzip", 12)}) {
    const auto result = ApplyBytes(bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.status().code(), AnyOf(Code::kDataLoss, Code::kInvalidArgument))
        << result.status().ToString();
  }
  // An archive without entries is one.
  ASSERT_OK(Apply({}));
}

TEST_F(ApplyTest, LimitsHold) {
  ApplyOptions options;
  options.max_entries = 2;
  EXPECT_EQ(Apply({TarFile("a"), TarFile("b"), TarFile("c")}, options).status().code(), Code::kOutOfRange);
  options = {};
  options.max_total_bytes = 5;
  EXPECT_EQ(Apply({TarFile("a", "123"), TarFile("b", "456")}, options).status().code(), Code::kOutOfRange);
  EXPECT_EQ(Apply({TarFile(std::string(70'000, 'n'))}).status().code(), Code::kInvalidArgument);
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "d/";
  EXPECT_EQ(Apply({TarFile(deep + "f")}).status().code(), Code::kInvalidArgument);
}

TEST_F(ApplyTest, DeepTreesNeedFewDescriptors) {
  std::vector<TarEntry> entries;
  std::string path = "d";
  for (int i = 0; i < 300; ++i, path += "/d") entries.push_back(TarDir(path, 0711));
  entries.push_back(TarFile(path + "/f"));
  entries.push_back(TarFile("d/back"));
  entries.push_back(TarFile(path + "/g"));
  ASSERT_OK(Apply(entries));
  const Manifest m = Tree();
  EXPECT_TRUE(m.entries.contains(path + "/g"));
  EXPECT_EQ(m.entries.at("d/d/d").permissions, 0711u);
  EXPECT_EQ(m.entries.at("d").mtime_ns, kDefaultMtimeNs);
}

TEST_F(ApplyTest, SparseEntriesStaySparse) {
  const std::string data(4096, 'D');
  TarEntry records = TarTyped('x', "PaxHeaders/s");
  records.data =
      "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.name=sparse.img\n"
      "32 GNU.sparse.realsize=67108864\n";
  // The map: one extent of 4096 bytes at 32 MiB.
  std::string map = "1\n33554432\n4096\n";
  map.resize(512, '\0');
  ASSERT_OK(Apply({records, TarFile("GNUSparseFile.0/s", map + data)}));
  const Entry entry = Tree().entries.at("sparse.img");
  EXPECT_EQ(entry.size_bytes, 64 << 20);
  EXPECT_LE(entry.data_bytes, 8192);
  EXPECT_LE(entry.allocated_bytes, 65536);
}

// Damaged archives end in an error or in a tree: never in a crash, and never outside the root.
TEST_F(ApplyTest, DamagedArchivesDoNoHarm) {
  TarEntry attributed = TarFile("d/f", "hello");
  attributed.xattrs = {{"user.k", "v"}};
  attributed.mtime_ns += 5;
  const std::string whole =
      BuildTar({TarDir("d"), attributed, TarPointing('2', "s", "../x"), TarPointing('1', "l", "d/f"),
                TarMarker("d/.wh.y"), TarFile(std::string(150, 'n'), std::string(2000, 'q'))});
  std::mt19937_64 random(7);
  int applied = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    for (uint64_t i = 1 + random() % 3; i > 0; --i) {
      const size_t at = random() % bytes.size();
      bytes[at] = static_cast<char>(random() % 256);
      // Often with a checksum that fits, so that the damage is believed.
      const size_t block = at / kTarBlock * kTarBlock;
      if (random() % 2 == 0) {
        unsigned sum = 0;
        for (size_t k = 0; k < kTarBlock; ++k) {
          sum += k >= 148 && k < 156 ? ' ' : static_cast<unsigned char>(bytes[block + k]);
        }
        char text[8];
        snprintf(text, sizeof(text), "%06o", sum & 0777777);
        bytes.replace(block + 148, 7, text, 7);
      }
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const auto result = ApplyBytes(bytes);
    applied += result.ok();
    if (!result.ok()) {
      EXPECT_FALSE(result.status().message().empty());
    }
    const Fd tar = TarFd(bytes);
    (void)ListTar(tar.get(), /*keep_data=*/true).ok();
    ASSERT_OK(RemoveTreeAt(root_.get(), "d"));
  }
  EXPECT_GT(applied, 0);
  const auto outside = ListDir(AT_FDCWD, tree_.path());
  ASSERT_OK(outside);
  EXPECT_EQ(*outside, std::vector<std::string>{"root"});
}

// A sparse entry of some bytes claims a mebibyte, all of which has to be hashed: the caller's bounds count.
TEST(TarHostile, AListIsBoundedByWhatTheCallerAllows) {
  TarEntry entry = TarFile("s", "x");
  entry.claimed_size = int64_t{1} << 20;
  ApplyOptions bounds;
  bounds.max_entry_bytes = 1000;
  const Fd tar = TarFd(BuildTar({TarFile("a", std::string(900, 'a')), entry}));
  EXPECT_EQ(ListTar(tar.get(), false, bounds).status().code(), Code::kOutOfRange);
  bounds.max_entries = 1;
  const Fd two = TarFd(BuildTar({TarFile("a"), TarFile("b")}));
  EXPECT_EQ(ListTar(two.get(), false, bounds).status().code(), Code::kOutOfRange);
}

}  // namespace
}  // namespace layermark
