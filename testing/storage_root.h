// For tests: storage roots as Docker, containers/storage and containerd leave them, made by hand.
#ifndef LAYERMARK_TESTING_STORAGE_ROOT_H_
#define LAYERMARK_TESTING_STORAGE_ROOT_H_

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"
#include "core/tree/layer.h"
#include "core/tree/manifest.h"
#include "testing/bolt_file.h"

namespace layermark::testing {

// Writes into one directory; the first failure is kept, and what follows it does nothing.
class StorageRoot {
 public:
  explicit StorageRoot(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  const Status& status() const { return status_; }

  void File(const std::string& relative, std::string_view text) {
    const size_t slash = relative.rfind('/');
    if (slash != std::string::npos) Do(MakeDirs(path_ + "/" + relative.substr(0, slash)));
    Do(WriteFile(path_ + "/" + relative, text));
  }

  // A directory, and in it what the layer says.
  void Tree(const std::string& relative, const Layer& layer) {
    Do(MakeDirs(path_ + "/" + relative));
    if (!status_.ok()) return;
    Result<Fd> fd = Open(path_ + "/" + relative, O_RDONLY | O_DIRECTORY);
    Do(fd.status());
    if (status_.ok()) Do(ApplyLayer(layer, fd->get()));
  }

  // A layer of Docker's, on top of `parent` ("" or what an earlier call returned). Returns its chain ID.
  std::string DockerLayer(const std::string& driver, const std::string& id, const std::string& parent,
                          const Layer& layer) {
    const std::string diff_id = Sha256("diff of " + id);
    const std::string chain = parent.empty() ? diff_id : Sha256(parent + " " + diff_id);
    const std::string base = "image/" + driver + "/layerdb/sha256/" + chain.substr(7) + "/";
    File(base + "cache-id", id);
    File(base + "diff", diff_id);
    if (!parent.empty()) File(base + "parent", parent);
    Tree(DockerDirectory(driver, id), layer);
    diff_ids_[chain] = parent.empty() ? std::vector<std::string>() : diff_ids_[parent];
    diff_ids_[chain].push_back(diff_id);
    return chain;
  }

  static std::string DockerDirectory(const std::string& driver, const std::string& id) {
    if (driver == "vfs") return "vfs/dir/" + id;
    if (driver == "btrfs") return "btrfs/subvolumes/" + id;
    return driver + "/" + id + "/diff";
  }

  void DockerImage(const std::string& driver, const std::string& name, const std::string& top) {
    const nlohmann::json config = {{"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids_[top]}}},
                                   {"comment", name}};
    const std::string id = Sha256(config.dump());
    File("image/" + driver + "/imagedb/content/sha256/" + id.substr(7), config.dump());
    repositories_["Repositories"][name][name + ":latest"] = id;
    repositories_["Repositories"][name][name + "@" + id] = id;
    File("image/" + driver + "/repositories.json", repositories_.dump());
  }

  void DockerContainer(const std::string& driver, const std::string& name, const std::string& parent,
                       const Layer& layer) {
    const std::string base = "image/" + driver + "/layerdb/mounts/" + name + "/";
    File(base + "init-id", name + "-init");
    File(base + "mount-id", name);
    File(base + "parent", parent);
    Tree(DockerDirectory(driver, name + "-init"), Layer().Dir("dev"));
    Tree(DockerDirectory(driver, name), layer);
  }

  // An image of containerd's content store: its manifest's digest.
  std::string ContainerdManifest(const std::vector<std::string>& diff_ids) {
    const std::string config = nlohmann::json({{"rootfs", {{"diff_ids", diff_ids}}}}).dump();
    Blob(config);
    const std::string manifest = nlohmann::json({{"config", {{"digest", Sha256(config)}}}}).dump();
    Blob(manifest);
    return Sha256(manifest);
  }
  void Blob(const std::string& text) {
    File("io.containerd.content.v1.content/blobs/sha256/" + Sha256(text).substr(7), text);
  }

 private:
  void Do(const Status& status) {
    if (status_.ok()) status_ = status;
  }

  std::string path_;
  Status status_;
  std::map<std::string, std::vector<std::string>> diff_ids_;
  nlohmann::json repositories_;
};

}  // namespace layermark::testing

#endif  // LAYERMARK_TESTING_STORAGE_ROOT_H_
