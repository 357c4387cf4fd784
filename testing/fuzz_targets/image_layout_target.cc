// The readers of images: an OCI image layout, and a docker archive.
//
// An input is parts between lines "%%". A blob's name is the digest of its bytes, so that no change of a blob
// would ever be read: '@3' stands for the digest of part 3 and '#3' for its size, put in before the files are
// written, last part first. The first part is the index (or the archive's manifest).
#include <fcntl.h>
#include <fmt/core.h>

#include "core/oci/image.h"
#include "core/tree/manifest.h"
#include "testing/fuzz_targets/scratch.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

constexpr int kScratchBytes = 32 << 20;
constexpr int kScratchInodes = 1000;
constexpr size_t kMaxParts = 9;  // one digit names each
constexpr std::string_view kBorder = "\n%%\n";

Fd& Scratch() {
  static Fd scratch;
  return scratch;
}

std::vector<std::string> Parts(std::string_view input) {
  std::vector<std::string> parts;
  while (parts.size() + 1 < kMaxParts) {
    const size_t end = input.find(kBorder);
    if (end == std::string_view::npos) break;
    parts.emplace_back(input.substr(0, end));
    input.remove_prefix(end + kBorder.size());
  }
  parts.emplace_back(input);
  return parts;
}

// Puts digests and sizes of the later parts into each part.
void Resolve(std::vector<std::string>* parts) {
  for (size_t i = parts->size(); i-- > 0;) {
    std::string resolved;
    const std::string& part = (*parts)[i];
    for (size_t at = 0; at < part.size(); ++at) {
      const char mark = part[at];
      const size_t other = at + 1 < part.size() ? static_cast<size_t>(part[at + 1] - '0') : kMaxParts;
      if ((mark != '@' && mark != '#') || other <= i || other >= parts->size()) {
        resolved += mark;
        continue;
      }
      resolved += mark == '@' ? Sha256((*parts)[other]) : std::to_string((*parts)[other].size());
      ++at;
    }
    (*parts)[i] = std::move(resolved);
  }
}

std::string Below(const char* name) {
  return fmt::format("/proc/self/fd/{}/{}", Scratch().get(), name);
}

void Open(const std::string& reference) {
  const Result<Image> image = Image::Open(reference);
  if (!image.ok()) return;
  (void)image->VerifyLayers().ok();
  for (size_t i = 0; i < image->layers().size(); ++i) {
    const Result<Fd> layer = image->OpenLayer(i);
    if (layer.ok()) {
      const Result<std::string> digest = Sha256File(layer->get());
      Promise(digest.ok() && *digest == image->layers()[i].diff_id, "an opened layer has its diff ID");
    }
    (void)image->ChainId(i);
  }
}

std::string Join(const std::vector<std::string>& parts) {
  std::string input;
  for (const std::string& part : parts) input += (input.empty() ? "" : std::string(kBorder)) + part;
  return input;
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string layer = "\"a layer that is no tar\"";
  const std::string descriptor =
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"@1","size":#1)";
  const std::string manifest =
      R"({"schemaVersion":2,"config":{"mediaType":"c","digest":"@2","size":#2},"layers":[{"digest":"@3","size":#3}]})";
  const std::string config =
      R"({"architecture":"amd64","os":"linux","config":{"Entrypoint":["/e"],"Cmd":null,"Env":["A=b"],)"
      R"("User":"1:2","WorkingDir":"/w","Labels":{"k":"v"},"ExposedPorts":{"80/tcp":{}}},)"
      R"("rootfs":{"type":"layers","diff_ids":["@3"]}})";
  const std::string named = R"(,"annotations":{"org.opencontainers.image.ref.name":"v1"})";
  const std::string platform = R"(,"platform":{"os":"linux","architecture":"amd64"})";
  return {Join({R"({"schemaVersion":2,"manifests":[)" + descriptor + named + "}]}", manifest, config, layer}),
          Join({R"({"manifests":[)" + descriptor + platform + "}]}",
                R"({"manifests":[{"digest":"@2","size":#2}]})",
                R"({"config":{"digest":"@3","size":#3},"layers":[{"digest":"@4","size":#4}]})",
                R"({"rootfs":{"diff_ids":["@4"]}})", std::string("\x1f\x8b\x08", 3) + "damaged"}),
          Join({R"({"manifests":[]})", "{}"}),
          Join({R"([{"Config":"@2.json","RepoTags":["a:1","b:2"],"Layers":["3/layer.tar"]}])", "{}",
                R"({"rootfs":{"diff_ids":["@3"]}})", layer})};
}

void SetUp() {
  CloseHost();
  Scratch() = NewScratch(kScratchBytes, kScratchInodes);
}

void Run(std::string_view input) {
  std::vector<std::string> parts = Parts(input);
  Resolve(&parts);
  const int at = Scratch().get();
  Promise(MakeDirsAt(at, "layout/blobs/sha256").ok(), "the layout can be made");
  Promise(WriteFileAt(at, "layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})").ok() &&
              WriteFileAt(at, "layout/index.json", parts[0]).ok(),
          "the layout can be written");
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string name = "layout/blobs/sha256/" + Sha256(parts[i]).substr(7);
    Promise(WriteFileAt(at, name, parts[i]).ok(), "a blob can be written");
  }
  Open("oci:" + Below("layout"));
  Open("oci:" + Below("layout") + ":v1");
  Promise(RemoveTreeAt(at, "layout").ok(), "the layout can be removed");
}

}  // namespace layermark::fuzz_target
