// Reading a layer tar as data, without touching a file system.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/oci/layer_tar.h"
#include "core/oci/tar_header.h"
#include "core/oci/tar_reader.h"
#include "core/tree/sha256.h"

namespace layermark {
namespace {

// What the reader of a list must be ready for: the bounds of ApplyLayerTar, and less where the data is kept.
constexpr int64_t kMaxKeptBytes = int64_t{1} << 30;

Status ReadContent(TarReader* reader, int64_t size, bool keep_data, TarListEntry* out) {
  Sha256Stream digest;
  digest.Reset();
  int64_t at = 0;
  const auto fill = [&](int64_t until) {
    static const std::string zeros(size_t{64} * 1024, '\0');
    while (at < until) {
      const auto n = static_cast<size_t>(std::min<int64_t>(until - at, static_cast<int64_t>(zeros.size())));
      digest.Update(std::string_view(zeros.data(), n));
      if (keep_data) out->entry.data.append(n, '\0');
      at += static_cast<int64_t>(n);
    }
  };
  int64_t offset = 0;
  std::string_view data;
  while (true) {
    LM_ASSIGN(const bool more, reader->NextBlock(&offset, &data));
    if (!more) break;
    if (offset < at || offset > size || static_cast<int64_t>(data.size()) > size - offset) {
      return InvalidArgument(fmt::format("layer tar: {}: data outside the file's size", out->entry.path));
    }
    fill(offset);
    digest.Update(data);
    if (keep_data) out->entry.data.append(data);
    at += static_cast<int64_t>(data.size());
  }
  fill(size);
  out->digest = digest.Finish();
  return Status::Ok();
}

}  // namespace

Result<std::vector<TarListEntry>> ListTar(int tar_fd, bool keep_data, const ApplyOptions& bounds) {
  LM_ASSIGN(TarReader reader, TarReader::Open(tar_fd));
  std::vector<TarListEntry> list;
  TarHeader header;
  int64_t total = 0;
  while (true) {
    LM_ASSIGN(const bool more, reader.Next(&header));
    if (!more) return list;
    if (static_cast<int64_t>(list.size()) >= bounds.max_entries) {
      return Status(Code::kOutOfRange, fmt::format("layer tar: more than {} entries", bounds.max_entries));
    }
    const int64_t most = keep_data ? kMaxKeptBytes : std::numeric_limits<int64_t>::max();
    const int64_t limit = std::min(most, bounds.max_entry_bytes);
    const int64_t total_limit = std::min(most, bounds.max_total_bytes);
    if (header.size_bytes > limit || header.size_bytes > total_limit - total) {
      return Status(Code::kOutOfRange,
                    fmt::format("layer tar: {}: claims {} bytes, more than the limit of {}", header.path,
                                header.size_bytes, std::min(limit, total_limit - total)));
    }
    total += header.size_bytes;
    TarListEntry item;
    item.entry.path = header.path;
    item.entry.typeflag = header.type;
    item.entry.mode = header.permissions;
    item.entry.uid = header.uid;
    item.entry.gid = header.gid;
    item.entry.link_target = header.link_target;
    item.entry.dev_major = header.dev_major;
    item.entry.dev_minor = header.dev_minor;
    item.entry.mtime_ns = header.mtime_ns;
    item.entry.xattrs = header.xattrs;
    item.size_bytes = header.size_bytes;
    if (header.type == '0') LM_TRY(ReadContent(&reader, header.size_bytes, keep_data, &item));
    list.push_back(std::move(item));
  }
}

}  // namespace layermark
