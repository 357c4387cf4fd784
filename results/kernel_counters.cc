#include "results/kernel_counters.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/mount.h"

namespace layermark {
namespace {

std::vector<std::string_view> Words(std::string_view text) {
  constexpr const char* kSpace = " \t\n";
  std::vector<std::string_view> words;
  for (size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpace, end);
  }
  return words;
}

Result<int64_t> Number(std::string_view word) {
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || rest != word.data() + word.size())
    return InvalidArgument(fmt::format("'{}' is no number", word));
  return number;
}

// Inodes of any file system, directory entries, mounts.
bool IsOfFileSystems(std::string_view cache) {
  return cache.find("inode") != std::string_view::npos || cache == "dentry" || cache == "mnt_cache";
}

// The mount that `directory` lies on: of those at the longest path above it, the last one.
Result<MountInfo> MountUnder(const std::string& directory) {
  LM_ASSIGN(const std::vector<MountInfo> mounts, ReadMountInfo());
  const MountInfo* best = nullptr;
  for (const MountInfo& mount : mounts) {
    const std::string& point = mount.mount_point;
    const bool above = point == "/" || directory == point || directory.starts_with(point + "/");
    if (above && (best == nullptr || point.size() >= best->mount_point.size())) best = &mount;
  }
  if (best == nullptr) return NotFound(fmt::format("mountinfo: no mount above {}", directory));
  return *best;
}

}  // namespace

// reads merged sectors ms writes merged sectors ms in_flight ms ms discards merged sectors ms flushes ms
Result<DeviceCounters> ParseBlockStat(const std::string& text) {
  const std::vector<std::string_view> words = Words(text);
  if (words.size() < 16)
    return Unimplemented(fmt::format("block stat: {} numbers, no flushes", words.size()));
  constexpr int64_t kSector = 512;
  LM_ASSIGN(const int64_t read, Number(words[2]));
  LM_ASSIGN(const int64_t written, Number(words[6]));
  LM_ASSIGN(const int64_t flushes, Number(words[15]));
  return DeviceCounters{read * kSector, written * kSector, flushes};
}

Result<DeviceCounters> ReadDevice(const std::string& directory) {
  LM_ASSIGN(const MountInfo mount, MountUnder(directory));
  constexpr std::string_view kLoop = "/dev/loop";
  if (!mount.source.starts_with(kLoop)) {
    return FailedPrecondition(
        fmt::format("the backing stands on {}, not on a device of its own", mount.source));
  }
  LM_ASSIGN(const std::string text,
            ReadFile(fmt::format("/sys/class/block/{}/stat", mount.source.substr(sizeof("/dev/") - 1))));
  return ParseBlockStat(text);
}

// name active_objs num_objs objsize ...
Result<SlabBytes> ParseSlabInfo(const std::string& text) {
  if (!text.starts_with("slabinfo - version: 2."))
    return InvalidArgument(fmt::format("slabinfo: '{}'", text.substr(0, text.find('\n'))));
  SlabBytes slabs;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::vector<std::string_view> words = Words(line);
    if (words.size() < 4 || !IsOfFileSystems(words[0])) continue;
    LM_ASSIGN(const int64_t active, Number(words[1]));
    LM_ASSIGN(const int64_t size, Number(words[3]));
    slabs[std::string(words[0])] += active * size;
  }
  return slabs;
}

Result<SlabBytes> ReadSlabs() {
  LM_ASSIGN(const std::string text, ReadFile("/proc/slabinfo"));
  return ParseSlabInfo(text);
}

SlabBytes Growth(const SlabBytes& before, const SlabBytes& after) {
  SlabBytes growth = after;
  for (const auto& [name, bytes] : before) growth[name] -= bytes;
  std::erase_if(growth, [](const auto& entry) { return entry.second == 0; });
  return growth;
}

int64_t Sum(const SlabBytes& slabs) {
  int64_t sum = 0;
  for (const auto& [name, bytes] : slabs) sum += bytes;
  return sum;
}

Result<int64_t> ParseDentryState(const std::string& text) {
  const std::vector<std::string_view> words = Words(text);
  if (words.empty()) return InvalidArgument("dentry-state: empty");
  return Number(words[0]);
}

Result<int64_t> ReadDentries() {
  LM_ASSIGN(const std::string text, ReadFile("/proc/sys/fs/dentry-state"));
  return ParseDentryState(text);
}

}  // namespace layermark
