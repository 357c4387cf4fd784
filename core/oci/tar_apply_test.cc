#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

Fd TarFd(const std::string& bytes) {
  Fd fd(memfd_create("tar", MFD_CLOEXEC));
  EXPECT_TRUE(PWriteAll(fd.get(), bytes, 0).ok());
  return fd;
}

TarEntry File(std::string path, std::string data = "x", mode_t mode = 0644) {
  TarEntry e;
  e.path = std::move(path);
  e.data = std::move(data);
  e.mode = mode;
  return e;
}
TarEntry Typed(char type, std::string path, mode_t mode = 0755) {
  TarEntry e;
  e.path = std::move(path);
  e.typeflag = type;
  e.mode = mode;
  return e;
}
TarEntry Dir(std::string path, mode_t mode = 0755) {
  return Typed('5', std::move(path), mode);
}
TarEntry Pointing(char type, std::string path, std::string target) {
  TarEntry e = Typed(type, std::move(path), 0777);
  e.link_target = std::move(target);
  return e;
}

class ApplyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "apply");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    ASSERT_TRUE(MakeDirs(tree_.path() + "/root").ok());
    auto fd = Open(tree_.path() + "/root", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    root_ = std::move(*fd);
  }
  Status Lower(const Layer& layer) { return ApplyLayer(layer, root_.get()); }
  Result<ApplyResult> Apply(const std::vector<TarEntry>& entries, const ApplyOptions& options = {}) {
    return ApplyBytes(BuildTar(entries), options);
  }
  Result<ApplyResult> ApplyBytes(const std::string& bytes, const ApplyOptions& options = {}) {
    const Fd fd = TarFd(bytes);
    return ApplyLayerTar(fd.get(), root_.get(), options);
  }
  Manifest Tree() {
    auto manifest = ReadManifest(root_.get());
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    return manifest.ok() ? *manifest : Manifest();
  }
  std::string Names() {
    std::string all;
    for (const auto& [path, entry] : Tree().entries) {
      if (!path.empty()) all += path + " ";
    }
    return all;
  }

  TempTree tree_;
  Fd root_;
};

#define ASSERT_OK(expr)                              \
  do {                                               \
    const auto status_ = internal::ToStatus((expr)); \
    ASSERT_TRUE(status_.ok()) << status_.ToString(); \
  } while (false)

