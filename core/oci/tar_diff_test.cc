#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <set>
#include <string>

#include "core/oci/layer_tar.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "testing/tar_test_util.h"

namespace layermark {
namespace {

using ::testing::HasSubstr;

class DiffTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = TempTree::Create("/tmp", "diff");
    ASSERT_TRUE(tree.ok()) << tree.status().ToString();
    tree_ = std::move(*tree);
    Start();
  }
  // Fresh directories: lower and copy get `base`, upper gets `base` and the change.
  void Start() {
    for (const char* name : {"lower", "upper", "copy"}) {
      ASSERT_TRUE(RemoveTree(Path(name)).ok());
      ASSERT_TRUE(MakeDirs(Path(name)).ok());
      const timespec times[2] = {{1, 5}, {1, 5}};
      ASSERT_EQ(utimensat(AT_FDCWD, Path(name).c_str(), times, 0), 0);
    }
    lower_ = OpenDir("lower");
    upper_ = OpenDir("upper");
    copy_ = OpenDir("copy");
    tar_ = Fd(memfd_create("tar", MFD_CLOEXEC));
  }
  std::string Path(const std::string& name) { return tree_.path() + "/" + name; }
  Fd OpenDir(const std::string& name) {
    auto fd = Open(Path(name), O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(fd.ok());
    return fd.ok() ? std::move(*fd) : Fd();
  }
  void Base(const Layer& base) {
    for (const Fd* fd : {&lower_, &upper_, &copy_}) ASSERT_OK(ApplyLayer(base, fd->get()));
  }
  // "path" for entries, in their order.
  std::string Entries() {
    lseek(tar_.get(), 0, SEEK_SET);
    auto list = ListTar(tar_.get());
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    std::string all;
    for (const TarListEntry& item : *list) {
      all += item.entry.path;
      if (item.entry.typeflag == '1') all += "=" + item.entry.link_target;
      all += " ";
    }
    return all;
  }
  // The lower tree with the difference applied is the upper tree.
  void ExpectRoundTrip() {
    auto diff = DiffToTar(lower_.get(), upper_.get(), tar_.get());
    ASSERT_OK(diff);
    result_ = *diff;
    EXPECT_EQ(diff->digest, *Sha256File(tar_.get()));
    lseek(tar_.get(), 0, SEEK_SET);
    auto applied = ApplyLayerTar(tar_.get(), copy_.get());
    ASSERT_OK(applied);
    EXPECT_EQ(applied->entries, diff->entries);
    EXPECT_EQ(applied->whiteouts, diff->whiteouts);
    const auto want = ReadManifest(upper_.get());
    const auto have = ReadManifest(copy_.get());
    ASSERT_OK(want);
    ASSERT_OK(have);
    CompareOptions options;
    options.hole_tolerance_bytes = -1;
    const auto differences = Compare(*want, *have, options);
    EXPECT_TRUE(differences.empty()) << Describe(differences) << "\nentries: " << Entries();
  }

  TempTree tree_;
  Fd lower_, upper_, copy_, tar_;
  DiffResult result_;
};

TEST_F(DiffTest, ListsParentsWhiteoutsAndChangesInOrder) {
  Base(Layer().Dir("a").File("a/gone", "1").File("a/kept", "2").Dir("a-b").File("a-b/x", "3").Dir("z"));
  ASSERT_OK(ApplyLayer(Layer().Remove("a/gone").File("a/new", "4").Write("a-b/x", 0, "5"), upper_.get()));
  ExpectRoundTrip();
  EXPECT_EQ(Entries(), "./ a/ a/.wh.gone a/new a-b/ a-b/x ");
}

TEST_F(DiffTest, EqualTreesGiveAnEmptyLayer) {
  Base(Layer().Dir("a").File("a/f", "1"));
  ExpectRoundTrip();
  EXPECT_EQ(result_.entries, 0);
}

TEST_F(DiffTest, NewLinkToALowerFileRepeatsTheFile) {
  Base(Layer().File("m", "data").File("other", "o"));
  ASSERT_OK(ApplyLayer(Layer().Link("a", "m").Link("z", "m"), upper_.get()));
  ExpectRoundTrip();
  EXPECT_EQ(Entries(), "./ a m=a z=a ");
}

// A random step on few names, so that steps meet; many fail, and then do so on every tree alike.
Step RandomStep(std::mt19937_64* random, std::vector<std::string>* used) {
  const auto pick = [&](uint64_t n) { return (*random)() % n; };
  static const char* const kNames[] = {"a", "a-b", "b", "c\xff", "d"};
  const auto path = [&] {
    if (!used->empty() && pick(3) != 0) {
      const std::string& known = (*used)[pick(used->size())];
      return pick(2) == 0 ? known : known + "/" + kNames[pick(5)];
    }
    std::string p = kNames[pick(5)];
    for (uint64_t depth = pick(3); depth > 0; --depth) p += std::string("/") + kNames[pick(5)];
    return p;
  };
  const auto data = [&] {
    return std::string(pick(3) == 0 ? 0 : pick(9000), static_cast<char>('a' + pick(26)));
  };
  const auto time = [&] {
    return static_cast<int64_t>(pick(4) * 1'000'000'000 + (pick(2) == 0 ? 0 : pick(1000)));
  };
  Step step;
  step.path = path();
  switch (pick(16)) {
    case 0:
    case 1:
    case 2:
      step.op = StepOp::kDir, step.mode = pick(2) == 0 ? 0755 : 02750;
      break;
    case 3:
    case 4:
    case 5:
      step.op = StepOp::kFile, step.data = data(), step.mode = pick(2) == 0 ? 0644 : 04711;
      break;
    case 6:
      step.op = StepOp::kSymlink, step.target = path();
      break;
    case 7:
    case 8:
      step.op = StepOp::kLink, step.target = path();
      break;
    case 9:
      step.op = StepOp::kMknod, step.mode = pick(2) == 0 ? S_IFIFO | 0600 : S_IFCHR | 0660, step.rdev = 0x105;
      break;
    case 10:
      step.op = StepOp::kRemoveAll;
      break;
    case 11:
      step.op = StepOp::kRename, step.target = path();
      break;
    case 12:
      step.op = StepOp::kChown, step.uid = static_cast<uid_t>(pick(3)), step.gid = 5;
      break;
    case 13:
      step.op = StepOp::kSetXattr, step.target = pick(2) == 0 ? "user.k" : "trusted.a=b",
      step.data = data().substr(0, 9);
      break;
    case 14:
      step.op = StepOp::kTimes, step.mtime_ns = time();
      break;
    default:
      step.op = StepOp::kChmod, step.mode = 0700 | static_cast<mode_t>(pick(64));
  }
  return step;
}

TEST_F(DiffTest, RandomTreesComeBackExactly) {
  int64_t whiteouts = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<std::string> used;
    Start();
    for (int i = 0; i < 150; ++i) {
      const Layer layer = Layer().Add(RandomStep(&random, &used));
      std::set<bool> outcomes;
      for (const Fd* fd : {&lower_, &upper_, &copy_}) outcomes.insert(ApplyLayer(layer, fd->get()).ok());
      ASSERT_EQ(outcomes.size(), 1u) << ToString(layer.steps()[0]);
      if (outcomes.contains(true)) used.push_back(layer.steps()[0].path);
    }
    // A step that writes leaves the time of day: the copy must start as the lower tree did.
    const auto base = ReadManifest(lower_.get());
    ASSERT_OK(base);
    for (const auto& [path, entry] : base->entries) {
      for (const char* tree : {"upper", "copy"}) {
        const timespec time = {entry.mtime_ns / 1'000'000'000, entry.mtime_ns % 1'000'000'000};
        const timespec times[2] = {time, time};
        ASSERT_EQ(utimensat(AT_FDCWD, (Path(tree) + "/" + path).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
      }
    }
    for (uint64_t i = random() % 60; i > 0; --i) {
      Step step = RandomStep(&random, &used);
      if (i % 4 == 0) step.op = StepOp::kRemoveAll;
      const Status status = ApplyLayer(Layer().Add(step), upper_.get());
      if (!status.ok()) continue;
    }
    ExpectRoundTrip();
    whiteouts += result_.whiteouts;
    if (HasFailure()) return;
  }
  EXPECT_GT(whiteouts, 20);  // the trees do differ
}

}  // namespace
}  // namespace layermark
