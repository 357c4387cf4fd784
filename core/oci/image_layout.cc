// Reading an OCI image layout (image-layout.md).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include "core/oci/image_reader.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

using nlohmann::json;

constexpr int kMaxIndexDepth = 4;
constexpr size_t kMaxLayers = 10'000;
constexpr std::string_view kRefAnnotation = "org.opencontainers.image.ref.name";

// The bytes of a small blob, size and digest checked.
Result<std::string> ReadBlob(int dir_fd, const Descriptor& descriptor, const std::string& what) {
  const std::string where = fmt::format("{} {}", what, descriptor.digest);
  auto file = OpenRegularInRoot(dir_fd, BlobPath(descriptor.digest));
  if (!file.ok()) {
    return file.status().code() == Code::kNotFound ? NotFound(where + ": missing")
                                                   : file.status().WithContext(where);
  }
  auto text = ReadAll(file->get(), kMaxJsonBytes);
  if (!text.ok()) return text.status().WithContext(where);
  const auto size = static_cast<int64_t>(text->size());
  if (size != descriptor.size_bytes) {
    return DataLoss(fmt::format("{}: {}: {} bytes, its descriptor says {}", where,
                                size < descriptor.size_bytes ? "truncated" : "wrong size", size,
                                descriptor.size_bytes));
  }
  const std::string seen = Sha256(*text);
  if (seen != descriptor.digest)
    return DataLoss(fmt::format("{}: wrong digest: the bytes are {}", where, seen));
  return text;
}

std::string RefOf(const json& item) {
  const json* annotations = JsonMember(item, "annotations");
  return annotations == nullptr ? "" : JsonStringOr(*annotations, kRefAnnotation.data(), "");
}

bool IsForPlatform(const json& item) {
  const json* platform = JsonMember(item, "platform");
  return platform != nullptr && JsonStringOr(*platform, "os", "") == "linux" &&
         JsonStringOr(*platform, "architecture", "") == "amd64";
}

// One of an index's manifests: the one with that ref; several: the one for linux/amd64.
Result<const json*> Choose(const json& manifests, const std::string& ref, const std::string& what) {
  std::vector<const json*> candidates;
  std::vector<std::string> refs;
  for (const json& item : manifests) {
    const std::string name = RefOf(item);
    if (!name.empty()) refs.push_back(name);
    if (ref.empty() || name == ref) candidates.push_back(&item);
  }
  if (candidates.size() > 1) {
    std::vector<const json*> fitting;
    bool same_ref = true;
    for (const json* item : candidates) {
      if (IsForPlatform(*item)) fitting.push_back(item);
      same_ref &= RefOf(*item) == RefOf(*candidates.front());
    }
    if (same_ref && fitting.size() == 1) candidates = fitting;
  }
  if (candidates.size() == 1) return candidates.front();
  const std::string known = refs.empty() ? "it names none" : fmt::format("it has {}", fmt::join(refs, ", "));
  if (!ref.empty() && candidates.empty())
    return NotFound(fmt::format("{}: no image with ref {}: {}", what, ref, known));
  if (candidates.empty()) return NotFound(what + ": holds no image");
  return InvalidArgument(
      fmt::format("{}: holds {} images, say which ref: {}", what, candidates.size(), known));
}

}  // namespace

