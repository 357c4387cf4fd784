// containerd's root: io.containerd.metadata.v1.bolt/meta.db (images and keys of each namespace), the content
// store (manifests and configurations), and each snapshotter's own metadata.db.
#include <fmt/core.h>

#include <cstdint>
#include <set>
#include <utility>

#include "core/oci/digest.h"
#include "core/oci/image_json.h"
#include "core/sys/fd.h"
#include "inspect/bolt.h"
#include "inspect/books.h"

namespace layermark::inspect {
namespace {

constexpr std::string_view kSnapshotterPrefix = "io.containerd.snapshotter.v1.";
constexpr int kMaxIndexDepth = 4;

using KeyIndex = std::map<std::string, int>;  // of a snapshotter: its key -> layer
using Snapshotters = std::map<std::string, KeyIndex>;

// Unsigned varint, as Go's encoding/binary writes it; -1 where it is none.
int64_t Varint(const std::string& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size() && i < 9; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if ((byte & 0x80) == 0) return static_cast<int64_t>(value);
  }
  return -1;
}

const char* StateOf(const std::string& kind) {
  switch (kind.empty() ? 0 : kind[0]) {
    case 1:
      return "view";
    case 2:
      return "active";
    case 3:
      return "committed";
    default:
      return "unknown";
  }
}

// "NAMESPACE/NUMBER/KEY" -> "KEY".
std::string KeyOf(const std::string& name) {
  const size_t first = name.find('/');
  const size_t second = first == std::string::npos ? first : name.find('/', first + 1);
  return second == std::string::npos ? name : name.substr(second + 1);
}

std::string DirectoryOf(const std::string& snapshotter, const std::string& state, int64_t id) {
  const std::string base = std::string(kSnapshotterPrefix) + snapshotter + "/";
  if (snapshotter == "overlayfs") return fmt::format("{}snapshots/{}/fs", base, id);
  if (snapshotter == "native") return fmt::format("{}snapshots/{}", base, id);
  const char* place = state == "active" ? "active" : state == "view" ? "view" : "snapshots";
  return fmt::format("{}{}/{}", base, place, id);  // btrfs
}

Status ReadSnapshotter(const std::string& snapshotter, Root* root, Snapshotters* all) {
  const std::string path = fmt::format("{}/{}{}/metadata.db", root->path, kSnapshotterPrefix, snapshotter);
  LM_ASSIGN(const BoltBucket database, ReadBolt(path));
  std::vector<NamedLayer> layers;
  if (const BoltBucket* snapshots = database.Find({"v1", "snapshots"}); snapshots != nullptr) {
    for (const auto& [key, snapshot] : snapshots->buckets) {
      const int64_t id = Varint(snapshot.Value("id"));
      if (id < 0) return DataLoss(fmt::format("{}: snapshot {} has no id", path, key));
      NamedLayer layer;
      layer.key = key;
      layer.parent = snapshot.Value("parent");
      layer.record.id = std::to_string(id);
      layer.record.name = KeyOf(key);
      layer.record.state = StateOf(snapshot.Value("kind"));
      layer.record.driver = snapshotter;
      layer.record.directory = DirectoryOf(snapshotter, layer.record.state, id);
      layer.record.form = snapshotter == "overlayfs" ? LayerForm::kDelta : LayerForm::kWhole;
      layers.push_back(std::move(layer));
    }
  }
  (*all)[snapshotter] = AddLayers(std::move(layers), root);
  return Status::Ok();
}

Result<nlohmann::json> ReadBlob(const Root& root, const std::string& digest) {
  if (!IsSha256Digest(digest)) return InvalidArgument("not a sha256 digest: " + digest);
  return ReadJsonFile(root.path, "io.containerd.content.v1.content/blobs/sha256/" + digest.substr(7));
}

// The chain IDs of the topmost layers that the manifest or index leads to: one for each platform that is
// here.
void TopChainIds(const Root& root, const std::string& digest, int depth, std::set<std::string>* tops) {
  const Result<nlohmann::json> blob = ReadBlob(root, digest);
  if (!blob.ok() || depth > kMaxIndexDepth) return;  // of a platform that was not fetched
  if (const nlohmann::json* config = JsonMember(*blob, "config"); config != nullptr) {
    const Result<nlohmann::json> file = ReadBlob(root, JsonStringOr(*config, "digest", ""));
    const nlohmann::json* rootfs = file.ok() ? JsonMember(*file, "rootfs") : nullptr;
    if (rootfs == nullptr) return;
    const Result<std::vector<std::string>> diff_ids = JsonStrings(*rootfs, "diff_ids", digest);
    if (diff_ids.ok() && !diff_ids->empty()) tops->insert(ChainIds(*diff_ids).back());
    return;
  }
  const nlohmann::json* manifests = JsonMember(*blob, "manifests");
  if (manifests == nullptr || !manifests->is_array()) return;
  for (const nlohmann::json& manifest : *manifests) {
    TopChainIds(root, JsonStringOr(manifest, "digest", ""), depth + 1, tops);
  }
}

// One image for each snapshotter that it is unpacked in; several names of one target are one image.
void ReadImages(const std::string& name_space, const BoltBucket& bucket, const Snapshotters& snapshotters,
                Root* root) {
  const BoltBucket* images = bucket.Find({"images"});
  if (images == nullptr) return;
  std::map<std::string, std::string> first_name;  // of each target; a tag rather than a digest
  for (const auto& [name, image] : images->buckets) {
    const BoltBucket* target = image.Find({"target"});
    if (target == nullptr) continue;
    std::string& chosen = first_name[target->Value("digest")];
    if (chosen.empty() || chosen.find('@') != std::string::npos || chosen.starts_with("sha256:"))
      chosen = name;
  }
  for (const auto& [digest, name] : first_name) {
    const std::string shown = name_space == "default" ? name : name_space + ": " + name;
    std::set<std::string> tops;
    TopChainIds(*root, digest, 0, &tops);
    bool unpacked = false;
    for (const auto& [snapshotter, keys] : snapshotters) {
      for (const std::string& top : tops) {
        const BoltBucket* snapshot = bucket.Find({"snapshots", snapshotter, top});
        const auto layer = snapshot == nullptr ? keys.end() : keys.find(snapshot->Value("name"));
        if (layer == keys.end()) continue;
        root->images.push_back({shown, snapshotter, layer->second});
        unpacked = true;
      }
    }
    if (!unpacked) root->images.push_back({shown, "", -1});
  }
}

}  // namespace