TEST_F(ApplyTest, MakesEveryTypeWithItsAttributes) {
  TarEntry file = File("d/file", "hello", 04755);
  file.uid = 7;
  file.gid = 8;
  file.mtime_ns = 1'234'567'890'123'456'789;
  file.xattrs = {{"user.k", std::string("a\0b", 3)}};
  TarEntry dev = Typed('3', "d/null", 0666);
  dev.dev_major = 1;
  dev.dev_minor = 3;
  TarEntry symlink = Pointing('2', "d/sym", "../no/where");
  symlink.mtime_ns = 5'000'000'001;
  symlink.uid = 9;
  ASSERT_OK(Apply({Dir("./d/", 01777), file, Pointing('1', "d/link", "/d/file"), symlink, dev,
                   Typed('6', "d/fifo", 0622)}));
  const Manifest m = Tree();
  const Entry& f = m.entries.at("d/file");
  EXPECT_EQ(f.permissions, 04755u);
  EXPECT_EQ(f.uid, 7u);
  EXPECT_EQ(f.gid, 8u);
  EXPECT_EQ(f.mtime_ns, file.mtime_ns);
  EXPECT_EQ(f.digest, Sha256("hello"));
  EXPECT_EQ(f.xattrs, file.xattrs);
  EXPECT_EQ(f.link_group, "d/file");
  EXPECT_EQ(m.entries.at("d/link").link_group, "d/file");
  EXPECT_EQ(m.entries.at("d/sym").link_target, "../no/where");
  EXPECT_EQ(m.entries.at("d/sym").mtime_ns, 5'000'000'001);
  EXPECT_EQ(m.entries.at("d/sym").uid, 9u);
  EXPECT_EQ(m.entries.at("d/null").rdev, makedev(1, 3));
  EXPECT_EQ(m.entries.at("d/null").permissions, 0666u);
  EXPECT_EQ(m.entries.at("d/fifo").type, FileType::kFifo);
  EXPECT_EQ(m.entries.at("d").permissions, 01777u);
  EXPECT_EQ(m.entries.at("d").mtime_ns, kDefaultMtimeNs);
}

TEST_F(ApplyTest, WhiteoutSparesItsOwnLayerInEitherOrder) {
  const TarEntry marker = File(".wh.a", "", 0);
  for (const bool first : {true, false}) {
    ASSERT_OK(RemoveTreeAt(root_.get(), "a"));
    ASSERT_OK(Lower(Layer().Dir("a").File("a/old", "1").Dir("a/sub").File("a/sub/old", "2")));
    std::vector<TarEntry> entries = {Dir("a"), File("a/new"), File("a/sub/new")};
    entries.insert(first ? entries.begin() : entries.end(), marker);
    ASSERT_OK(Apply(entries));
    EXPECT_EQ(Names(), "a a/new a/sub a/sub/new ") << first;
    EXPECT_EQ(Tree().entries.at("a/sub").permissions, 0755u);
  }
}

TEST_F(ApplyTest, OpaqueHidesLowerContentWhereverItStands) {
  for (const size_t position : {0, 1, 2}) {
    ASSERT_OK(RemoveTreeAt(root_.get(), "d"));
    ASSERT_OK(Lower(Layer().Dir("d").File("d/.hidden", "1").Dir("d/sub").File("d/sub/old", "2")));
    std::vector<TarEntry> entries = {Dir("d", 0700), File("d/new")};
    entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(position), File("d/.wh..wh..opq", "", 0));
    auto result = Apply(entries);
    ASSERT_OK(result);
    EXPECT_EQ(result->opaques, 1);
    EXPECT_EQ(Names(), "d d/new ") << position;
    EXPECT_EQ(Tree().entries.at("d").permissions, 0700u);
  }
}

TEST_F(ApplyTest, NamesThatEscapeAreRefused) {
  ASSERT_OK(WriteFile(tree_.path() + "/outside", "safe"));
  for (const char* name : {"../outside", "a/../../outside", "/../outside"}) {
    auto result = Apply({File(name, "bad")});
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(result.status().message(), HasSubstr(name));
    EXPECT_THAT(result.status().message(), HasSubstr("escapes the root"));
  }
  EXPECT_FALSE(Apply({Pointing('1', "l", "../outside")}).ok());
  // Through symlinks of the image itself one arrives inside.
  ASSERT_OK(Apply(
      {Pointing('2', "up", "../../.."), File("up/inside"), Pointing('2', "abs", "/"), File("abs/two")}));
  EXPECT_EQ(Names(), "abs inside two up ");
  EXPECT_EQ(*ReadFile(tree_.path() + "/outside"), "safe");
}

TEST_F(ApplyTest, NamesSurviveByteForByte) {
  const std::string latin = "n\xe9\xff", utf8 = "gr\xc3\xbc\xc3\x9f", newline = "a\nb";
  const std::string longer = std::string(120, 'x') + "\xe9";
  std::vector<TarEntry> entries = {File(latin),
                                   File(utf8),
                                   File(newline),
                                   File(longer),
                                   File(std::string(120, 'y') + utf8),
                                   Pointing('2', "s", longer)};
  for (TarEntry& entry : entries) entry.mtime_ns += 1;  // so that each has a PAX header
  ASSERT_OK(Apply(entries));
  const Manifest m = Tree();
  for (const TarEntry& entry : entries) EXPECT_TRUE(m.entries.contains(entry.path)) << entry.path;
  EXPECT_EQ(m.entries.at("s").link_target, longer);
}

}  // namespace
}  // namespace layermark
