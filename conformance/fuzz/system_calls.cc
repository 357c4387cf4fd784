#include "conformance/fuzz/system_calls.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/tree/manifest.h"

namespace layermark::fuzz_internal {
namespace {

constexpr size_t kShownBytes = 40;
constexpr size_t kMaxRead = size_t{2} << 20;

// FNV-1a: fast, and good enough to see that two contents differ.
uint64_t Hash(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

struct Names {
  std::vector<std::string> all;
  std::vector<int64_t> offsets;  // d_off of each
};

// Reads to the end; 0 or errno.
int ReadNames(int fd, char* buffer, size_t size, Names* names) {
  for (;;) {
    const long n = syscall(SYS_getdents64, fd, buffer, size);
    if (n < 0) return errno;
    if (n == 0) return 0;
    for (long at = 0; at < n;) {
      dirent64 entry{};
      const char* record = buffer + at;
      std::memcpy(&entry, record, offsetof(dirent64, d_name));
      const char* name = record + offsetof(dirent64, d_name);
      if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) {
        names->all.push_back(fmt::format("{}/{}", name, entry.d_type));
        names->offsets.push_back(entry.d_off);
      }
      at += entry.d_reclen;
    }
    if (names->all.size() > 100'000) return ELOOP;  // a directory that never ends
  }
}

}  // namespace

std::string Shown(std::string_view bytes) {
  const bool plain = bytes.size() <= kShownBytes && std::all_of(bytes.begin(), bytes.end(), [](char c) {
                       return c > ' ' && c < 0x7f && c != '=';
                     });
  if (plain) return std::string(bytes);
  return fmt::format("{}#{:016x}", bytes.size(), Hash(bytes));
}

std::string AttributesOf(const struct stat& st) {
  const FileType type = FileTypeFromMode(st.st_mode);
  std::string text = fmt::format("type={} mode={:o} uid={} gid={}", FileTypeName(type), st.st_mode & 07777,
                                 st.st_uid, st.st_gid);
  if (type == FileType::kRegular || type == FileType::kSymlink) text += fmt::format(" size={}", st.st_size);
  if (type != FileType::kDirectory) text += fmt::format(" nlink={}", st.st_nlink);
  if (type == FileType::kCharDevice || type == FileType::kBlockDevice)
    text += fmt::format(" rdev={}", st.st_rdev);
  return text;
}

Outcome ReadFrom(int fd, int64_t offset, int64_t size) {
  static const std::unique_ptr<char[]> buffer(new char[kMaxRead]);
  const size_t want = std::min(static_cast<size_t>(size), kMaxRead);
  const ssize_t n = offset < 0 ? read(fd, buffer.get(), want) : pread(fd, buffer.get(), want, offset);
  Outcome outcome = Counted(n);
  if (n > 0) outcome.seen = Shown({buffer.get(), static_cast<size_t>(n)});
  return outcome;
}

Outcome ListNames(int fd, bool in_pieces) {
  char buffer[8192];
  if (lseek(fd, 0, SEEK_SET) < 0) return Done(-1);
  Names names;
  // 320 bytes hold one entry of the longest name.
  if (const int error = ReadNames(fd, buffer, in_pieces ? 320 : sizeof buffer, &names); error != 0) {
    return {error, 0, ""};
  }
  Outcome outcome;
  if (in_pieces && names.all.size() > 2) {
    // Where the names stand differs between file systems; that a position keeps its meaning does not.
    const size_t half = names.all.size() / 2;
    Names again;
    if (lseek(fd, names.offsets[half], SEEK_SET) < 0) return Done(-1);
    if (const int error = ReadNames(fd, buffer, sizeof buffer, &again); error != 0) return {error, 0, ""};
    const std::vector<std::string> rest(names.all.begin() + static_cast<long>(half) + 1, names.all.end());
    outcome.seen = rest == again.all ? "again=same " : "again=other ";
  }
  std::sort(names.all.begin(), names.all.end());
  std::string text;
  for (const std::string& name : names.all) text += name + ' ';
  outcome.value = static_cast<int64_t>(names.all.size());
  outcome.seen += "names=" + (text.size() < 200 ? text : Shown(text));
  return outcome;
}

}  // namespace layermark::fuzz_internal
