#include "core/tree/manifest.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"

namespace layermark {
namespace {

class ManifestTest : public testing::Test {
 protected:
  void SetUp() override {
    auto temp = TempTree::Create(testing::TempDir(), "manifest");
    ASSERT_TRUE(temp.ok()) << temp.status().ToString();
    temp_ = std::move(*temp);
    auto fd = Open(temp_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    root_ = std::move(*fd);
  }
  void Apply(const Layer& layer) {
    Status status = ApplyLayer(layer, root_.get());
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Manifest Read(const ManifestOptions& options = {}) {
    auto manifest = ReadManifest(root_.get(), options);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    return manifest.ok() ? *manifest : Manifest();
  }
  // The fields that differ between the tree now and after `change`.
  std::vector<std::string> Seen(const Layer& change) {
    Manifest before = Read();
    Apply(change);
    Manifest after = Read();
    EXPECT_NE(ManifestDigest(before), ManifestDigest(after));
    std::vector<std::string> fields;
    for (const Difference& d : Compare(before, after)) fields.push_back(d.path + ":" + d.field);
    return fields;
  }

  TempTree temp_;
  Fd root_;
};

using Fields = std::vector<std::string>;

TEST_F(ManifestTest, SeesEachFieldChange) {
  Apply(Layer().Dir("d").File("f", "abc").Symlink("s", "t").Mknod("c", S_IFCHR | 0600, makedev(1, 3)));
  Apply(Layer().Times("f", 0, kDefaultMtimeNs));
  EXPECT_EQ(Seen(Layer().Chmod("f", 04644)), (Fields{"f:permissions"}));
  EXPECT_EQ(Seen(Layer().Chmod("d", 01755)), (Fields{"d:permissions"}));
  EXPECT_EQ(Seen(Layer().Chown("s", 1, 0)), (Fields{"s:uid"}));
  EXPECT_EQ(Seen(Layer().Chown("d", 0, 70000)), (Fields{"d:gid"}));
  EXPECT_EQ(Seen(Layer().Write("f", 1, "X")), (Fields{"f:digest"}));
  EXPECT_EQ(Seen(Layer().Truncate("f", 4)), (Fields{"f:digest", "f:size"}));
  EXPECT_EQ(Seen(Layer().Times("f", 0, 1)), (Fields{"f:mtime"}));
  EXPECT_EQ(Seen(Layer().Times("s", 0, kDefaultMtimeNs + 1)), (Fields{"s:mtime"}));
  EXPECT_EQ(Seen(Layer().Times("d", 0, kDefaultMtimeNs + 1)), (Fields{"d:mtime"}));
  EXPECT_EQ(Seen(Layer().Remove("s").Symlink("s", "u").Times("s", 0, kDefaultMtimeNs + 1).Chown("s", 1, 0)),
            (Fields{"s:link_target"}));
  EXPECT_EQ(Seen(Layer()
                     .Remove("c")
                     .Mknod("c", S_IFCHR | 0600, makedev(1, 5))
                     .Times("c", 0, kDefaultMtimeNs + 3000)),
            (Fields{"c:rdev"}));
  EXPECT_EQ(Seen(Layer().SetXattr("f", "user.x", "1")), (Fields{"f:xattr:user.x"}));
  EXPECT_EQ(Seen(Layer().SetXattr("f", "user.x", "2")), (Fields{"f:xattr:user.x"}));
  EXPECT_EQ(Seen(Layer().SetXattr("d", "trusted.x", "")), (Fields{"d:xattr:trusted.x"}));
  EXPECT_EQ(Seen(Layer().Link("l", "f")), (Fields{"f:link_group", "l:unexpected"}));
  EXPECT_EQ(Seen(Layer().Remove("d").File("d", "")), (Fields{"d:type"}));
  EXPECT_EQ(Seen(Layer().Remove("d")), (Fields{"d:missing"}));
  EXPECT_EQ(Seen(Layer().Chmod("", 0711)), (Fields{":permissions"}));
}

TEST_F(ManifestTest, SeesAclsAndCapabilities) {
  Apply(Layer().File("f", "x").Dir("d"));
  // struct posix_acl_xattr: version 2, then (tag, permissions, id) with 16, 16 and 32 bits.
  const std::string none("\xff\xff\xff\xff", 4);
  const std::string acl = std::string("\x02\0\0\0", 4) + std::string("\x01\0\x06\0", 4) + none +
                          std::string("\x02\0\x04\0", 4) + std::string("\x64\0\0\0", 4) +
                          std::string("\x04\0\x04\0", 4) + none + std::string("\x10\0\x04\0", 4) + none +
                          std::string("\x20\0\0\0", 4) + none;
  // struct vfs_ns_cap_data, revision 2: cap_net_bind_service, effective.
  const std::string capability =
      std::string("\x01\0\0\x02", 4) + std::string("\0\x04\0\0", 4) + std::string(12, '\0');
  EXPECT_EQ(Seen(Layer().SetXattr("f", "system.posix_acl_access", acl)),
            (Fields{"f:permissions", "f:xattr:system.posix_acl_access"}));
  EXPECT_EQ(Seen(Layer().SetXattr("d", "system.posix_acl_default", acl)),
            (Fields{"d:xattr:system.posix_acl_default"}));
  EXPECT_EQ(Seen(Layer().SetXattr("f", "security.capability", capability)),
            (Fields{"f:xattr:security.capability"}));
  const Manifest m = Read();
  EXPECT_EQ(m.entries.at("f").xattrs,
            (std::vector<Xattr>{{"security.capability", capability}, {"system.posix_acl_access", acl}}));
}

TEST_F(ManifestTest, LeavesOutXattrsOfTheMachine) {
  Apply(
      Layer().File("f", "").SetXattr("f", "trusted.overlay.opaque", "y").SetXattr("f", "trusted.kept", "y"));
  EXPECT_EQ(Read().entries.at("f").xattrs.size(), 1u);
  ManifestOptions all;
  all.ignored_xattr_prefixes.clear();
  EXPECT_GE(Read(all).entries.at("f").xattrs.size(), 2u);
  ManifestOptions none;
  none.xattrs = false;
  EXPECT_TRUE(Read(none).entries.at("f").xattrs.empty());
}

TEST_F(ManifestTest, GroupsHardLinksWithinTheTree) {
  Apply(Layer()
            .Dir("in")
            .Dir("out")
            .File("in/b", "x")
            .Link("in/a", "in/b")
            .Link("in/c", "in/b")
            .File("in/half", "")
            .Link("out/half", "in/half")
            .Symlink("in/s1", "t")
            .Link("in/s2", "in/s1"));
  Manifest whole = Read();
  EXPECT_EQ(whole.entries["in/a"].link_group, "in/a");
  EXPECT_EQ(whole.entries["in/b"].link_group, "in/a");
  EXPECT_EQ(whole.entries["in/c"].link_group, "in/a");
  EXPECT_EQ(whole.entries["in/half"].link_group, "in/half");
  EXPECT_EQ(whole.entries["in/s2"].link_group, "in/s1");
  EXPECT_EQ(whole.entries["in"].link_group, "");
  EXPECT_EQ(InodeCount(whole), 6);  // the root, in, out, a=b=c, half, s1=s2
  auto in = ReadManifest(temp_.path() + "/in");
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->entries["half"].link_group, "");
  EXPECT_EQ(in->entries["half"].nlink, 2u);
}

TEST_F(ManifestTest, MeasuresDataInSparseFiles) {
  Apply(Layer()
            .Sparse("hole", 1 << 20, 0, "")
            .Sparse("end", 1 << 20, (1 << 20) - 4096, std::string(4096, 'x')));
  Apply(Layer().File("full", std::string(100'000, 'x')).File("empty", ""));
  Manifest m = Read();
  EXPECT_EQ(m.entries["hole"].data_bytes, 0);
  EXPECT_EQ(m.entries["end"].data_bytes, 4096);
  EXPECT_EQ(m.entries["full"].data_bytes, 100'000);
  EXPECT_EQ(m.entries["empty"].data_bytes, 0);
  ManifestOptions options;
  options.holes = false;
  EXPECT_EQ(Read(options).entries["end"].data_bytes, -1);
}

TEST_F(ManifestTest, SeesAFileThatLostItsHoles) {
  Apply(Layer().Sparse("f", 1 << 20, 0, "x"));
  Manifest sparse = Read();
  Apply(Layer().File("f", "x" + std::string((1 << 20) - 1, '\0')).Times("f", 0, kDefaultMtimeNs));
  auto differences = Compare(sparse, Read());
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].field, "holes");
  EXPECT_TRUE(Compare(Read(), sparse).empty()) << "more holes than expected is no fault";
}

TEST_F(ManifestTest, ReadsFilesWithoutPermissionsAndKeepsTheirAccessTime) {
  Apply(Layer().File("f", "secret", 0).Dir("d", 0).File("d/g", "x").Times("f", 5'000'000'000, 6'000'000'000));
  Manifest m = Read();
  EXPECT_EQ(m.entries["f"].digest, Sha256("secret"));
  EXPECT_TRUE(m.entries.contains("d/g"));
  struct stat st = {};
  ASSERT_EQ(fstatat(root_.get(), "f", &st, 0), 0);
  EXPECT_EQ(st.st_atim.tv_sec, 5);
}

TEST_F(ManifestTest, KeepsWhatReaddirSaid) {
  Apply(Layer().Dir("d").File("f", "").Symlink("s", "t").Fifo("p"));
  Manifest m = Read();
  EXPECT_EQ(m.entries["d"].dirent_type, DT_DIR);
  EXPECT_EQ(m.entries["f"].dirent_type, DT_REG);
  EXPECT_EQ(m.entries["s"].dirent_type, DT_LNK);
  EXPECT_EQ(m.entries["p"].dirent_type, DT_FIFO);
  EXPECT_EQ(m.entries["f"].dirent_ino, m.entries["f"].ino);
  EXPECT_EQ(m.entries[""].dirent_ino, 0u);
}

TEST_F(ManifestTest, DeepAndBranchingTreesNeedFewDescriptors) {
  // Two subdirectories at every level, so that no level is finished before the walk goes down; 300 levels of
  // 40 bytes are 12 KB of path. The limit allows less than half of the levels to be open.
  Layer layer;
  std::string path;
  for (int i = 0; i < 300; ++i) {
    const std::string prefix = path.empty() ? "" : path + "/";
    layer.Dir(prefix + "a").File(prefix + "a/f", "x").Dir(prefix + "z").File(prefix + "z/f", "y");
    path = prefix + std::string(40, 'm');
    layer.Dir(path);
  }
  Apply(layer);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 120;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  Manifest m = Read();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(m.entries.size(), 1u + 300 * 5);
  EXPECT_EQ(m.entries[path.substr(0, path.size() - 41) + "/z/f"].digest, Sha256("y"));
}

TEST_F(ManifestTest, AMissingOrWrongRootIsAnError) {
  EXPECT_EQ(ReadManifest(temp_.path() + "/none").status().error_number(), ENOENT);
  Apply(Layer().File("f", ""));
  EXPECT_EQ(ReadManifest(temp_.path() + "/f").status().error_number(), ENOTDIR);
}

TEST(ManifestDigestTest, FieldsCannotRunIntoEachOther) {
  Manifest a;
  a.entries[""].type = FileType::kDirectory;
  Manifest b = a;
  a.entries["x"].xattrs = {{"user.a", "bc"}};
  b.entries["x"].xattrs = {{"user.ab", "c"}};
  EXPECT_NE(ManifestDigest(a), ManifestDigest(b));
  Manifest c = a;
  c.entries["x"].ino = 4711;
  c.entries["x"].allocated_bytes = 4096;
  EXPECT_EQ(ManifestDigest(a), ManifestDigest(c)) << "identity and allocation belong to the machine";
}

TEST(Sha256Test, GivesTheKnownDigests) {
  EXPECT_EQ(Sha256(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace layermark
