// Reading a layer's stored bytes: decompression and digests on the way.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/oci/image_reader.h"
#include "core/tree/sha256.h"

namespace layermark {
namespace {

constexpr size_t kReadBytes = 512 * 1024;
constexpr int64_t kMaxUncompressedBytes = int64_t{64} << 30;

// The stored bytes in order, hashed as they pass.
class Stored {
 public:
  explicit Stored(const BlobRange& blob) : blob_(blob), buffer_(kReadBytes) {}

  // Empty at the end of the range.
  Result<std::string_view> Next() {
    const auto want = static_cast<size_t>(
        std::min<int64_t>(blob_.size_bytes - done_, static_cast<int64_t>(buffer_.size())));
    if (want == 0) return std::string_view();
    ssize_t n = 0;
    do {
      n = pread(blob_.fd, buffer_.data(), want, blob_.offset + done_);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Status::Errno("read", "");
    if (n == 0) return DataLoss(fmt::format("truncated: {} bytes of {}", done_, blob_.size_bytes));
    done_ += n;
    const std::string_view data(buffer_.data(), static_cast<size_t>(n));
    digest_.Update(data);
    return data;
  }
  // After the end only.
  std::string Digest() { return digest_.Finish(); }

 private:
  BlobRange blob_;
  std::vector<char> buffer_;
  int64_t done_ = 0;
  Sha256Stream digest_;
};

struct Callback {
  Stored* stored;
  Status status;
};

la_ssize_t ReadStored(archive* a, void* data, const void** block) {
  auto* callback = static_cast<Callback*>(data);
  auto next = callback->stored->Next();
  if (!next.ok()) {
    callback->status = next.status();
    archive_set_error(a, EIO, "read");
    return -1;
  }
  *block = next->data();
  return static_cast<la_ssize_t>(next->size());
}

// Hashes what a layer holds, and writes it out.
class Sink {
 public:
  explicit Sink(int fd) : fd_(fd) {}
  Status Take(std::string_view data) {
    digest_.Update(data);
    bytes_ += static_cast<int64_t>(data.size());
    if (bytes_ > kMaxUncompressedBytes) {
      return Status(Code::kOutOfRange,
                    fmt::format("decompresses to more than {} bytes", kMaxUncompressedBytes));
    }
    return fd_ < 0 ? Status::Ok() : WriteAll(fd_, data);
  }
  std::string Digest() { return digest_.Finish(); }
  int64_t bytes() const { return bytes_; }

 private:
  int fd_;
  int64_t bytes_ = 0;
  Sha256Stream digest_;
};

Status Decompress(Stored* stored, Sink* sink) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> owner(archive_read_new(), archive_read_free);
  archive* a = owner.get();
  if (a == nullptr) return Status(Code::kResourceExhausted, "no memory for a decompressor");
  Callback callback{stored, Status::Ok()};
  const auto error = [&] {
    if (!callback.status.ok()) return callback.status;
    const char* text = archive_error_string(a);
    std::string message = text != nullptr ? text : "cannot be decompressed";
    if (message.find("runcated") != std::string::npos) return DataLoss(std::move(message));
    return InvalidArgument(std::move(message));
  };
  archive_read_support_format_raw(a);
  archive_read_support_format_empty(a);
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_zstd(a);
  archive_read_set_read_callback(a, ReadStored);
  archive_read_set_callback_data(a, &callback);
  if (archive_read_open1(a) != ARCHIVE_OK) return error();
  archive_entry* entry = nullptr;
  const int first = archive_read_next_header(a, &entry);
  if (first != ARCHIVE_EOF) {
    if (first != ARCHIVE_OK) return error();
    // Bytes that no filter knows would come through as they are; the caller looked at the first ones.
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    int rc = ARCHIVE_OK;
    while ((rc = archive_read_data_block(a, &block, &size, &offset)) == ARCHIVE_OK) {
      LM_TRY(sink->Take({static_cast<const char*>(block), size}));
    }
    if (rc != ARCHIVE_EOF) return error();
  }
  // What follows the compressed stream counts for the digest.
  while (true) {
    LM_ASSIGN(const std::string_view rest, stored->Next());
    if (rest.empty()) return Status::Ok();
  }
}

}  // namespace

Result<bool> IsCompressed(const BlobRange& blob) {
  char magic[6] = {};
  const auto want = static_cast<size_t>(std::min<int64_t>(blob.size_bytes, sizeof(magic)));
  const ssize_t n = pread(blob.fd, magic, want, blob.offset);
  if (n < 0) return Status::Errno("read", "");
  const std::string_view seen(magic, static_cast<size_t>(n));
  if (seen.starts_with("\x1f\x8b") || seen.starts_with("\x28\xb5\x2f\xfd")) return true;
  if (seen.starts_with("BZh") || seen.starts_with("\xfd"
                                                  "7zXZ")) {
    return Unimplemented("compressed neither with gzip nor with zstd");
  }
  return false;
}

Result<int64_t> ReadLayerBlob(const BlobRange& blob, const std::string& digest, const std::string& diff_id,
                              int out_fd) {
  Stored stored(blob);
  Sink sink(out_fd);
  LM_ASSIGN(const bool compressed, IsCompressed(blob));
  Status decompressed;
  if (compressed) {
    decompressed = Decompress(&stored, &sink);
    if (!decompressed.ok() && (decompressed.error_number() != 0 || digest.empty())) return decompressed;
  }
  while (true) {  // a plain tar; or the rest of a stream that is damaged, for its digest
    LM_ASSIGN(const std::string_view data, stored.Next());
    if (data.empty()) break;
    if (!compressed) LM_TRY(sink.Take(data));
  }
  if (!digest.empty()) {
    const std::string seen = stored.Digest();
    if (seen != digest)
      return DataLoss(fmt::format("wrong digest: expected {}, the bytes are {}", digest, seen));
  }
  LM_TRY(decompressed);
  const std::string seen = sink.Digest();
  if (seen != diff_id)
    return DataLoss(fmt::format("wrong diff ID: expected {}, the content is {}", diff_id, seen));
  return sink.bytes();
}

}  // namespace layermark
