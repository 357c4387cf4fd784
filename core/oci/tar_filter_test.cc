// Compressed layers, by content; and xattrs and ACLs in the forms that tars carry them.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/oci/layer_tar.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::AnyOf;

la_ssize_t Append(archive*, void* data, const void* bytes, size_t size) {
  static_cast<std::string*>(data)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

std::string Compressed(const std::string& bytes, int (*add_filter)(archive*)) {
  std::string out;
  const std::unique_ptr<archive, decltype(&archive_write_free)> a(archive_write_new(), archive_write_free);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            archive_entry_free);
  archive_write_set_format_raw(a.get());
  EXPECT_EQ(add_filter(a.get()), ARCHIVE_OK);
  archive_write_set_bytes_in_last_block(a.get(), 1);
  archive_entry_set_pathname(entry.get(), "x");
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  EXPECT_EQ(archive_write_open2(a.get(), &out, nullptr, Append, nullptr, nullptr), ARCHIVE_OK);
  EXPECT_EQ(archive_write_header(a.get(), entry.get()), ARCHIVE_OK);
  EXPECT_EQ(archive_write_data(a.get(), bytes.data(), bytes.size()), static_cast<la_ssize_t>(bytes.size()));
  EXPECT_EQ(archive_write_close(a.get()), ARCHIVE_OK);
  return out;
}

TEST_F(ApplyTest, GzipAndZstdAreReadByContent) {
  const std::string tar = BuildTar({TarFile("f", std::string(100'000, 'c'))});
  for (auto* filter : {archive_write_add_filter_gzip, archive_write_add_filter_zstd}) {
    ASSERT_OK(RemoveTreeAt(root_.get(), "f"));
    const std::string bytes = Compressed(tar, filter);
    ASSERT_LT(bytes.size(), 2000u);
    ASSERT_OK(ApplyBytes(bytes));
    EXPECT_EQ(Tree().entries.at("f").digest, Sha256(std::string(100'000, 'c')));
    const auto cut = ApplyBytes(bytes.substr(0, bytes.size() / 2));
    ASSERT_FALSE(cut.ok());
    EXPECT_THAT(cut.status().code(), AnyOf(Code::kDataLoss, Code::kInvalidArgument));
  }
}

TEST_F(ApplyTest, AclsComeAsXattrsOrAsText) {
  // user::rwx, user:7:r-x, group::r-x, mask::r-x, other::---
  const std::string acl(
      "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\5\0\7\0\0\0\4\0\5\0\xff\xff\xff\xff"
      "\x10\0\5\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff",
      44);
  TarEntry binary = TarFile("binary", "x", 0750);
  binary.xattrs = {{"system.posix_acl_access", acl}};
  TarEntry records = TarTyped('x', "PaxHeaders/text");
  const std::string text = "SCHILY.acl.access=user::rwx,user:7:r-x:7,group::r-x,mask::r-x,other::---\n";
  records.data = std::to_string(text.size() + 3) + " " + text;
  ASSERT_OK(Apply({binary, records, TarFile("text", "x", 0750)}));
  const Manifest m = Tree();
  EXPECT_EQ(m.entries.at("binary").xattrs, binary.xattrs);
  EXPECT_EQ(m.entries.at("text").xattrs, binary.xattrs);
  EXPECT_EQ(m.entries.at("text").permissions, 0750u);
}

TEST(ListTarTest, GivesEntriesAsDeclared) {
  TarEntry file = TarFile("./d/f", "content", 0640);
  file.uid = 3'000'000'000;
  file.mtime_ns = -1'500'000'000;
  file.xattrs = {{"trusted.a=b", std::string("\0\1=\n", 4)}, {"user.k", ""}};
  TarEntry device = TarTyped('4', "dev", 0600);
  device.dev_major = 8;
  device.dev_minor = 300;
  const Fd tar = TarFd(BuildTar({file, device, TarPointing('1', "l", "./d/f"), TarMarker(".wh.x")}));
  const auto list = ListTar(tar.get(), /*keep_data=*/true);
  ASSERT_OK(list);
  ASSERT_EQ(list->size(), 4u);
  const TarListEntry& first = (*list)[0];
  EXPECT_EQ(first.entry.path, "./d/f");
  EXPECT_EQ(first.entry.uid, file.uid);
  EXPECT_EQ(first.entry.mtime_ns, file.mtime_ns);
  EXPECT_EQ(first.entry.xattrs, file.xattrs);
  EXPECT_EQ(first.entry.data, "content");
  EXPECT_EQ(first.size_bytes, 7);
  EXPECT_EQ(first.digest, Sha256("content"));
  EXPECT_EQ((*list)[1].entry.dev_minor, 300u);
  EXPECT_EQ((*list)[2].entry.link_target, "./d/f");
  EXPECT_EQ((*list)[3].entry.mode, 0u);
}

}  // namespace
}  // namespace layermark
