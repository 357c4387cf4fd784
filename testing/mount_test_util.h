// What the tests of mounting share: a private mount namespace and a directory with a mount point in it.
#ifndef LAYERMARK_TESTING_MOUNT_TEST_UTIL_H_
#define LAYERMARK_TESTING_MOUNT_TEST_UTIL_H_

#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"

namespace layermark {

// Moves the test process into a mount namespace of its own, once. Tests run as root; where they do not, this
// fails and says so.
class PrivateMountsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const bool once = [] {
      EXPECT_EQ(unshare(CLONE_NEWNS), 0) << "needs CAP_SYS_ADMIN";
      const Status s = MakeMountsPrivate("/");
      EXPECT_TRUE(s.ok()) << s.ToString();
      return true;
    }();
    ASSERT_TRUE(once);
  }
  void SetUp() override {
    Result<TempTree> tree = TempTree::Create(testing::TempDir(), "mount_test");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    MakeDir("m");
  }
  void TearDown() override {
    const Status s = tree_.Remove();  // fails where a mount was left behind
    EXPECT_TRUE(s.ok()) << s.ToString();
  }

  std::string Path(const std::string& name) const { return tree_.path() + "/" + name; }
  void MakeDir(const std::string& name) const {
    const Status s = MakeDirs(Path(name));
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  static MountInfo InfoOf(const std::string& path) {
    Result<std::vector<MountInfo>> all = ReadMountInfo();
    EXPECT_TRUE(all.ok());
    MountInfo out;
    for (const MountInfo& info : *all) {
      if (info.mount_point == path) out = info;
    }
    EXPECT_EQ(out.mount_point, path) << "no mount there";
    return out;
  }
  static Mount Overlay(const std::vector<std::string>& lowers, const std::string& upper = "",
                       const std::string& work = "") {
    Mount m{"overlay", "overlay", "", {}};
    for (const std::string& lower : lowers) m.options.push_back("lowerdir=" + lower);
    if (!upper.empty()) m.options.push_back("upperdir=" + upper);
    if (!work.empty()) m.options.push_back("workdir=" + work);
    return m;
  }
  static std::vector<std::string> OddNames() {
    return {"plain", "a:b", ":",    "a,b", ",",    "a\\b", "\\",   "ab\\", "a\\:b", "a\\,b", "sp ace",
            " lead", "t ",  "a\nb", "a=b", "a\"b", "a'b",  "\xff", "-o",   "#",     "a#b",   "a\tb"};
  }

 private:
  TempTree tree_;
};

}  // namespace layermark

#endif  // LAYERMARK_TESTING_MOUNT_TEST_UTIL_H_
