#include "conformance/fuzz/system_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
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
  int dots = 0;                  // "." and "..", which must come once each
};

constexpr size_t kSmallBuffer = 320;  // holds one entry of the longest name

// One call of getdents; calls each(name, entry). The bytes read, 0 at the end, -1 with errno.
template <typename Fn>
long ReadSome(int fd, size_t size, Fn each) {
  char buffer[8192];
  const long n = syscall(SYS_getdents64, fd, buffer, size);
  for (long at = 0; at < n;) {
    dirent64 entry{};
    const char* record = buffer + at;
    std::memcpy(&entry, record, offsetof(dirent64, d_name));
    each(record + offsetof(dirent64, d_name), entry);
    at += entry.d_reclen;
  }
  return n;
}

bool IsDot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

// Reads to the end; 0 or errno.
int ReadNames(int fd, size_t size, Names* names) {
  for (;;) {
    const long n = ReadSome(fd, size, [&](const char* name, const dirent64& entry) {
      if (IsDot(name)) {
        ++names->dots;
        return;
      }
      names->all.push_back(fmt::format("{}/{}", name, entry.d_type));
      names->offsets.push_back(entry.d_off);
    });
    if (n < 0) return errno;
    if (n == 0) return 0;
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

std::string TimeText(const timespec& time, int64_t recent_ns) {
  if (recent_ns != 0 && time.tv_sec >= recent_ns / 1'000'000'000) return "recent";
  return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

std::string AttributesOf(const struct stat& st, int64_t recent_ns) {
  const FileType type = FileTypeFromMode(st.st_mode);
  std::string text = fmt::format("type={} mode={:o} uid={} gid={}", FileTypeName(type), st.st_mode & 07777,
                                 st.st_uid, st.st_gid);
  if (type == FileType::kRegular || type == FileType::kSymlink) text += fmt::format(" size={}", st.st_size);
  text += fmt::format(" {}={}", type == FileType::kDirectory ? "dirlinks" : "nlink", st.st_nlink);
  if (type == FileType::kCharDevice || type == FileType::kBlockDevice)
    text += fmt::format(" rdev={}", st.st_rdev);
  return text + " mtime=" + TimeText(st.st_mtim, recent_ns);
}

timespec TimeOf(int64_t ns) {
  if (ns == kTimeOmit) return {0, UTIME_OMIT};
  if (ns == kTimeNow) return {0, UTIME_NOW};
  int64_t seconds = ns / 1'000'000'000;
  int64_t rest = ns % 1'000'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000'000;
  }
  return {seconds, rest};
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
  if (lseek(fd, 0, SEEK_SET) < 0) return Done(-1);
  Names names;
  if (const int error = ReadNames(fd, in_pieces ? kSmallBuffer : 8192, &names); error != 0)
    return {error, 0, ""};
  Outcome outcome;
  if (names.dots != 2) outcome.seen = fmt::format("dots={} ", names.dots);
  if (in_pieces && names.all.size() > 2) {
    // Where the names stand differs between file systems; that a position keeps its meaning does not.
    const size_t half = names.all.size() / 2;
    Names again;
    if (lseek(fd, names.offsets[half], SEEK_SET) < 0) return Done(-1);
    if (const int error = ReadNames(fd, 8192, &again); error != 0) return {error, 0, ""};
    const std::vector<std::string> rest(names.all.begin() + static_cast<long>(half) + 1, names.all.end());
    outcome.seen += rest == again.all ? "again=same " : "again=other ";
  }
  std::sort(names.all.begin(), names.all.end());
  std::string text;
  for (const std::string& name : names.all) text += name + ' ';
  outcome.value = static_cast<int64_t>(names.all.size());
  outcome.seen += "names=" + (text.size() < 200 ? text : Shown(text));
  return outcome;
}

Outcome ListInodes(int fd) {
  std::map<std::string, ino_t> numbers;
  for (;;) {
    const long n = ReadSome(fd, 8192, [&](const char* name, const dirent64& entry) {
      if (!IsDot(name)) numbers[name] = entry.d_ino;
    });
    if (n < 0) return Done(-1);
    if (n == 0) break;
  }
  Outcome outcome{0, static_cast<int64_t>(numbers.size()), "others="};
  for (const auto& [name, number] : numbers) {
    struct stat st {};
    if (fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      outcome.seen += fmt::format("{}:{},", Shown(name), ErrnoName(errno));
    } else if (st.st_ino != number) {
      outcome.seen += Shown(name) + ",";
    }
  }
  return outcome;
}

Outcome ListRemove(int fd) {
  Outcome outcome;
  int error = 0;
  for (int calls = 0;; ++calls) {
    std::vector<std::string> files;
    const long n = ReadSome(fd, kSmallBuffer, [&](const char* name, const dirent64& entry) {
      if (!IsDot(name) && entry.d_type != DT_DIR) files.emplace_back(name);
    });
    if (n < 0) return Done(-1);
    if (n == 0 || calls > 100'000) break;
    for (const std::string& name : files) {
      const bool gone = unlinkat(fd, name.c_str(), 0) == 0;
      if (!gone && error == 0) error = errno;
      outcome.value += gone ? 1 : 0;
    }
  }
  outcome.seen = fmt::format("first={} ", ErrnoName(error)) + ListNames(fd, false).seen;
  return outcome;
}

Outcome ListCreate(int fd) {
  Names before;
  if (const int error = ReadNames(fd, 8192, &before); error != 0) return {error, 0, ""};
  if (lseek(fd, 0, SEEK_SET) < 0) return Done(-1);
  std::map<std::string, int> came;
  int error = 0;
  for (int calls = 0;; ++calls) {
    const long n = ReadSome(fd, kSmallBuffer, [&](const char* name, const dirent64& entry) {
      ++came[fmt::format("{}/{}", name, entry.d_type)];
    });
    if (n < 0) return Done(-1);
    if (n == 0 || calls > 100'000) break;
    for (int i = 0; calls == 0 && i < 4; ++i) {
      const Fd made(
          openat(fd, fmt::format("made{}", i).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
      if (!made.valid() && error == 0) error = errno;
    }
  }
  Outcome outcome;
  outcome.seen = fmt::format("first={} twice=", ErrnoName(error));
  for (const auto& [name, times] : came) {
    if (times > 1) outcome.seen += name + ",";
  }
  outcome.seen += " missing=";
  std::sort(before.all.begin(), before.all.end());
  for (const std::string& name : before.all) {
    if (!came.contains(name)) outcome.seen += name + ",";
  }
  return outcome;
}

}  // namespace layermark::fuzz_internal
