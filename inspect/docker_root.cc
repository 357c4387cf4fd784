// Docker's root: image/DRIVER/{repositories.json,imagedb,layerdb} and the driver's own directory.
#include <fcntl.h>
#include <fmt/core.h>

#include <optional>
#include <utility>

#include "core/oci/digest.h"
#include "core/oci/image_json.h"
#include "core/sys/fd.h"
#include "inspect/books.h"

namespace layermark::inspect {
namespace {

constexpr size_t kMaxWordBytes = 4096;

// Where each driver keeps a layer, as "before ID after".
struct Place {
  std::string_view driver, before, after;
  LayerForm form;
};
constexpr Place kPlaces[] = {{"overlay2", "overlay2/", "/diff", LayerForm::kDelta},
                             {"fuse-overlayfs", "fuse-overlayfs/", "/diff", LayerForm::kDelta},
                             {"vfs", "vfs/dir/", "", LayerForm::kWhole},
                             {"btrfs", "btrfs/subvolumes/", "", LayerForm::kWhole}};

class Reader {
 public:
  Reader(int root_fd, const Place& place, Root* root)
      : fd_(root_fd), place_(place), books_("image/" + std::string(place.driver)), root_(*root) {}
  Status Read() {
    LM_TRY(ReadLayers());
    LM_TRY(ReadContainers());
    index_ = AddLayers(std::move(layers_), &root_);
    return ReadImages();
  }

 private:
  // The text of a small file; "" where there is none.
  Result<std::string> Word(const std::string& path) const {
    if (!ExistsAt(fd_, path)) return std::string();
    LM_ASSIGN(std::string text, ReadFileAt(fd_, path, kMaxWordBytes));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  Status Add(const std::string& key, const std::string& parent, const std::string& id,
             const std::string& name, const char* state);
  Result<std::vector<std::string>> List(const std::string& path) const {
    if (!ExistsAt(fd_, path)) return std::vector<std::string>();
    return ListDir(fd_, path);
  }
  Status ReadLayers();
  Status ReadContainers();
  Status ReadImages();

  const int fd_;
  const Place& place_;
  const std::string books_;
  Root& root_;
  std::vector<NamedLayer> layers_;
  std::map<std::string, int> index_;
};

Status Reader::Add(const std::string& key, const std::string& parent, const std::string& id,
                   const std::string& name, const char* state) {
  if (!IsPlainName(id)) {
    return DataLoss(
        fmt::format("{}/{}/layerdb: {} has no directory name: '{}'", root_.path, books_, key, id));
  }
  NamedLayer layer;
  layer.key = key;
  layer.parent = parent;
  layer.record.id = id;
  layer.record.name = name;
  layer.record.state = state;
  layer.record.driver = place_.driver;
  layer.record.directory = fmt::format("{}{}{}", place_.before, id, place_.after);
  layer.record.form = place_.form;
  layers_.push_back(std::move(layer));
  return Status::Ok();
}

Status Reader::ReadLayers() {
  const std::string base = books_ + "/layerdb/sha256";
  LM_ASSIGN(const std::vector<std::string> chains, List(base));
  for (const std::string& chain : chains) {
    LM_ASSIGN(const std::string id, Word(base + "/" + chain + "/cache-id"));
    LM_ASSIGN(const std::string parent, Word(base + "/" + chain + "/parent"));
    LM_TRY(Add("sha256:" + chain, parent, id, "sha256:" + chain, "committed"));
  }
  return Status::Ok();
}

// A container has two: "ID-init" with what Docker mounts over, and its own on top.
Status Reader::ReadContainers() {
  const std::string base = books_ + "/layerdb/mounts";
  LM_ASSIGN(const std::vector<std::string> containers, List(base));
  for (const std::string& container : containers) {
    LM_ASSIGN(const std::string own, Word(base + "/" + container + "/mount-id"));
    LM_ASSIGN(const std::string init, Word(base + "/" + container + "/init-id"));
    LM_ASSIGN(std::string parent, Word(base + "/" + container + "/parent"));
    if (!init.empty()) {
      LM_TRY(Add("init " + container, parent, init, "container " + container + " (init)", "active"));
      parent = "init " + container;
    }
    LM_TRY(Add("container " + container, parent, own, "container " + container, "active"));
  }
  return Status::Ok();
}

Status Reader::ReadImages() {
  std::map<std::string, std::string> names;  // by image ID; a tag rather than a digest
  if (ExistsAt(fd_, books_ + "/repositories.json")) {
    LM_ASSIGN(const nlohmann::json file, ReadJsonFile(root_.path, books_ + "/repositories.json"));
    const nlohmann::json none = nlohmann::json::object();
    const nlohmann::json* repositories = JsonMember(file, "Repositories");
    if (repositories == nullptr || !repositories->is_object()) repositories = &none;
    for (const auto& [repository, tags] : repositories->items()) {
      if (repository.empty() || !tags.is_object()) continue;
      for (const auto& [name, id] : tags.items()) {
        if (!id.is_string()) continue;
        std::string& chosen = names[id.get<std::string>()];
        if (chosen.empty() || chosen.find('@') != std::string::npos) chosen = name;
      }
    }
  }
  const std::string base = books_ + "/imagedb/content/sha256";
  LM_ASSIGN(const std::vector<std::string> images, List(base));
  for (const std::string& image : images) {
    LM_ASSIGN(const nlohmann::json config, ReadJsonFile(root_.path, base + "/" + image));
    const nlohmann::json* rootfs = JsonMember(config, "rootfs");
    std::vector<std::string> diff_ids;
    if (rootfs != nullptr) {
      LM_ASSIGN(diff_ids, JsonStrings(*rootfs, "diff_ids", image));
    }
    const auto name = names.find("sha256:" + image);
    const auto top = diff_ids.empty() ? index_.end() : index_.find(ChainIds(diff_ids).back());
    root_.images.push_back({name == names.end() ? "sha256:" + image : name->second,
                            top == index_.end() ? "" : std::string(place_.driver),
                            top == index_.end() ? -1 : top->second});
  }
  return Status::Ok();
}

}  // namespace

Result<Root> ReadDockerRoot(const std::string& path) {
  Root root;
  root.kind = "Docker";
  root.path = path;
  LM_ASSIGN(const Fd fd, Open(path, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(const std::vector<std::string> drivers, ListDir(fd.get(), "image"));
  root.parts.push_back({"image", "bookkeeping"});
  for (const std::string& driver : drivers) {
    if (!ExistsAt(fd.get(), "image/" + driver + "/layerdb")) continue;
    root.parts.push_back({driver, "bookkeeping"});
    bool known = false;
    for (const Place& place : kPlaces) {
      if (place.driver != driver) continue;
      known = true;
      LM_TRY(Reader(fd.get(), place, &root).Read());
    }
    if (!known) {
      root.notes.push_back("driver " + driver + ": its layers are not read; counted as bookkeeping");
    }
  }
  root.parts.push_back({"", "other"});
  return root;
}

}  // namespace layermark::inspect
