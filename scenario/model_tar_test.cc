#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/compare.h"
#include "scenario/model.h"

namespace layermark {
namespace {

TarEntry Tar(const std::string& path, char type = '0', const std::string& content = "") {
  TarEntry entry;
  entry.path = path;
  entry.typeflag = type;
  (type == '1' || type == '2' ? entry.link_target : entry.data) = content;
  entry.mode = type == '5' ? 0750 : 0640;
  entry.mtime_ns = 1'500'000'000'000'000'000;
  return entry;
}

// The same lower tree and the same archive for the model and for a real directory.
class ModelTarTest : public testing::Test {
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
    Lower(Layer().Chmod("", 0755).Times("", 0, 0));
  }
  void Lower(const Layer& layer) {
    ASSERT_TRUE(ApplyLayer(layer, root_.get()).ok());
    ASSERT_TRUE(model_.Apply(layer).ok());
  }
  // The code, the same on both sides. Trees are compared after success only: a failed application is thrown
  // away.
  Code Archive(const std::vector<TarEntry>& entries) {
    Fd tar(memfd_create("tar", MFD_CLOEXEC));
    EXPECT_TRUE(WriteAll(tar.get(), BuildTar(entries)).ok());
    lseek(tar.get(), 0, SEEK_SET);
    auto real = ApplyLayerTar(tar.get(), root_.get());
    lseek(tar.get(), 0, SEEK_SET);
    auto list = ListTar(tar.get(), true);
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    if (!list.ok()) return list.status().code();
    const Status model = model_.ApplyTar(*list);
    EXPECT_EQ(real.status().code(), model.code()) << real.status().ToString() << "\n" << model.ToString();
    if (real.ok() && model.ok()) {
      auto manifest = ReadManifest(root_.get());
      EXPECT_TRUE(manifest.ok());
      EXPECT_EQ(Describe(Compare(model_.ToManifestFor(*manifest), *manifest)), "");
    }
    return model.code();
  }
  bool Has(const std::string& path) { return model_.ToManifest().entries.contains(path); }

