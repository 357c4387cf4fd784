// Looking at mounts: mount points, mount ids, the mount table as the calling thread sees it.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "core/sys/mount.h"
#include "core/sys/mount_internal.h"

namespace layermark {
namespace {

// "\040" -> " ": the kernel writes space, tab, newline and '\' as octal numbers.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr == text.data() + i + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const size_t space = std::min(line.find(' '), line.size());
    out.push_back(line.substr(0, space));
    line.remove_prefix(std::min(space + 1, line.size()));
  }
  return out;
}

bool ToNumber(std::string_view text, unsigned& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// 36 35 98:0 /root /mount/point rw,noatime [optional fields...] - type source super,options
bool ParseLine(std::string_view line, MountInfo& out) {
  const std::vector<std::string_view> words = Words(line);
  size_t separator = 6;
  while (separator < words.size() && words[separator] != "-") ++separator;
  if (separator + 3 >= words.size()) return false;
  unsigned id = 0;
  unsigned parent = 0;
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const size_t colon = words[2].find(':');
  if (colon == std::string_view::npos || !ToNumber(words[0], id) || !ToNumber(words[1], parent) ||
      !ToNumber(words[2].substr(0, colon), major_number) ||
      !ToNumber(words[2].substr(colon + 1), minor_number)) {
    return false;
  }
  out.id = static_cast<int>(id);
  out.parent_id = static_cast<int>(parent);
  out.dev = makedev(major_number, minor_number);
  out.root = Unescape(words[3]);
  out.mount_point = Unescape(words[4]);
  out.mount_options = words[5];
  out.type = Unescape(words[separator + 1]);
  out.source = Unescape(words[separator + 2]);
  out.super_options = Unescape(words[separator + 3]);
  return true;
}

}  // namespace

Result<std::vector<MountInfo>> ReadMountInfo() {
  LM_ASSIGN(const std::string text, ReadFile("/proc/thread-self/mountinfo"));
  std::vector<MountInfo> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    MountInfo info;
    if (!ParseLine(line, info)) return Internal(fmt::format("mountinfo: cannot read the line '{}'", line));
    out.push_back(std::move(info));
  }
  return out;
}

Result<bool> IsMountPoint(const std::string& path) {
  struct statx stx;
  const int flags = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (statx(AT_FDCWD, path.c_str(), flags, STATX_MNT_ID, &stx) != 0) return Status::Errno("statx", path);
  if ((stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) {
    return Status(Code::kUnimplemented, "statx: the kernel does not tell mount roots (before Linux 5.8)");
  }
  return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<uint64_t> internal::MountIdOf(int fd, std::string_view shown) {
  struct statx stx;
  if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) != 0) {
    return Status::Errno("statx", shown);
  }
  return stx.stx_mnt_id;
}

}  // namespace layermark
