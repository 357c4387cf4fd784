// Writing an OCI image layout.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/oci/image.h"
#include "core/oci/image_json.h"
#include "core/oci/image_reader.h"
#include "core/tree/manifest.h"
#include "core/tree/sha256.h"

namespace layermark {
namespace {

using nlohmann::json;

constexpr char kTemporary[] = "blobs/sha256/.incoming";

// A blob on its way into the layout: its bytes go to a temporary name until the digest is known.
struct BlobWriter {
  Fd file;
  Sha256Stream digest;
  int64_t bytes = 0;
  Status status;

  Status Take(std::string_view data) {
    digest.Update(data);
    bytes += static_cast<int64_t>(data.size());
    return WriteAll(file.get(), data);
  }
};

la_ssize_t WriteBlob(archive* a, void* data, const void* bytes, size_t size) {
  auto* blob = static_cast<BlobWriter*>(data);
  blob->status = blob->Take({static_cast<const char*>(bytes), size});
  if (!blob->status.ok()) {
    archive_set_error(a, EIO, "write");
    return -1;
  }
  return static_cast<la_ssize_t>(size);
}

// gzip without a time or a name in its header, at a fixed level.
Status Compress(int tar_fd, BlobWriter* blob, Sha256Stream* diff_id, std::vector<char>* buffer) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> owner(archive_write_new(),
                                                                      archive_write_free);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            archive_entry_free);
  archive* a = owner.get();
  if (a == nullptr || entry == nullptr) return Status(Code::kResourceExhausted, "no memory for a compressor");
  const auto error = [&] {
    return !blob->status.ok() ? blob->status : Internal(fmt::format("gzip: {}", archive_error_string(a)));
  };
  archive_write_set_format_raw(a);
  archive_write_add_filter_gzip(a);
  archive_write_set_filter_option(a, "gzip", "timestamp", nullptr);
  archive_write_set_filter_option(a, "gzip", "compression-level", "6");
  archive_write_set_bytes_in_last_block(a, 1);
  archive_entry_set_pathname(entry.get(), "layer");
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  if (archive_write_open2(a, blob, nullptr, WriteBlob, nullptr, nullptr) != ARCHIVE_OK ||
      archive_write_header(a, entry.get()) != ARCHIVE_OK) {
    return error();
  }
  for (off_t at = 0;;) {
    const ssize_t n = pread(tar_fd, buffer->data(), buffer->size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Errno("read", "layer tar");
    if (n == 0) break;
    diff_id->Update({buffer->data(), static_cast<size_t>(n)});
    if (archive_write_data(a, buffer->data(), static_cast<size_t>(n)) != n) return error();
    at += n;
  }
  return archive_write_close(a) == ARCHIVE_OK ? Status::Ok() : error();
}

Status Copy(int tar_fd, BlobWriter* blob, Sha256Stream* diff_id, std::vector<char>* buffer) {
  for (off_t at = 0;;) {
    const ssize_t n = pread(tar_fd, buffer->data(), buffer->size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Errno("read", "layer tar");
    if (n == 0) return Status::Ok();
    const std::string_view data(buffer->data(), static_cast<size_t>(n));
    diff_id->Update(data);
    LM_TRY(blob->Take(data));
    at += n;
  }
}

struct WrittenLayer {
  json descriptor;
  std::string diff_id;
};

Result<WrittenLayer> WriteLayer(int dir_fd, int tar_fd, bool gzip) {
  BlobWriter blob;
  Sha256Stream diff_id;
  std::vector<char> buffer(512 * 1024);
  LM_ASSIGN(blob.file, OpenAt(dir_fd, kTemporary, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  LM_TRY(gzip ? Compress(tar_fd, &blob, &diff_id, &buffer) : Copy(tar_fd, &blob, &diff_id, &buffer));
  LM_TRY(blob.file.Close());
  const std::string digest = blob.digest.Finish();
  if (renameat(dir_fd, kTemporary, dir_fd, BlobPath(digest).c_str()) != 0)
    return Status::Errno("rename", BlobPath(digest));
  WrittenLayer written;
  written.diff_id = diff_id.Finish();
  written.descriptor = {{"mediaType", gzip ? "application/vnd.oci.image.layer.v1.tar+gzip"
                                           : "application/vnd.oci.image.layer.v1.tar"},
                        {"digest", digest},
                        {"size", blob.bytes}};
  return written;
}

Result<json> WriteJsonBlob(int dir_fd, const std::string& text, const char* media_type) {
  const std::string digest = Sha256(text);
  LM_TRY(WriteFileAt(dir_fd, BlobPath(digest), text));
  return json{{"mediaType", media_type}, {"digest", digest}, {"size", text.size()}};
}

Result<std::string> Write(const std::string& dir, const std::string& ref, const ImageConfig& config,
                          const std::vector<int>& layer_tar_fds, bool gzip) {
  LM_TRY(MakeDirs(dir));
  LM_ASSIGN(const Fd root, Open(dir, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(const std::vector<std::string> present, ListDir(root.get()));
  if (!present.empty()) return FailedPrecondition("the directory is not empty");
  LM_TRY(MakeDirsAt(root.get(), "blobs/sha256"));
  ConfigFile file{config, {}};
  json layers = json::array();
  for (const int fd : layer_tar_fds) {
    LM_ASSIGN(WrittenLayer layer, WriteLayer(root.get(), fd, gzip));
    layers.push_back(std::move(layer.descriptor));
    file.diff_ids.push_back(std::move(layer.diff_id));
  }
  LM_ASSIGN(json config_descriptor,
            WriteJsonBlob(root.get(), WriteConfigFile(file), "application/vnd.oci.image.config.v1+json"));
  constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
  const json manifest = {
      {"schemaVersion", 2}, {"mediaType", kManifestType}, {"config", config_descriptor}, {"layers", layers}};
  LM_ASSIGN(json descriptor, WriteJsonBlob(root.get(), manifest.dump(), kManifestType));
  const std::string digest = descriptor["digest"].get<std::string>();
  descriptor["platform"] = {{"architecture", config.architecture}, {"os", config.os}};
  if (!ref.empty()) descriptor["annotations"] = {{"org.opencontainers.image.ref.name", ref}};
  json index = {{"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}};
  index["manifests"] = json::array({descriptor});
  const std::string text = index.dump(-1, ' ', false, json::error_handler_t::replace);
  LM_TRY(WriteFileAt(root.get(), "index.json", text));
  LM_TRY(WriteFileAt(root.get(), "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
  return digest;
}

}  // namespace

Result<std::string> WriteImageLayout(const std::string& dir, const std::string& ref,
                                     const ImageConfig& config, const std::vector<int>& layer_tar_fds,
                                     bool gzip) {
  auto digest = Write(dir, ref, config, layer_tar_fds, gzip);
  if (!digest.ok()) return digest.status().WithContext("write image layout " + dir);
  return digest;
}

}  // namespace layermark
