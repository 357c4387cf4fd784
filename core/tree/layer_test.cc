#include "core/tree/layer.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

constexpr int64_t kStep = 1'000;  // what one step adds to the default time

class LayerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto temp = TempTree::Create(testing::TempDir(), "layer");
    ASSERT_TRUE(temp.ok()) << temp.status().ToString();
    temp_ = std::move(*temp);
    ASSERT_TRUE(MakeDirs(temp_.path() + "/root").ok());
    auto fd = Open(temp_.path() + "/root", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    root_ = std::move(*fd);
  }
  void Apply(const Layer& layer) {
    Status status = ApplyLayer(layer, root_.get());
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Manifest Read() {
    auto manifest = ReadManifest(root_.get());
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    return manifest.ok() ? *manifest : Manifest();
  }
  Entry At(const std::string& path) {
    Manifest manifest = Read();
    EXPECT_TRUE(manifest.entries.contains(path)) << path;
    return manifest.entries[path];
  }
  int Errno(const Layer& layer) { return ApplyLayer(layer, root_.get()).error_number(); }

  TempTree temp_;
  Fd root_;
};

TEST_F(LayerTest, CreatesWhatTheStepsSay) {
  Apply(Layer()
            .Dir("d", 0750)
            .File("d/f", "hello", 04755)
            .Symlink("d/s", "../nowhere")
            .Link("l", "d/f")
            .Fifo("p", 0600)
            .Mknod("sock", S_IFSOCK | 0700)
            .Mknod("c", S_IFCHR | 0620, makedev(1, 3))
            .Mknod("b", S_IFBLK | 0660, makedev(7, 200)));
  Manifest m = Read();
  EXPECT_EQ(m.entries.size(), 9u);
  EXPECT_EQ(m.entries["d"].permissions, 0750u);
  EXPECT_EQ(m.entries["d/f"].permissions, 04755u);
  EXPECT_EQ(m.entries["d/f"].digest, Sha256("hello"));
  EXPECT_EQ(m.entries["d/s"].link_target, "../nowhere");
  EXPECT_EQ(m.entries["l"].link_group, "d/f");
  EXPECT_EQ(m.entries["p"].type, FileType::kFifo);
  EXPECT_EQ(m.entries["sock"].type, FileType::kSocket);
  EXPECT_EQ(m.entries["sock"].permissions, 0700u);
  EXPECT_EQ(m.entries["c"].rdev, makedev(1, 3));
  EXPECT_EQ(m.entries["b"].type, FileType::kBlockDevice);
  EXPECT_EQ(m.entries["b"].rdev, makedev(7, 200));
}

TEST_F(LayerTest, ModesIgnoreTheUmask) {
  mode_t old = umask(0077);
  Apply(Layer()
            .Dir("d", 01777)
            .File("f", "", 0666)
            .Sparse("s", 10, 0, "x", 0646)
            .Fifo("p", 0666)
            .Mknod("c", S_IFCHR | 0666, makedev(1, 3)));
  umask(old);
  Manifest m = Read();
  EXPECT_EQ(m.entries["d"].permissions, 01777u);
  EXPECT_EQ(m.entries["f"].permissions, 0666u);
  EXPECT_EQ(m.entries["s"].permissions, 0646u);
  EXPECT_EQ(m.entries["p"].permissions, 0666u);
  EXPECT_EQ(m.entries["c"].permissions, 0666u);
}

TEST_F(LayerTest, EachStepHasItsOwnDefaultTime) {
  Apply(Layer().Dir("d").File("d/f", "x").Symlink("d/s", "t").Fifo("d/p").Sparse("d/h", 4096, 0, "x"));
  Manifest m = Read();
  EXPECT_EQ(m.entries["d"].mtime_ns, kDefaultMtimeNs);
  EXPECT_EQ(m.entries["d/f"].mtime_ns, kDefaultMtimeNs + 1 * kStep);
  EXPECT_EQ(m.entries["d/s"].mtime_ns, kDefaultMtimeNs + 2 * kStep);
  EXPECT_EQ(m.entries["d/p"].mtime_ns, kDefaultMtimeNs + 3 * kStep);
  EXPECT_EQ(m.entries["d/h"].mtime_ns, kDefaultMtimeNs + 4 * kStep);
  Apply(Layer().Write("d/f", 0, "y"));
  EXPECT_EQ(At("d/f").mtime_ns, kDefaultMtimeNs);
  Apply(Layer().Chmod("d/f", 0600).Truncate("d/f", 0));
  EXPECT_EQ(At("d/f").mtime_ns, kDefaultMtimeNs + kStep);
}

