// For tests of layer tars: entries in a few words, and a directory to apply them to.
#ifndef LAYERMARK_TESTING_TAR_TEST_UTIL_H_
#define LAYERMARK_TESTING_TAR_TEST_UTIL_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "core/oci/layer_tar.h"
#include "core/sys/fd.h"
#include "core/sys/temp_tree.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"

#define ASSERT_OK(expr)                                           \
  do {                                                            \
    const auto status_ = ::layermark::internal::ToStatus((expr)); \
    ASSERT_TRUE(status_.ok()) << status_.ToString();              \
  } while (false)

namespace layermark {

inline Fd TarFd(const std::string& bytes) {
  Fd fd(memfd_create("tar", MFD_CLOEXEC));
  EXPECT_TRUE(PWriteAll(fd.get(), bytes, 0).ok());
  return fd;
}

inline TarEntry TarFile(std::string path, std::string data = "x", mode_t mode = 0644) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.data = std::move(data);
  entry.mode = mode;
  return entry;
}
inline TarEntry TarTyped(char type, std::string path, mode_t mode = 0755) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = type;
  entry.mode = mode;
  return entry;
}
inline TarEntry TarDir(std::string path, mode_t mode = 0755) {
  return TarTyped('5', std::move(path), mode);
}
inline TarEntry TarPointing(char type, std::string path, std::string target) {
  TarEntry entry = TarTyped(type, std::move(path), 0777);
  entry.link_target = std::move(target);
  return entry;
}
inline TarEntry TarMarker(std::string path) {
  TarEntry entry = TarFile(std::move(path), "", 0);
  entry.mtime_ns = 0;
  return entry;
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

}  // namespace layermark

#endif  // LAYERMARK_TESTING_TAR_TEST_UTIL_H_
