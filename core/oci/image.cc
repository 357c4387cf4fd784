#include "core/oci/image.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/oci/image_reader.h"
#include "core/oci/unnamed_file.h"
#include "core/tree/manifest.h"

namespace layermark {

Result<Image> Image::Open(const std::string& reference) {
  constexpr std::string_view kLayout = "oci:", kArchive = "docker-archive:";
  if (reference.starts_with(kLayout))
    return ImageReader::OpenLayout(reference, reference.substr(kLayout.size()));
  if (reference.starts_with(kArchive)) {
    return ImageReader::OpenDockerArchive(reference, reference.substr(kArchive.size()));
  }
  return InvalidArgument(
      fmt::format("image {}: a reference is oci:DIR[:REF] or docker-archive:FILE[:REF]", reference));
}

Result<Location> SplitLocation(const std::string& location) {
  if (location.empty()) return InvalidArgument("no path in the image reference");
  if (Exists(location)) return Location{location, ""};
  for (size_t colon = location.find(':'); colon != std::string::npos; colon = location.find(':', colon + 1)) {
    const std::string path = location.substr(0, colon);
    if (!path.empty() && Exists(path)) return Location{path, location.substr(colon + 1)};
  }
  return NotFound(fmt::format("{} does not exist", location.substr(0, location.find(':'))));
}

Result<Fd> OpenRegularInRoot(int dir_fd, const std::string& path) {
  LM_ASSIGN(Fd file, OpenInRoot(dir_fd, path, O_RDONLY | O_NONBLOCK));
  LM_TRY(RequireRegular(file.get(), path));
  return file;
}

Status RequireRegular(int fd, const std::string& path) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Status::Errno("stat", path);
  return S_ISREG(st.st_mode) ? Status::Ok() : InvalidArgument(path + " is not a regular file");
}

std::string BlobPath(std::string_view digest) {
  return fmt::format("blobs/sha256/{}", digest.substr(7));
}

std::string Image::ChainId(size_t index) const {
  std::string chain = layers_.at(0).diff_id;
  for (size_t i = 1; i <= index; ++i) chain = Sha256(chain + " " + layers_.at(i).diff_id);
  return chain;
}

namespace {

struct OpenedBlob {
  Fd file;
  BlobRange range;
};

Result<OpenedBlob> OpenBlob(const std::string& directory, const std::string& path, int archive_fd,
                            int64_t offset, int64_t size) {
  OpenedBlob blob;
  if (archive_fd >= 0) {
    blob.range = {archive_fd, offset, size};
    return blob;
  }
  LM_ASSIGN(const Fd dir, Open(directory, O_PATH | O_DIRECTORY));
  LM_ASSIGN(blob.file, OpenRegularInRoot(dir.get(), path));
  struct stat st;
  if (fstat(blob.file.get(), &st) != 0) return Status::Errno("stat", path);
  if (st.st_size != size) return DataLoss(fmt::format("{} bytes, the manifest says {}", st.st_size, size));
  blob.range = {blob.file.get(), 0, size};
  return blob;
}

}  // namespace

Result<Fd> Image::OpenLayer(size_t index) const {
  if (index >= layers_.size()) {
    return InvalidArgument(fmt::format("image {}: no layer {}", reference_, index));
  }
  const ImageLayer& layer = layers_[index];
  const auto open = [&]() -> Result<Fd> {
    LM_ASSIGN(OpenedBlob blob, OpenBlob(directory_, blob_paths_[index], archive_fd_.get(),
                                        archive_fd_.valid() ? member_offsets_[index] : 0, layer.size_bytes));
    LM_ASSIGN(const bool compressed, IsCompressed(blob.range));
    if (!compressed && blob.file.valid()) {
      LM_TRY(ReadLayerBlob(blob.range, layer.digest, layer.diff_id, -1));
      return std::move(blob.file);
    }
    // A guess at how far it expands is enough: it chooses where the file lies.
    LM_ASSIGN(Fd out, UnnamedFile(compressed ? layer.size_bytes * 4 : layer.size_bytes));
    LM_TRY(ReadLayerBlob(blob.range, layer.digest, layer.diff_id, out.get()));
    return Reopen(out.get());
  };
  auto opened = open();
  if (!opened.ok())
    return opened.status().WithContext(fmt::format("image {}: layer {}", reference_, blob_paths_[index]));
  return opened;
}

Status Image::VerifyLayers() const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto verify = [&]() -> Status {
      LM_ASSIGN(const OpenedBlob blob,
                OpenBlob(directory_, blob_paths_[i], archive_fd_.get(),
                         archive_fd_.valid() ? member_offsets_[i] : 0, layers_[i].size_bytes));
      LM_TRY(ReadLayerBlob(blob.range, layers_[i].digest, layers_[i].diff_id, -1));
      return Status::Ok();
    };
    LM_TRY(verify().WithContext(fmt::format("image {}: layer {}", reference_, blob_paths_[i])));
  }
  return Status::Ok();
}

}  // namespace layermark
