// The root of containers/storage (podman, CRI-O, buildah): DRIVER-layers, DRIVER-images and DRIVER-containers
// hold JSON, DRIVER the layers.
#include <fcntl.h>
#include <fmt/core.h>

#include <utility>

#include "core/oci/image_json.h"
#include "core/sys/fd.h"
#include "inspect/books.h"

namespace layermark::inspect {
namespace {

struct Place {
  std::string_view driver, before, after;
  LayerForm form;
};
constexpr Place kPlaces[] = {{"overlay", "overlay/", "/diff", LayerForm::kDelta},
                             {"vfs", "vfs/dir/", "", LayerForm::kWhole},
                             {"btrfs", "btrfs/subvolumes/", "", LayerForm::kWhole}};

// The entries of a list and of its volatile twin (what a restart may forget); each may be absent.
Result<std::vector<nlohmann::json>> Entries(const std::string& root, const std::string& driver,
                                            const std::string& word) {
  std::vector<nlohmann::json> entries;
  for (const char* prefix : {"", "volatile-"}) {
    const std::string relative = fmt::format("{}-{}/{}{}.json", driver, word, prefix, word);
    if (!Exists(root + "/" + relative)) continue;
    LM_ASSIGN(const nlohmann::json list, ReadJsonFile(root, relative));
    if (!list.is_array()) return DataLoss(root + "/" + relative + ": not a list");
    for (const nlohmann::json& entry : list) entries.push_back(entry);
  }
  return entries;
}

// The first of its names, or "".
std::string FirstName(const nlohmann::json& entry) {
  const Result<std::vector<std::string>> names = JsonStrings(entry, "names", "");
  return names.ok() && !names->empty() ? names->front() : "";
}

Status ReadDriver(const Place& place, Root* root) {
  const std::string driver(place.driver);
  LM_ASSIGN(const std::vector<nlohmann::json> containers, Entries(root->path, driver, "containers"));
  std::map<std::string, std::string> container_of;  // by layer
  for (const nlohmann::json& container : containers) {
    const std::string name = FirstName(container);
    container_of[JsonStringOr(container, "layer", "")] =
        "container " + (name.empty() ? JsonStringOr(container, "id", "") : name);
  }
  LM_ASSIGN(const std::vector<nlohmann::json> entries, Entries(root->path, driver, "layers"));
  std::vector<NamedLayer> layers;
  for (const nlohmann::json& entry : entries) {
    LM_ASSIGN(const std::string id, JsonString(entry, "id", root->path + "/" + driver + "-layers"));
    if (!IsPlainName(id))
      return DataLoss(fmt::format("{}/{}-layers: no layer id: '{}'", root->path, driver, id));
    NamedLayer layer;
    layer.key = id;
    layer.parent = JsonStringOr(entry, "parent", "");
    layer.record.id = id;
    const auto container = container_of.find(id);
    layer.record.name = container == container_of.end() ? id : container->second;
    layer.record.state = container == container_of.end() ? "committed" : "active";
    layer.record.driver = driver;
    layer.record.directory = fmt::format("{}{}{}", place.before, id, place.after);
    layer.record.form = place.form;
    layers.push_back(std::move(layer));
  }
  const std::map<std::string, int> index = AddLayers(std::move(layers), root);
  LM_ASSIGN(const std::vector<nlohmann::json> images, Entries(root->path, driver, "images"));
  for (const nlohmann::json& image : images) {
    const auto top = index.find(JsonStringOr(image, "layer", ""));
    const std::string name = FirstName(image);
    root->images.push_back({name.empty() ? JsonStringOr(image, "id", "?") : name,
                            top == index.end() ? "" : driver, top == index.end() ? -1 : top->second});
  }
  return Status::Ok();
}

}  // namespace

Result<Root> ReadContainersStorageRoot(const std::string& path) {
  Root root;
  root.kind = "containers/storage";
  root.path = path;
  LM_ASSIGN(const Fd fd, Open(path, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(const std::vector<std::string> names, ListDir(fd.get()));
  for (const std::string& name : names) {
    if (!name.ends_with("-layers") || !ExistsAt(fd.get(), name + "/layers.json")) continue;
    const std::string driver = name.substr(0, name.size() - std::string_view("-layers").size());
    for (const char* suffix : {"", "-layers", "-images", "-containers"}) {
      root.parts.push_back({driver + suffix, "bookkeeping"});
    }
    bool known = false;
    for (const Place& place : kPlaces) {
      if (place.driver != driver) continue;
      known = true;
      LM_TRY(ReadDriver(place, &root));
    }
    if (!known) {
      root.notes.push_back("driver " + driver + ": its layers are not read; counted as bookkeeping");
    }
  }
  root.parts.push_back({"", "other"});
  return root;
}

}  // namespace layermark::inspect
