#include "scenario/model.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <random>

#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"

namespace layermark {
namespace {

// Each test does the same to the model and to a real directory: the expectation is what Linux does.
class ModelTest : public testing::Test {
 protected:
  void SetUp() override { Restart(); }
  void Restart() {
    auto temp = TempTree::Create(testing::TempDir(), "model");
    ASSERT_TRUE(temp.ok()) << temp.status().ToString();
    temp_ = std::move(*temp);
    auto fd = Open(temp_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    root_ = std::move(*fd);
    model_ = ModelTree();
    Both(Layer().Chmod("", 0755).Times("", 0, 0));
  }
  // The errno, which must be the same on both sides; so must the trees.
  int Both(const Layer& layer) {
    const Status real = ApplyLayer(layer, root_.get());
    const Status model = model_.Apply(layer);
    EXPECT_EQ(real.error_number(), model.error_number()) << real.ToString() << "\n" << model.ToString();
    EXPECT_EQ(real.ok(), model.ok()) << real.ToString() << "\n" << model.ToString();
    auto manifest = ReadManifest(root_.get());
    EXPECT_TRUE(manifest.ok());
    EXPECT_EQ(Describe(Compare(manifest.ok() ? *manifest : Manifest(), model_.ToManifest())), "");
    return real.error_number();
  }

  TempTree temp_;
  Fd root_;
  ModelTree model_;
};

TEST_F(ModelTest, MakesEveryKindOfObject) {
  EXPECT_EQ(Both(Layer()
                     .Dir("d", 01750)
                     .File("d/f", "hello", 04755)
                     .Symlink("d/s", "../x")
                     .Link("l", "d/f")
                     .Fifo("p")
                     .Mknod("c", S_IFCHR | 0600, makedev(1, 3))
                     .Mknod("b", S_IFBLK | 0600, makedev(7, 9))
                     .Mknod("sock", S_IFSOCK | 0600)
                     .Mknod("r", S_IFREG | 0600)
                     .Sparse("h", 1 << 20, 8192, "data")),
            0);
  EXPECT_EQ(model_.ToManifest().entries.size(), 11u);
}

TEST_F(ModelTest, ChangesContent) {
  Both(Layer().File("f", std::string(10'000, 'x')).Link("g", "f"));
  Both(Layer().Write("f", 9'000, std::string(5'000, 'y')));
  Both(Layer().Truncate("f", 5'000));
  Both(Layer().Truncate("f", 20'000).Write("g", 4'090, "across a block"));
  Both(Layer().File("g", "short", 0600));
  Both(Layer().Write("f", 100'000, ""));
}

TEST_F(ModelTest, RemovesAndRenames) {
  Both(Layer().Dir("a").Dir("a/b").File("a/b/f", "1").Link("x", "a/b/f").Dir("e").Symlink("s", "a"));
  EXPECT_EQ(Both(Layer().Remove("a")), ENOTEMPTY);
  EXPECT_EQ(Both(Layer().Rename("a", "a/b/c")), EINVAL);
  EXPECT_EQ(Both(Layer().Rename("a/b", "a")), ENOTEMPTY);
  EXPECT_EQ(Both(Layer().Rename("a/b/f", "a")), ENOTEMPTY);
  EXPECT_EQ(Both(Layer().Rename("a/b/f", "x")), 0) << "two names of one inode: nothing happens";
  EXPECT_EQ(Both(Layer().Rename("s", "e")), EISDIR);
  EXPECT_EQ(Both(Layer().Rename("a", "e")), 0);
  EXPECT_EQ(Both(Layer().Rename("e/b", "x")), ENOTDIR);
  EXPECT_EQ(Both(Layer().RemoveAll("e").Remove("s").Remove("x")), 0);
  EXPECT_EQ(model_.ToManifest().entries.size(), 1u);
}

TEST_F(ModelTest, FollowsNoSymlink) {
  Both(Layer().Dir("d").Symlink("s", "d").File("f", ""));
  EXPECT_EQ(Both(Layer().File("s/x", "")), ELOOP);
  EXPECT_EQ(Both(Layer().File("s", "")), ELOOP);
  EXPECT_EQ(Both(Layer().Dir("f/x")), ENOTDIR);
  EXPECT_EQ(Both(Layer().Chmod("s", 0600)), EOPNOTSUPP);
  EXPECT_EQ(Both(Layer().SetXattr("s", "user.x", "")), EPERM);
  EXPECT_EQ(Both(Layer().SetXattr("s", "trusted.x", "v").Chown("s", 1, 2).Times("s", 3, 4)), 0);
}

TEST_F(ModelTest, DropsSetIdBitsAndCapabilities) {
  const std::string capability = std::string("\x01\0\0\x02\0\x04\0\0", 8) + std::string(12, '\0');
  for (const Layer& change :
       {Layer().Chown("f", 1, 1), Layer().Write("f", 0, "y"), Layer().Truncate("f", 0),
        Layer().File("f", "z", 06755), Layer().Write("f", 0, ""), Layer().Chmod("f", 06700)}) {
    Both(Layer().File("f", "x", 06755).SetXattr("f", "security.capability", capability));
    Both(change);
  }
  Both(Layer().Chmod("f", 02644).Chown("f", 5, 5));
  EXPECT_EQ(model_.ToManifest().entries["f"].permissions, 02644u) << "the bit without group execution stays";
  Both(Layer().Dir("d", 06755).Chown("d", 5, 5));
  EXPECT_EQ(model_.ToManifest().entries["d"].permissions, 06755u);
}

TEST_F(ModelTest, InheritsFromSetGidDirectories) {
  Both(Layer().Dir("d", 02755).Chown("d", 7, 8));
  Both(Layer().File("d/f", "").Dir("d/sub", 0700).Symlink("d/s", "x").Fifo("d/p"));
  EXPECT_EQ(model_.ToManifest().entries["d/sub"].gid, 8u);
}

std::string Acl(char user, char named, char group, char mask, char other) {
  const std::string none(4, '\xff');
  std::string acl("\x02\0\0\0", 4);
  auto add = [&](char tag, char permissions, const std::string& id) {
    acl += std::string({tag, '\0', permissions, '\0'}) + id;
  };
  add(0x01, user, none);
  if (named >= 0) add(0x02, named, std::string("\x64\0\0\0", 4));
  add(0x04, group, none);
  if (mask >= 0) add(0x10, mask, none);
  add(0x20, other, none);
  return acl;
}

TEST_F(ModelTest, KnowsAcls) {
  Both(Layer().Dir("d").File("f", "", 04750).Symlink("s", "f"));
  Both(Layer().SetXattr("f", "system.posix_acl_access", Acl(6, 7, 5, 4, 1)));
  Both(Layer().Chmod("f", 0531));
  Both(Layer().File("f", "new", 0777));
  Both(Layer().SetXattr("f", "system.posix_acl_access", Acl(6, -1, 5, -1, 1)));
  Both(Layer().SetXattr("d", "system.posix_acl_default", Acl(7, 7, 5, 5, 0)));
  Both(Layer()
           .File("d/f", "", 0666)
           .Dir("d/sub", 0711)
           .Fifo("d/p")
           .Symlink("d/s", "t")
           .Sparse("d/h", 9, 0, "x", 0600));
  Both(Layer().Dir("d/sub/sub"));
  Both(Layer().RemoveXattr("d", "system.posix_acl_default").File("d/plain", ""));
  Both(Layer().SetXattr("d", "system.posix_acl_default", Acl(7, -1, 5, -1, 0)).File("d/minimal", "", 0664));
  EXPECT_EQ(Both(Layer().SetXattr("f", "system.posix_acl_default", Acl(7, -1, 5, -1, 0))), EACCES);
  EXPECT_EQ(Both(Layer().SetXattr("f", "system.posix_acl_access", "nonsense")), EOPNOTSUPP);
  EXPECT_EQ(Both(Layer().SetXattr("f", "system.posix_acl_access", Acl(7, 7, 7, -1, 7))), EINVAL);
  EXPECT_EQ(Both(Layer().SetXattr("s", "system.posix_acl_access", Acl(7, -1, 7, -1, 7))), EOPNOTSUPP);
}

TEST_F(ModelTest, FailsAsLinuxDoes) {
  Both(Layer().Dir("d").File("f", "").File("d/x", ""));
  const std::string long_name(256, 'n');
  EXPECT_EQ(Both(Layer().File(long_name, "")), ENAMETOOLONG);
  EXPECT_EQ(Both(Layer().File(long_name + "/x", "")), ENAMETOOLONG);
  EXPECT_EQ(Both(Layer().Rename("f", long_name)), ENAMETOOLONG);
  EXPECT_EQ(Both(Layer().Link(long_name, "f")), ENAMETOOLONG);
  EXPECT_EQ(Both(Layer().Link("l", "d")), EPERM);
  EXPECT_EQ(Both(Layer().Link("f", "none")), ENOENT);
  EXPECT_EQ(Both(Layer().Mknod("m", S_IFDIR | 0700)), EPERM);
  EXPECT_EQ(Both(Layer().Symlink("s", "")), ENOENT);
  EXPECT_EQ(Both(Layer().Symlink("s", std::string(4096, 't'))), ENAMETOOLONG);
  EXPECT_EQ(Both(Layer().Truncate("f", -1)), EINVAL);
  EXPECT_EQ(Both(Layer().Write("f", -1, "x")), EINVAL);
  EXPECT_EQ(Both(Layer().Sparse("new", -1, 0, "")), EINVAL);
  EXPECT_EQ(Both(Layer().SetXattr("f", "nospace", "")), EOPNOTSUPP);
  EXPECT_EQ(Both(Layer().SetXattr("f", "user.", "")), EINVAL);
  EXPECT_EQ(Both(Layer().SetXattr("f", "user." + std::string(251, 'x'), "")), ERANGE);
  EXPECT_EQ(Both(Layer().SetXattr("f", "user.x", std::string(65537, 'x'))), E2BIG);
  EXPECT_EQ(Both(Layer().SetXattr("f", "security.capability", "x")), EINVAL);
  EXPECT_EQ(Both(Layer().RemoveXattr("f", "user.none")), ENODATA);
  EXPECT_EQ(Both(Layer().Rename("none", "x")), ENOENT);
  EXPECT_EQ(Both(Layer().File("a/../b", "")), 0) << "not an errno, but both refuse it";
  for (const Layer& on_root :
       {Layer().Dir(""), Layer().File("", ""), Layer().Sparse("", 1, 0, ""), Layer().Remove(""),
        Layer().RemoveAll(""), Layer().Symlink("", "t"), Layer().Link("", "f"), Layer().Link("l", ""),
        Layer().Mknod("", S_IFIFO), Layer().Rename("f", ""), Layer().Rename("", "x"),
        Layer().Write("", 0, "x"), Layer().Truncate("", 0)}) {
    EXPECT_NE(Both(on_root), 0) << ToString(on_root.steps()[0]);
  }
  EXPECT_EQ(Both(Layer().Chmod("", 01777).Chown("", 1, 2).SetXattr("", "user.x", "y").Times("", 3, 4)), 0);
}

TEST_F(ModelTest, ACopyIsASnapshot) {
  Both(Layer().Dir("d").File("d/f", "one").File("gone", "x"));
  const ModelTree before = model_;
  const Manifest then = before.ToManifest();
  Both(Layer().Write("d/f", 0, "two").Remove("gone").Chmod("d", 0700).File("d/new", ""));
  EXPECT_EQ(Describe(Compare(then, before.ToManifest())), "");
  EXPECT_FALSE(Compare(then, model_.ToManifest()).empty());
}

TEST_F(ModelTest, ADigestOnlyFileCannotBeWritten) {
  TarListEntry item;
  item.entry.path = "f";
  item.size_bytes = 7;
  item.digest = Sha256("content");
  ASSERT_TRUE(model_.ApplyTar({item}).ok());
  EXPECT_EQ(model_.ToManifest().entries["f"].digest, Sha256("content"));
  EXPECT_EQ(model_.Apply(Layer().Write("f", 0, "x")).code(), Code::kFailedPrecondition);
}

// Random steps on few names, so that they meet: whatever Linux answers, the model must answer.
class RandomSteps {
 public:
  explicit RandomSteps(uint32_t seed) : random_(seed) {}
  Step Next() {
    Step step;
    step.op = static_cast<StepOp>(Below(static_cast<int>(StepOp::kTimes) + 1));
    step.path = Path();
    step.data = std::string(static_cast<size_t>(Below(6000)), static_cast<char>('a' + Below(26)));
    step.offset = Below(10'000);
    step.size = Below(20'000);
    step.uid = static_cast<uid_t>(Below(3) - 1);
    step.gid = static_cast<gid_t>(Below(3) - 1);
    step.mtime_ns = Below(1'000'000) * int64_t{1'000'003};
    step.target = Path();
    const mode_t modes[] = {0644, 0755, 04755, 02755, 02644, 01777, 0, 06711};
    step.mode = modes[Below(8)];
    if (step.op == StepOp::kMknod) {
      const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG};
      step.mode |= types[Below(5)];
      step.rdev = makedev(1, static_cast<unsigned>(1 + Below(5)));
    }
    if (step.op == StepOp::kSetXattr || step.op == StepOp::kRemoveXattr) {
      const char* names[] = {"user.a", "trusted.b", "security.capability", "system.posix_acl_access",
                             "system.posix_acl_default"};
      const int which = Below(5);
      step.target = names[which];
      if (step.op == StepOp::kRemoveXattr && which > 2) step.target = "user.a";
      if (which == 2) step.data = std::string("\x01\0\0\x02\0\x04\0\0", 8) + std::string(12, '\0');
      if (which > 2) step.data = Acl(Bits(), Below(2) == 0 ? Bits() : char{-1}, Bits(), Bits(), Bits());
      if (which < 2) step.data.resize(step.data.size() % 50);
    }
    return step;
  }

 private:
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  char Bits() { return static_cast<char>(Below(8)); }
  std::string Path() {
    const char* names[] = {"a", "b", "c"};
    std::string path = names[Below(3)];
    while (Below(3) == 0) path += std::string("/") + names[Below(3)];
    return path;
  }
  std::mt19937 random_;
};

TEST_F(ModelTest, AgreesWithLinuxOnRandomSteps) {
  int done = 0;
  int failed = 0;
  for (uint32_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    Restart();
    RandomSteps steps(seed);
    std::string history;
    for (int i = 0; i < 60 && !HasFailure(); ++i) {
      const Step step = steps.Next();
      history += ToString(step) + "\n";
      (Both(Layer().Add(step)) == 0 ? done : failed) += 1;
    }
    if (HasFailure()) ADD_FAILURE() << "seed " << seed << "\n" << history;
  }
  EXPECT_GT(done, 900) << "the steps must do something";
  EXPECT_GT(failed, 1000) << "and fail often enough";
}

}  // namespace
}  // namespace layermark
