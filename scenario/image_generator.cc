#include "scenario/image_generator.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/oci/tar_header.h"
#include "core/oci/unnamed_file.h"
#include "core/tree/manifest.h"
#include "core/tree/sha256.h"
#include "scenario/image_plan.h"
#include "scenario/image_random.h"

namespace layermark {
namespace {

constexpr size_t kBufferBytes = 512 * 1024;

// Writes one layer's tar, and hashes it on the way.
class LayerWriter {
 public:
  explicit LayerWriter(int fd) : fd_(fd) {}

  Status Add(const PlannedEntry& planned) {
    const int64_t size = planned.entry.typeflag == '0' ? planned.size_bytes : 0;
    buffer_ += TarHeaderBytes(planned.entry, size);
    ContentStream content(planned.content_seed, planned.text);
    for (int64_t done = 0; done < size;) {
      const auto n = static_cast<size_t>(std::min<int64_t>(size - done, 64 * 1024));
      content.Append(n, &buffer_);
      done += static_cast<int64_t>(n);
      if (buffer_.size() >= kBufferBytes) LM_TRY(Flush());
    }
    buffer_.append(TarPadding(size), '\0');
    return buffer_.size() >= kBufferBytes ? Flush() : Status::Ok();
  }

  Result<std::string> Finish() {
    buffer_.append(2 * kTarBlock, '\0');
    LM_TRY(Flush());
    return digest_.Finish();
  }

 private:
  Status Flush() {
    digest_.Update(buffer_);
    const Status status = WriteAll(fd_, buffer_);
    buffer_.clear();
    return status;
  }
  int fd_;
  std::string buffer_;
  Sha256Stream digest_;
};

}  // namespace

ImageSpec SmokeSpec(uint64_t seed) {
  return {.seed = seed, .layers = 3, .directories = 16, .files = 80, .total_bytes = 1 << 20};
}
ImageSpec QuickSpec(uint64_t seed) {
  return {.seed = seed};
}
ImageSpec FullSpec(uint64_t seed) {
  return {.seed = seed, .layers = 10, .directories = 1000, .files = 10'000, .total_bytes = 64 << 20};
}

std::string ToString(const ImageSpec& spec) {
  return fmt::format(
      "synthetic:seed={},layers={},directories={},files={},bytes={},whiteouts={:d},links={:d},xattrs={:d}",
      spec.seed, spec.layers, spec.directories, spec.files, spec.total_bytes, spec.whiteouts, spec.links,
      spec.xattrs);
}

Result<GeneratedImage> GenerateImage(const ImageSpec& spec) {
  if (spec.layers < 1 || spec.layers > 1000 || spec.directories < 1 || spec.directories > 10'000'000 ||
      spec.files < 1 || spec.files > 10'000'000 || spec.total_bytes < 0 ||
      spec.total_bytes > int64_t{1} << 42) {
    return InvalidArgument(
        fmt::format("image {}: layers, directories, files or bytes are out of bounds", ToString(spec)));
  }
  GeneratedImage image;
  image.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  image.config.working_dir = "/";
  image.config.labels = {{"io.layermark.spec", ToString(spec)}};
  ImagePlan plan(spec);
  std::string identity = ToString(spec);
  for (int i = 0; i < spec.layers; ++i) {
    LM_ASSIGN(Fd tar, UnnamedFile(spec.total_bytes));
    LayerWriter writer(tar.get());
    for (const PlannedEntry& planned : plan.NextLayer()) {
      LM_TRY(writer.Add(planned).WithContext("generate " + ToString(spec)));
    }
    LM_ASSIGN(std::string diff_id, writer.Finish());
    identity += "\n" + diff_id;
    image.diff_ids.push_back(std::move(diff_id));
    image.layer_tars.push_back(std::move(tar));
  }
  image.digest = Sha256(identity);
  return image;
}

}  // namespace layermark