Result<Image> ImageReader::OpenLayout(const std::string& reference, const std::string& location) {
  const auto open = [&]() -> Result<Image> {
    LM_ASSIGN(const Location place, SplitLocation(location));
    Image image;
    image.reference_ = reference;
    image.directory_ = place.path;
    LM_ASSIGN(const Fd dir, Open(place.path, O_PATH | O_DIRECTORY));
    const auto read = [&](const std::string& name) -> Result<std::string> {
      LM_ASSIGN(const Fd file, OpenRegularInRoot(dir.get(), name));
      return ReadAll(file.get(), kMaxJsonBytes);
    };
    auto layout = read("oci-layout");
    if (!layout.ok()) return layout.status().WithContext("not an OCI image layout");
    LM_TRY(ParseJson(*layout, "oci-layout"));
    LM_ASSIGN(const std::string text, read("index.json"));
    LM_ASSIGN(json index, ParseJson(text, "index.json"));
    std::string what = "index.json", ref = place.ref;
    for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
      LM_ASSIGN(const json* manifests, JsonArray(index, "manifests", what));
      LM_ASSIGN(const json* chosen, Choose(*manifests, ref, what));
      LM_ASSIGN(const Descriptor descriptor, ReadDescriptor(*chosen, what));
      LM_ASSIGN(const std::string blob, ReadBlob(dir.get(), descriptor, "manifest"));
      LM_ASSIGN(json value, ParseJson(blob, "manifest " + descriptor.digest));
      if (JsonMember(value, "manifests") == nullptr) {
        LM_TRY(ReadManifest(dir.get(), descriptor, &image));
        return image;
      }
      index = std::move(value);
      what = "index " + descriptor.digest;
      ref.clear();  // the ref chose the nested index; within it the platform counts
    }
    return InvalidArgument(fmt::format("index.json: indexes nested more than {} deep", kMaxIndexDepth));
  };
  auto image = open();
  if (!image.ok()) return image.status().WithContext("image " + reference);
  return image;
}

Status ImageReader::ReadManifest(int dir_fd, const Descriptor& descriptor, Image* image) {
  const std::string what = "manifest " + descriptor.digest;
  LM_ASSIGN(const std::string text, ReadBlob(dir_fd, descriptor, "manifest"));
  LM_ASSIGN(const json manifest, ParseJson(text, what));
  image->manifest_digest_ = descriptor.digest;
  const json* config_member = JsonMember(manifest, "config");
  if (config_member == nullptr) return InvalidArgument(what + ": no \"config\"");
  LM_ASSIGN(const Descriptor config, ReadDescriptor(*config_member, what));
  LM_ASSIGN(const std::string config_text, ReadBlob(dir_fd, config, "config"));
  LM_ASSIGN(ConfigFile file, ReadConfigFile(config_text, "config " + config.digest));
  image->config_ = std::move(file.config);
  LM_ASSIGN(const json* layers, JsonArray(manifest, "layers", what));
  if (layers->size() != file.diff_ids.size()) {
    return InvalidArgument(fmt::format("{}: {} layers, but the config has {} diff IDs", what, layers->size(),
                                       file.diff_ids.size()));
  }
  if (layers->size() > kMaxLayers)
    return InvalidArgument(fmt::format("{}: more than {} layers", what, kMaxLayers));
  for (const json& item : *layers) {
    LM_ASSIGN(const Descriptor blob, ReadDescriptor(item, what));
    const std::string where = "layer " + blob.digest;
    auto opened = OpenRegularInRoot(dir_fd, BlobPath(blob.digest));
    if (!opened.ok()) {
      return opened.status().code() == Code::kNotFound ? NotFound(where + ": missing")
                                                       : opened.status().WithContext(where);
    }
    struct stat st;
    if (fstat(opened->get(), &st) != 0) return Status::Errno("stat", where);
    if (st.st_size != blob.size_bytes) {
      return DataLoss(fmt::format("{}: {}: {} bytes, the manifest says {}", where,
                                  st.st_size < blob.size_bytes ? "truncated" : "wrong size", st.st_size,
                                  blob.size_bytes));
    }
    ImageLayer layer;
    layer.digest = blob.digest;
    layer.diff_id = file.diff_ids[image->layers_.size()];
    layer.media_type = blob.media_type;
    layer.size_bytes = blob.size_bytes;
    LM_ASSIGN(const bool compressed, IsCompressed({opened->get(), 0, blob.size_bytes}));
    layer.uncompressed_bytes = compressed ? 0 : blob.size_bytes;
    image->layers_.push_back(std::move(layer));
    image->blob_paths_.push_back(BlobPath(blob.digest));
  }
  return Status::Ok();
}

}  // namespace layermark
