#include "core/oci/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "core/oci/acl_xattr.h"

namespace layermark {
namespace {

constexpr size_t kReadBytes = 512 * 1024;
// A kernel device number has 12 bits of major and 20 of minor.
constexpr uint64_t kMaxMajor = (1u << 12) - 1;
constexpr uint64_t kMaxMinor = (1u << 20) - 1;

struct Source {
  int fd = -1;
  bool seekable = false;
  std::vector<char> buffer;
};

la_ssize_t ReadSource(archive* a, void* data, const void** block) {
  auto* source = static_cast<Source*>(data);
  ssize_t n = 0;
  do {
    n = read(source->fd, source->buffer.data(), source->buffer.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) archive_set_error(a, errno, "read");
  *block = source->buffer.data();
  return n;
}

// Skipping what is not wanted costs no read where the descriptor can seek. Never past the end: a truncated
// archive must be seen as such.
la_int64_t SkipSource(archive*, void* data, la_int64_t request) {
  auto* source = static_cast<Source*>(data);
  struct stat st;
  if (!source->seekable || fstat(source->fd, &st) != 0) return 0;
  const off_t here = lseek(source->fd, 0, SEEK_CUR);
  if (here < 0 || here >= st.st_size) return 0;
  const off_t step = std::min<off_t>(request, st.st_size - here);
  return lseek(source->fd, step, SEEK_CUR) < 0 ? 0 : step;
}

}  // namespace

struct TarReader::Impl {
  ~Impl() {
    if (a != nullptr) archive_read_free(a);
  }
  Status Error(const std::string& where) const;
  Status Fill(archive_entry* entry, TarHeader* header) const;

  archive* a = nullptr;
  Source source;
  std::string current;  // name of the entry whose content is being read, for messages
};

Status TarReader::Impl::Error(const std::string& where) const {
  const char* text = archive_error_string(a);
  const int error = archive_errno(a);
  std::string message = where.empty() ? "layer tar" : fmt::format("layer tar: {}", where);
  if (text != nullptr && std::strcmp(text, "read") == 0) return Status::Errno("read", message, error);
  message += fmt::format(": {}", text != nullptr ? text : "unreadable");
  if (text != nullptr && std::strstr(text, "runcated") != nullptr) return DataLoss(std::move(message));
  return InvalidArgument(std::move(message));
}

Status TarReader::Impl::Fill(archive_entry* entry, TarHeader* header) const {
  const auto invalid = [&](std::string_view what, int64_t value) {
    return InvalidArgument(fmt::format("layer tar: {}: {} {} is out of range", header->path, what, value));
  };
  const char* link = archive_entry_hardlink(entry);
  header->link_target.clear();
  header->size_bytes = 0;
  header->dev_major = header->dev_minor = 0;
  if (link != nullptr) {
    header->type = '1';
    header->link_target = link;
  } else {
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG:
        header->type = '0';
        break;
      case AE_IFLNK:
        header->type = '2';
        break;
      case AE_IFCHR:
        header->type = '3';
        break;
      case AE_IFBLK:
        header->type = '4';
        break;
      case AE_IFDIR:
        header->type = '5';
        break;
      case AE_IFIFO:
        header->type = '6';
        break;
      default:
        return InvalidArgument(fmt::format("layer tar: {}: unknown entry type", header->path));
    }
  }
  if (header->type == '2') {
    const char* target = archive_entry_symlink(entry);
    if (target == nullptr || *target == '\0') {
      return InvalidArgument(fmt::format("layer tar: {}: symlink without a target", header->path));
    }
    header->link_target = target;
  }
  if (header->type == '3' || header->type == '4') {
    const auto dev_major = static_cast<uint64_t>(archive_entry_rdevmajor(entry));
    const auto dev_minor = static_cast<uint64_t>(archive_entry_rdevminor(entry));
    if (dev_major > kMaxMajor) return invalid("device major", static_cast<int64_t>(dev_major));
    if (dev_minor > kMaxMinor) return invalid("device minor", static_cast<int64_t>(dev_minor));
    header->dev_major = static_cast<unsigned>(dev_major);
    header->dev_minor = static_cast<unsigned>(dev_minor);
  }
  if (header->type == '0') {
    header->size_bytes = archive_entry_size(entry);
    if (header->size_bytes < 0) return invalid("size", header->size_bytes);
  }
  header->permissions = archive_entry_perm(entry) & 07777;
  // 2^32 - 1 is chown's "leave it alone", no id.
  constexpr int64_t kMaxId = int64_t{std::numeric_limits<uint32_t>::max()} - 1;
  const int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
  if (uid < 0 || uid > kMaxId) return invalid("uid", uid);
  if (gid < 0 || gid > kMaxId) return invalid("gid", gid);
  header->uid = static_cast<uid_t>(uid);
  header->gid = static_cast<gid_t>(gid);
  const int64_t seconds = archive_entry_mtime(entry);
  const int64_t fraction = archive_entry_mtime_nsec(entry);
  constexpr int64_t kMaxSeconds = std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;
  if (seconds > kMaxSeconds || seconds < -kMaxSeconds) return invalid("mtime", seconds);
  // libarchive reads the digits after the point without regard to the sign before it.
  header->mtime_ns = seconds * 1'000'000'000 + (seconds < 0 ? -fraction : fraction);