Result<Root> ReadContainerdRoot(const std::string& path) {
  Root root;
  root.kind = "containerd";
  root.path = path;
  LM_ASSIGN(const BoltBucket database, ReadBolt(path + "/io.containerd.metadata.v1.bolt/meta.db"));
  LM_ASSIGN(const Fd fd, Open(path, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(const std::vector<std::string> names, ListDir(fd.get()));
  Snapshotters snapshotters;
  for (const std::string& name : names) {
    if (!name.starts_with(kSnapshotterPrefix)) continue;
    root.parts.push_back({name, "bookkeeping"});
    const std::string snapshotter = name.substr(kSnapshotterPrefix.size());
    const bool known = snapshotter == "overlayfs" || snapshotter == "native" || snapshotter == "btrfs";
    if (known && ExistsAt(fd.get(), name + "/metadata.db")) {
      LM_TRY(ReadSnapshotter(snapshotter, &root, &snapshotters));
    } else if (!known) {
      root.notes.push_back("snapshotter " + snapshotter +
                           ": its layers are not read; counted as bookkeeping");
    }
  }
  root.parts.push_back({"io.containerd.metadata.v1.bolt", "bookkeeping"});
  root.parts.push_back({"io.containerd.content.v1.content", "content store"});
  root.parts.push_back({"", "other"});
  if (const BoltBucket* v1 = database.Find({"v1"}); v1 != nullptr) {
    for (const auto& [name_space, bucket] : v1->buckets) ReadImages(name_space, bucket, snapshotters, &root);
  }
  return root;
}

}  // namespace layermark::inspect
