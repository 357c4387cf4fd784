// The reader of docker archives, which has a scanner of tar headers of its own. An input is the archive; the
// checksums of its headers are set before it is read.
#include <fcntl.h>
#include <fmt/core.h>

#include "core/oci/image.h"
#include "core/oci/layer_tar.h"
#include "core/tree/manifest.h"
#include "testing/fuzz_targets/scratch.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

TarEntry Member(std::string path, std::string data, char type = '0') {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = type;
  (type == '0' ? entry.data : entry.link_target) = std::move(data);
  return entry;
}

// The config's name states no digest: a change of its text would end there.
std::string Archive(const std::string& layer, const std::string& layers,
                    const std::vector<TarEntry>& more = {}) {
  const std::string config =
      R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/c"],"Labels":{"a":"b"}},)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
      Sha256(layer) + "\"]}}";
  std::vector<TarEntry> members = {
      Member("1/layer.tar", layer), Member("config.json", config),
      Member("manifest.json", R"([{"Config":"config.json","RepoTags":["a:1"],"Layers":[)" + layers + "]}]")};
  members.insert(members.end(), more.begin(), more.end());
  return BuildTar(members);
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string layer = BuildTar({Member("f", "content")});
  return {Archive(layer, R"("1/layer.tar")"),
          Archive("no tar", R"("1/layer.tar")"),
          Archive(layer, R"("2/layer.tar")", {Member("2/layer.tar", "../1/layer.tar", '2')}),
          Archive(layer, R"("2")", {Member("2", "1/layer.tar", '1')}),
          Archive(layer, R"("2")", {Member("2", "3", '2'), Member("3", "2", '2')}),
          Archive("\x1f\x8b\x08 no gzip", R"("1/layer.tar")"),
          BuildTar({Member(std::string(300, 'l'), "long"), Member("manifest.json", "[]")})};
}

void SetUp() {
  CloseHost();
}

void Run(std::string_view input) {
  const Fd file = MemoryFile(WithTarChecksums(input));
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  for (const char* ref : {"", ":a:1"}) {
    const Result<Image> image = Image::Open("docker-archive:" + path + ref);
    if (!image.ok()) continue;
    (void)image->VerifyLayers().ok();
    for (size_t i = 0; i < image->layers().size(); ++i) {
      const Result<Fd> layer = image->OpenLayer(i);
      if (!layer.ok()) continue;
      const Result<std::string> digest = Sha256File(layer->get());
      Promise(digest.ok() && *digest == image->layers()[i].diff_id, "an opened layer has its diff ID");
    }
  }
}

}  // namespace layermark::fuzz_target