  header->xattrs.clear();
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    if (name == nullptr || *name == '\0') continue;
    header->xattrs.push_back({name, std::string(size == 0 ? "" : static_cast<const char*>(value), size)});
  }
  LM_TRY(AppendAclXattrs(entry, &header->xattrs).WithContext("layer tar: " + header->path));
  // The last of several values of one name counts, as in PAX.
  std::stable_sort(header->xattrs.begin(), header->xattrs.end(),
                   [](const Xattr& x, const Xattr& y) { return x.name < y.name; });
  std::vector<Xattr> unique;
  for (Xattr& xattr : header->xattrs) {
    if (!unique.empty() && unique.back().name == xattr.name) unique.pop_back();
    unique.push_back(std::move(xattr));
  }
  header->xattrs = std::move(unique);
  return Status::Ok();
}

TarReader::TarReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::Open(int fd) {
  auto impl = std::make_unique<Impl>();
  impl->a = archive_read_new();
  if (impl->a == nullptr) return Status(Code::kResourceExhausted, "layer tar: no memory for a reader");
  archive* a = impl->a;
  // Only what layers may be: no other format or filter gets to look at hostile bytes.
  archive_read_support_format_tar(a);
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_zstd(a);
  struct stat st;
  impl->source.fd = fd;
  impl->source.seekable = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  impl->source.buffer.resize(kReadBytes);
  archive_read_set_read_callback(a, ReadSource);
  archive_read_set_skip_callback(a, SkipSource);
  archive_read_set_callback_data(a, &impl->source);
  if (archive_read_open1(a) != ARCHIVE_OK) return impl->Error("");
  return TarReader(std::move(impl));
}

Result<bool> TarReader::Next(TarHeader* header) {
  archive_entry* entry = nullptr;
  const int rc = archive_read_next_header(impl_->a, &entry);
  if (rc == ARCHIVE_EOF) return false;
  const std::string where = impl_->current.empty() ? "" : fmt::format("after {}", impl_->current);
  if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) return impl_->Error(where);
  if (rc == ARCHIVE_WARN) {
    // A name that is not text in the current locale comes as its bytes, which is what is wanted. Any other
    // warning means that something of the entry was dropped.
    const char* text = archive_error_string(impl_->a);
    if (text == nullptr || std::strstr(text, "can't be converted") == nullptr) return impl_->Error(where);
  }
  const char* path = archive_entry_pathname(entry);
  if (path == nullptr || *path == '\0') {
    return InvalidArgument(fmt::format("layer tar: entry without a name {}", where));
  }
  header->path = path;
  impl_->current = header->path;
  LM_TRY(impl_->Fill(entry, header));
  return true;
}

Result<bool> TarReader::NextBlock(int64_t* offset, std::string_view* data) {
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t at = 0;
  const int rc = archive_read_data_block(impl_->a, &block, &size, &at);
  if (rc == ARCHIVE_EOF) return false;
  if (rc != ARCHIVE_OK) return impl_->Error(impl_->current);
  *offset = at;
  *data = std::string_view(static_cast<const char*>(block), size);
  return true;
}

}  // namespace layermark