TEST_F(LayerTest, FileOnAnExistingFileKeepsTheInode) {
  Apply(Layer().File("f", "old content", 0644).Link("g", "f"));
  ino_t ino = At("f").ino;
  Apply(Layer().Chmod("g", 0600).File("f", "new", 0751));
  Entry f = At("f");
  EXPECT_EQ(f.ino, ino);
  EXPECT_EQ(f.size_bytes, 3);
  EXPECT_EQ(f.permissions, 0751u);
  EXPECT_EQ(f.mtime_ns, kDefaultMtimeNs + kStep);
  EXPECT_EQ(At("g").digest, Sha256("new"));
}

TEST_F(LayerTest, WriteTruncateAndSparseChangeContent) {
  Apply(Layer()
            .File("f", "0123456789")
            .Write("f", 8, "abcd")
            .Truncate("f", 11)
            .Sparse("s", 1 << 20, 65536, "data"));
  EXPECT_EQ(At("f").digest, Sha256("01234567abc"));
  Entry s = At("s");
  EXPECT_EQ(s.size_bytes, 1 << 20);
  std::string content(1 << 20, '\0');
  content.replace(65536, 4, "data");
  EXPECT_EQ(s.digest, Sha256(content));
  EXPECT_LE(s.data_bytes, 65536);
}

TEST_F(LayerTest, RemoveTakesFilesAndEmptyDirectories) {
  Apply(Layer().Dir("d").File("d/f", "").Dir("e").File("g", ""));
  EXPECT_EQ(Errno(Layer().Remove("d")), ENOTEMPTY);
  Apply(Layer().Remove("e").Remove("g").RemoveAll("d"));
  EXPECT_EQ(Read().entries.size(), 1u);
  EXPECT_EQ(Errno(Layer().RemoveAll("d")), ENOENT);
}

