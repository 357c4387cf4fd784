#include "bench/harness/mapped_mounts.h"

#include <sys/mount.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/sys/fd.h"

namespace layermark {
namespace {

constexpr std::string_view kLower = "lowerdir=";

// "/a/b" of "/a/b/1/fs" and "/a/b/2/fs"; a lone path's parent.
std::string CommonParent(const std::vector<std::string>& paths) {
  std::string common = paths.front();
  for (const std::string& path : paths) {
    const auto ends = std::mismatch(common.begin(), common.end(), path.begin(), path.end());
    common.erase(ends.first, common.end());
  }
  return common.substr(0, common.rfind('/'));
}

}  // namespace

MappedMounts& MappedMounts::operator=(MappedMounts&& other) noexcept {
  std::swap(mounts_, other.mounts_);
  std::swap(bound_, other.bound_);
  return *this;
}

MappedMounts::~MappedMounts() {
  for (; !bound_.empty(); bound_.pop_back()) (void)UnmountPath(bound_.back(), MNT_DETACH);
}

Status MappedMounts::Unmount() {
  for (; !bound_.empty(); bound_.pop_back()) LM_TRY(UnmountPath(bound_.back()));
  return Status::Ok();
}

Result<std::string> MappedMounts::Bind(const IdMapping& mapping, const std::string& source,
                                       const std::string& target) {
  LM_TRY(MakeDirs(target));
  LM_TRY(mapping.Bind(source, target));
  bound_.push_back(target);
  return target;
}

Result<MappedMounts> MappedMounts::Make(const IdMapping& mapping, const std::vector<Mount>& mounts,
                                        const std::string& scratch, MapStyle style) {
  MappedMounts mapped;
  mapped.mounts_ = mounts;
  size_t number = 0;
  for (Mount& mount : mapped.mounts_) {
    if (mount.type == "bind") {
      LM_ASSIGN(mount.source, mapped.Bind(mapping, mount.source, scratch + "/" + std::to_string(number++)));
      continue;
    }
    const std::vector<std::string> lowers = MountOptions(mount, "lowerdir");
    if (lowers.empty()) continue;
    std::string parent, bound_parent;
    if (style == MapStyle::kParent) {
      parent = CommonParent(lowers);
      LM_ASSIGN(bound_parent, mapped.Bind(mapping, parent, scratch + "/" + std::to_string(number++)));
    }
    for (std::string& option : mount.options) {
      if (!option.starts_with(kLower)) continue;
      const std::string lower = option.substr(kLower.size());
      if (style == MapStyle::kParent) {
        option = std::string(kLower) + bound_parent + lower.substr(parent.size());
      } else {
        LM_ASSIGN(const std::string bound,
                  mapped.Bind(mapping, lower, scratch + "/" + std::to_string(number++)));
        option = std::string(kLower) + bound;
      }
    }
  }
  return mapped;
}

}  // namespace layermark
