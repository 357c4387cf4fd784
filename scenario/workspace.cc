#include "scenario/workspace.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/sys/fd.h"
#include "core/sys/mount.h"
#include "core/sys/temp_tree.h"

namespace layermark {
namespace {

std::string& Workspace() {
  static std::string path;
  return path;
}

std::string& Disk() {
  static std::string path;
  return path;
}

// Without symlinks as far as it exists; the rest as written.
std::string Resolve(const std::string& path) {
  std::error_code error;
  std::filesystem::path resolved = std::filesystem::weakly_canonical(path, error);
  return error ? std::filesystem::absolute(path, error).lexically_normal().string() : resolved.string();
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

// What every run needs to see, whatever the caller asked for: where it stands, its own program, PATH.
std::vector<std::string> AlwaysNeeded() {
  std::vector<std::string> paths;
  std::error_code error;
  paths.push_back(std::filesystem::current_path(error).string());
  paths.push_back(std::filesystem::read_symlink("/proc/self/exe", error).string());
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) paths.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return paths;
}

std::optional<int64_t> NumberIn(const std::string& file, std::string_view key) {
  Result<std::string> text = ReadFile(file, size_t{1} << 20);
  if (!text.ok()) return std::nullopt;
  size_t at = key.empty() ? 0 : text->find(key);
  if (at == std::string::npos) return std::nullopt;
  at = text->find_first_not_of(" \t", at + key.size());
  if (at == std::string::npos) return std::nullopt;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text->data() + at, text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

int64_t AvailableMemoryBytes() {
  int64_t available = NumberIn("/proc/meminfo", "MemAvailable:").value_or(int64_t{1} << 20) * 1024;
  // A control group may allow less than the machine has.
  struct {
    const char* limit;
    const char* used;
  } const groups[] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
  };
  for (const auto& group : groups) {
    std::optional<int64_t> limit = NumberIn(group.limit, ""), used = NumberIn(group.used, "");
    if (limit && used) available = std::min(available, std::max<int64_t>(*limit - *used, 0));
  }
  return available;
}

}  // namespace

Status CreateWorkspace(const std::vector<std::string>& needed, int64_t ram_bytes) {
  if (!Workspace().empty()) return FailedPrecondition("the workspace exists already: " + Workspace());
  std::vector<std::string> keep;
  for (const std::string& path : needed) keep.push_back(Resolve(path));
  for (const std::string& path : AlwaysNeeded()) keep.push_back(Resolve(path));
  if (!Disk().empty()) keep.push_back(Resolve(Disk()));
  LM_ASSIGN(std::vector<MountInfo> mounts, ReadMountInfo());

  // A directory below which something is mounted comes last: that may be in use by others.
  std::string free_choice, busy_choice, refused;
  for (const char* candidate : {"/mnt", "/media", "/srv"}) {
    struct stat st = {};
    if (lstat(candidate, &st) != 0 || !S_ISDIR(st.st_mode)) {
      refused += std::string(candidate) + " is no directory; ";
      continue;
    }
    auto user =
        std::find_if(keep.begin(), keep.end(), [&](const std::string& p) { return IsBelow(p, candidate); });
    if (user != keep.end()) {
      refused += std::string(candidate) + " holds " + *user + "; ";
      continue;
    }
    bool busy = std::any_of(mounts.begin(), mounts.end(),
                            [&](const MountInfo& m) { return IsBelow(m.mount_point, candidate); });
    std::string& choice = busy ? busy_choice : free_choice;
    if (choice.empty()) choice = candidate;
  }
  const std::string& choice = free_choice.empty() ? busy_choice : free_choice;
  if (choice.empty()) return FailedPrecondition("no directory to mount the workspace on: " + refused);
  Status mounted =
      MountFilesystem("tmpfs", "layermark", choice,
                      {"size=" + std::to_string(std::max<int64_t>(ram_bytes, 1 << 20)), "mode=0755"});
  if (!mounted.ok()) return mounted.WithContext("workspace on " + choice);
  Workspace() = choice;
  return {};
}

const std::string& WorkspacePath() {
  return Workspace();
}

Result<std::string> WorkspaceDirectory(const std::string& prefix) {
  if (Workspace().empty()) return FailedPrecondition("there is no workspace");
  return MakeTempDirectory(Workspace(), prefix, 0755);
}

int64_t RamBudgetBytes() {
  return std::min(AvailableMemoryBytes() / 4, int64_t{4} << 30);
}

void SetDiskDirectory(const std::string& directory) {
  Disk() = directory;
}

const std::string& DiskDirectory() {
  if (Disk().empty()) {
    const char* tmpdir = std::getenv("TMPDIR");
    Disk() = tmpdir != nullptr && *tmpdir != '\0' ? tmpdir : "/var/tmp";
  }
  return Disk();
}

}  // namespace layermark