TEST_F(LayerTest, ChangesAttributesOfTheNameItself) {
  Apply(Layer().File("f", "").Symlink("s", "f"));
  Apply(Layer()
            .Chown("s", 7, 8)
            .Times("s", 1'000'000'001, 2'000'000'002)
            .SetXattr("s", "trusted.a", "on the link")
            .SetXattr("f", "user.b", std::string("\0b", 2))
            .SetXattr("f", "user.c", "")
            .RemoveXattr("f", "user.c"));
  Entry s = At("s");
  EXPECT_EQ(s.uid, 7u);
  EXPECT_EQ(s.gid, 8u);
  EXPECT_EQ(s.mtime_ns, 2'000'000'002);
  EXPECT_EQ(s.xattrs, (std::vector<Xattr>{{"trusted.a", "on the link"}}));
  Entry f = At("f");
  EXPECT_EQ(f.uid, 0u);
  EXPECT_EQ(f.xattrs, (std::vector<Xattr>{{"user.b", std::string("\0b", 2)}}));
  EXPECT_EQ(Errno(Layer().Chmod("s", 0600)), EOPNOTSUPP);
  EXPECT_EQ(Errno(Layer().RemoveXattr("f", "user.c")), ENODATA);
}

TEST_F(LayerTest, TimesBeforeTheEpochKeepTheirNanoseconds) {
  Apply(Layer().File("f", "").Times("f", -1, -1'500'000'000));
  EXPECT_EQ(At("f").mtime_ns, -1'500'000'000);
}

TEST_F(LayerTest, NoComponentIsFollowedIfItIsASymlink) {
  ASSERT_TRUE(MakeDirs(temp_.path() + "/outside").ok());
  Apply(Layer().Dir("real").Symlink("in", "real").Symlink("out", temp_.path() + "/outside"));
  EXPECT_EQ(Errno(Layer().File("out/f", "x")), ELOOP);
  EXPECT_EQ(Errno(Layer().Dir("in/d")), ELOOP);
  EXPECT_EQ(Errno(Layer().File("in", "x")), ELOOP);
  EXPECT_EQ(Errno(Layer().Rename("real", "out/r")), ELOOP);
  EXPECT_EQ(Errno(Layer().Link("l", "in/x")), ELOOP);
  EXPECT_FALSE(ExistsAt(AT_FDCWD, temp_.path() + "/outside/f"));
  EXPECT_EQ(ListDir(AT_FDCWD, temp_.path() + "/outside")->size(), 0u);
}

TEST_F(LayerTest, PathsThatAreNotPlainAreRefused) {
  for (const char* path : {"/a", "a//b", "a/", "./a", "a/..", "../a", "a/./b"}) {
    EXPECT_EQ(ApplyLayer(Layer().File(path, "x"), root_.get()).code(), Code::kInvalidArgument) << path;
  }
  EXPECT_EQ(Read().entries.size(), 1u);
}

TEST_F(LayerTest, TheRootTakesAttributesAndNothingElse) {
  Apply(Layer().Chmod("", 0711).Chown("", 3, 4).SetXattr("", "user.r", "v").Times("", 5, 6));
  Entry root = At("");
  EXPECT_EQ(root.permissions, 0711u);
  EXPECT_EQ(root.uid, 3u);
  EXPECT_EQ(root.gid, 4u);
  EXPECT_EQ(root.mtime_ns, 6);
  EXPECT_EQ(root.xattrs.size(), 1u);
  EXPECT_EQ(Errno(Layer().Dir("")), EEXIST);
  EXPECT_EQ(Errno(Layer().File("", "x")), EISDIR);
  EXPECT_EQ(Errno(Layer().RemoveAll("")), EBUSY);
  EXPECT_EQ(Errno(Layer().Rename("", "x")), EBUSY);
}

TEST_F(LayerTest, AFailureNamesTheStepAndKeepsTheErrno) {
  Status status = ApplyLayer(Layer().Dir("a").Rename("a/x\ny", "b").Dir("c"), root_.get());
  EXPECT_EQ(status.error_number(), ENOENT);
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_NE(status.ToString().find("rename(a/x\\ny, b)"), std::string::npos) << status.ToString();
  Manifest m = Read();
  EXPECT_TRUE(m.entries.contains("a"));
  EXPECT_FALSE(m.entries.contains("c"));
  EXPECT_EQ(m.entries["a"].mtime_ns, kDefaultMtimeNs);
}

TEST_F(LayerTest, ErrnosAreTheKernels) {
  Apply(Layer().Dir("d").File("d/f", "").Fifo("p").File("f", ""));
  EXPECT_EQ(Errno(Layer().Dir("d")), EEXIST);
  EXPECT_EQ(Errno(Layer().File("d", "x")), EISDIR);
  EXPECT_EQ(Errno(Layer().File("p", "x")), EINVAL);
  EXPECT_EQ(Errno(Layer().File("f/x", "x")), ENOTDIR);
  EXPECT_EQ(Errno(Layer().Sparse("f", 1, 0, "")), EEXIST);
  EXPECT_EQ(Errno(Layer().Symlink("f", "t")), EEXIST);
  EXPECT_EQ(Errno(Layer().Link("f", "p")), EEXIST);
  EXPECT_EQ(Errno(Layer().Link("l", "d")), EPERM);
  EXPECT_EQ(Errno(Layer().Mknod("f", S_IFIFO | 0600)), EEXIST);
  EXPECT_EQ(Errno(Layer().Write("none", 0, "x")), ENOENT);
  EXPECT_EQ(Errno(Layer().Rename("f", "d")), EISDIR);
  EXPECT_EQ(Errno(Layer().Rename("d", "f")), ENOTDIR);
  EXPECT_EQ(Errno(Layer().Rename("d", "d/e")), EINVAL);
  EXPECT_EQ(Errno(Layer().Dir("e").File("e/f", "").Rename("d", "e")), ENOTEMPTY);
}

// The rule on directory times, one way of touching a directory after the other.
class DirectoryTimes : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    Apply(Layer()
              .Dir("d")
              .File("d/f", "x")
              .Dir("d/sub")
              .Dir("e")
              .Times("", 1, 11)
              .Times("d", 1, 22)
              .Times("e", 1, 33));
    ASSERT_EQ(At("").mtime_ns, 11);
    ASSERT_EQ(At("d").mtime_ns, 22);
  }
};

TEST_F(DirectoryTimes, OfALowerDirectoryStayWhatTheyWere) {
  for (const Layer& layer :
       {Layer().File("d/new", "").File("top", ""), Layer().Link("d/l", "d/f").Link("toplink", "d/f"),
        Layer().Remove("d/l").Remove("toplink"), Layer().Rename("d/new", "e/new"),
        Layer().Rename("e/new", "moved"), Layer().RemoveAll("d/sub"),
        Layer().Symlink("d/s", "x").Fifo("d/p").Symlink("t", "x"), Layer().Dir("d/deep").Dir("d/deep/er")}) {
    Apply(layer);
    Manifest m = Read();
    EXPECT_EQ(m.entries[""].mtime_ns, 11) << ToString(layer.steps()[0]);
    EXPECT_EQ(m.entries["d"].mtime_ns, 22) << ToString(layer.steps()[0]);
    EXPECT_EQ(m.entries["e"].mtime_ns, 33) << ToString(layer.steps()[0]);
  }
}

TEST_F(DirectoryTimes, StatedOnceHoldForTheWholeLayer) {
  Apply(Layer().Times("d", 1, 44).Times("", 1, 55).File("d/new", "").File("top", ""));
  EXPECT_EQ(At("d").mtime_ns, 44);
  EXPECT_EQ(At("").mtime_ns, 55);
}

TEST_F(DirectoryTimes, OfANewDirectoryAreThoseOfItsStep) {
  Apply(Layer().File("x", "").Dir("n").File("n/a", "").Dir("n/b").Remove("n/a"));
  EXPECT_EQ(At("n").mtime_ns, kDefaultMtimeNs + kStep);
  EXPECT_EQ(At("n/b").mtime_ns, kDefaultMtimeNs + 3 * kStep);
}

TEST_F(DirectoryTimes, MoveWithTheDirectory) {
  Apply(
      Layer().File("d/new", "").Dir("d/n2").File("d/n2/x", "").Rename("d", "moved").File("moved/later", ""));
  Manifest m = Read();
  EXPECT_EQ(m.entries["moved"].mtime_ns, 22);
  EXPECT_EQ(m.entries["moved/n2"].mtime_ns, kDefaultMtimeNs + kStep);
  EXPECT_EQ(m.entries[""].mtime_ns, 11);
}

TEST_F(DirectoryTimes, OfARemovedDirectoryAreForgotten) {
  Apply(Layer().File("d/new", "").RemoveAll("d").Dir("d").File("d/x", ""));
  EXPECT_EQ(At("d").mtime_ns, kDefaultMtimeNs + 2 * kStep);
}

TEST_F(DirectoryTimes, OfARenamedOverDirectoryAreThoseOfTheMovedOne) {
  Apply(Layer().Times("e", 1, 66).Rename("d", "e"));
  EXPECT_EQ(At("e").mtime_ns, 22);
}

TEST_F(LayerTest, PathsLongerThanPathMaxWork) {
  Layer layer;
  std::string path;
  for (int i = 0; i < 60; ++i) {
    path += (i == 0 ? "" : "/") + std::string(200, static_cast<char>('a' + i % 26));
    layer.Dir(path, 0701);
  }
  ASSERT_GT(path.size(), 12000u);
  layer.File(path + "/f", "deep").Symlink(path + "/s", "t").SetXattr(path + "/s", "trusted.x", "1");
  layer.SetXattr(path + "/f", "user.x", "2").Rename(path + "/f", path + "/g").Link("top", path + "/g");
  Apply(layer);
  Manifest m = Read();
  EXPECT_EQ(m.entries[path + "/g"].digest, Sha256("deep"));
  EXPECT_EQ(m.entries[path + "/g"].link_group, path + "/g");
  EXPECT_EQ(m.entries[path + "/s"].xattrs.size(), 1u);
  EXPECT_EQ(m.entries[path].permissions, 0701u);
  EXPECT_EQ(m.entries[path].mtime_ns, kDefaultMtimeNs + 59 * kStep);
}

TEST_F(LayerTest, NamesMayHoldAnyByte) {
  const std::vector<std::string> names = {
      "new\nline", std::string(255, 'n'), "\xff\xfe", " ", "-rf", "tab\t\\", "a:b,c"};
  Layer layer;
  for (const std::string& name : names) layer.File(name, name);
  Apply(layer);
  Manifest m = Read();
  EXPECT_EQ(m.entries.size(), names.size() + 1);
  for (const std::string& name : names) EXPECT_EQ(m.entries[name].digest, Sha256(name));
}

TEST_F(LayerTest, TwoApplicationsGiveEqualTrees) {
  const Layer layer = Layer()
                          .Dir("d", 0755)
                          .File("d/f", "content", 0640)
                          .Link("d/l", "d/f")
                          .Symlink("s", "d/f")
                          .Sparse("h", 1 << 20, 4096, "x")
                          .SetXattr("d/f", "user.k", "v")
                          .Rename("d", "e")
                          .Remove("e/l")
                          .Chown("e", 1, 2);
  ASSERT_TRUE(MakeDirs(temp_.path() + "/second").ok());
  Fd second = Open(temp_.path() + "/second", O_RDONLY | O_DIRECTORY).value();
  const Layer base = Layer().Times("", 0, 123);
  Apply(base);
  Apply(layer);
  ASSERT_TRUE(ApplyLayer(base, second.get()).ok());
  ASSERT_TRUE(ApplyLayer(layer, second.get()).ok());
  auto other = ReadManifest(second.get());
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(Describe(Compare(Read(), *other)), "");
  EXPECT_EQ(ManifestDigest(Read()), ManifestDigest(*other));
}

TEST(LayerText, SaysWhatAStepDoes) {
  Layer layer;
  layer.Rename("a/b", "c").Chmod("", 0755).Write("f", 4096, "xyz").Times("t", 12'500'000'000, -1);
  EXPECT_EQ(ToString(layer.steps()[0]), "rename(a/b, c)");
  EXPECT_EQ(ToString(layer.steps()[1]), "chmod(/, 0755)");
  EXPECT_EQ(ToString(layer.steps()[2]), "write(f, offset 4096, 3 bytes)");
  EXPECT_EQ(ToString(layer.steps()[3]), "times(t, atime 12.5, mtime -0.000000001)");
}

}  // namespace
}  // namespace layermark