  TempTree temp_;
  Fd root_;
  ModelTree model_;
};

TEST_F(ModelTarTest, MakesWhatTheArchiveHolds) {
  TarEntry device = Tar("d/c", '3');
  device.dev_major = 1;
  device.dev_minor = 3;
  TarEntry rich = Tar("./d//f", '0', "content");
  rich.mode = 06755;
  rich.uid = 1000;
  rich.gid = 100;
  rich.xattrs = {{"security.capability", std::string("\x01\0\0\x02\0\x04\0\0", 8) + std::string(12, '\0')},
                 {"user.x", "v"}};
  EXPECT_EQ(Archive({Tar("d/", '5'), rich, Tar("/d/s", '2', "f"), Tar("d/l", '1', "./d/f"), Tar("d/p", '6'),
                     device}),
            Code::kOk);
  EXPECT_EQ(model_.ToManifest().entries.size(), 7u);
  EXPECT_TRUE(model_.unspecified_mtimes().empty());
}

TEST_F(ModelTarTest, ImpliedParentsHaveNoTimeOfTheirOwn) {
  EXPECT_EQ(Archive({Tar("a/b/c", '0', "x")}), Code::kOk);
  EXPECT_EQ(model_.unspecified_mtimes(), (std::vector<std::string>{"a", "a/b"}));
  EXPECT_EQ(Archive({Tar("a", '5')}), Code::kOk);
  EXPECT_EQ(model_.unspecified_mtimes(), (std::vector<std::string>{"a/b"}));
}

TEST_F(ModelTarTest, MarkersHideLowerContentInAnyOrder) {
  const std::vector<TarEntry> entries = {Tar("d", '5'),  Tar("d/.wh.x"),        Tar("d/x/new", '0', "n"),
                                         Tar(".wh.top"), Tar("e/.wh..wh..opq"), Tar("e/kept", '0', "k")};
  std::vector<size_t> order = {0, 1, 2, 3, 4, 5};
  int count = 0;
  do {
    if (count++ % 13 != 0) continue;  // 56 of the 720 orders
    Restart();
    Lower(Layer()
              .Dir("d")
              .Dir("d/x", 0700)
              .File("d/x/old", "")
              .File("top", "")
              .Dir("e")
              .File("e/a", "")
              .Dir("e/b"));
    std::vector<TarEntry> archive;
    for (size_t i : order) archive.push_back(entries[i]);
    ASSERT_EQ(Archive(archive), Code::kOk);
    EXPECT_TRUE(Has("d/x/new") && Has("e/kept"));
    EXPECT_FALSE(Has("d/x/old") || Has("top") || Has("e/a") || Has("e/b"));
  } while (std::next_permutation(order.begin(), order.end()) && !HasFailure());
}

TEST_F(ModelTarTest, AMarkerOfNothingDoesNothing) {
  Lower(Layer().File("f", "").Symlink("dead", "nowhere").Symlink("d", "real").Dir("real").File("real/x", ""));
  EXPECT_EQ(Archive({Tar(".wh.none"), Tar("no/.wh.x"), Tar("f/.wh.x"), Tar("dead/.wh.x"), Tar("d/.wh.x")}),
            Code::kOk);
  EXPECT_FALSE(Has("real/x")) << "a symlink on the way is resolved inside the root";
  EXPECT_EQ(Archive({Tar(".wh.d")}), Code::kOk);
  EXPECT_TRUE(Has("real") && !Has("d"));
}

TEST_F(ModelTarTest, ReplacesWhatIsThere) {
  Lower(Layer().Dir("d").File("d/x", "").File("f", "old").Link("g", "f").Symlink("s", "d").Dir("m", 0700));
  Lower(Layer().SetXattr("m", "user.old", "1").File("m/kept", ""));
  EXPECT_EQ(Archive({Tar("d", '0', "file now"), Tar("f", '0', "new"), Tar("s", '5'), Tar("s/in", '0'),
                     Tar("m", '5')}),
            Code::kOk);
  const Manifest m = model_.ToManifest();
  EXPECT_EQ(m.entries.at("g").digest, Sha256("old"));
  EXPECT_TRUE(m.entries.at("m").xattrs.empty());
  EXPECT_TRUE(m.entries.contains("m/kept") && m.entries.contains("s/in"));
}

TEST_F(ModelTarTest, TheRootEntryCounts) {
  TarEntry root = Tar("./", '5');
  root.mode = 0711;
  root.uid = 5;
  EXPECT_EQ(Archive({root}), Code::kOk);
  EXPECT_EQ(model_.ToManifest().entries.at("").permissions, 0711u);
  EXPECT_EQ(Archive({Tar(".", '0')}), Code::kInvalidArgument);
}

TEST_F(ModelTarTest, HardLinks) {
  Lower(Layer().File("lower", "x").Dir("dir").Symlink("via", "dir").File("dir/t", "t"));
  EXPECT_EQ(Archive({Tar("l", '1', "lower"), Tar("m", '1', "via/t"), Tar("dir/lower", '1', "/l")}),
            Code::kOk);
  EXPECT_EQ(Archive({Tar("n", '1', "none")}), Code::kNotFound);
  EXPECT_EQ(Archive({Tar("n", '1', "dir")}), Code::kInvalidArgument);
  EXPECT_EQ(Archive({Tar("n", '1', "./")}), Code::kInvalidArgument);
  EXPECT_EQ(Archive({Tar("l", '1', "l")}), Code::kInvalidArgument);
}

TEST_F(ModelTarTest, RefusesWhatTheRulesForbid) {
  Lower(Layer().File("f", "").Symlink("loop", "loop"));
  for (const char* path : {".wh.", ".wh..", ".wh...", "a/.wh.", "../x", "a/../../x", ".wh.d/x", "f/x"}) {
    EXPECT_EQ(Archive({Tar(path)}), Code::kInvalidArgument) << path;
  }
  EXPECT_EQ(Archive({Tar("loop/x")}), Code::kInvalidArgument);
  EXPECT_EQ(Archive({Tar(".wh..wh.plnk/x"), Tar(".wh..wh.aufs")}), Code::kOk);
}

// Random archives over random lower trees, on few names, so that everything meets everything.
TEST_F(ModelTarTest, AgreesWithTheRealApplicationOnRandomArchives) {
  int applied = 0;
  for (uint32_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    Restart();
    std::mt19937 random(seed);
    auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    auto path = [&] {
      const char* names[] = {"a", "b", "c"};
      std::string text = names[below(3)];
      while (below(2) == 0) text += std::string("/") + names[below(3)];
      return text;
    };
    for (int i = 0; i < 12; ++i) {  // steps that do not fit are passed over on both sides
      Layer layer;
      const std::string where = path();
      const int what = below(4);
      if (what < 2) layer.Dir(where, below(2) == 0 ? 0700 : 02755);
      if (what == 2) layer.File(where, "lower");
      if (what == 3) layer.Symlink(where, below(2) == 0 ? "/" + path() : path());
      EXPECT_EQ(ApplyLayer(layer, root_.get()).ok(), model_.Apply(layer).ok());
    }
    std::vector<TarEntry> entries;
    std::string text;
    for (int i = below(10); i >= 0; --i) {
      const std::string types = "005552166";
      const char type = types[static_cast<size_t>(below(static_cast<int>(types.size())))];
      TarEntry entry = Tar(path(), type, type == '0' ? "content" : "");
      if (type == '1' || type == '2') entry.link_target = path();
      entry.mtime_ns += below(1'000'000'000);
      if (below(4) == 0) {
        const size_t slash = entry.path.rfind('/') + 1;
        entry = Tar(entry.path.substr(0, slash) +
                    (below(3) == 0 ? ".wh..wh..opq" : ".wh." + entry.path.substr(slash)));
      }
      text += fmt::format("{} {} {}\n", entry.typeflag, entry.path, entry.link_target);
      entries.push_back(entry);
    }
    applied += Archive(entries) == Code::kOk ? 1 : 0;
    if (HasFailure()) ADD_FAILURE() << "seed " << seed << "\n" << text;
  }
  EXPECT_GT(applied, 50);
}

}  // namespace
}  // namespace layermark
