// Reading the options of a Mount.
#include <sys/mount.h>

#include <array>

#include "core/sys/mount.h"
#include "core/sys/mount_internal.h"

namespace layermark {

namespace internal {
namespace {

struct AttributeWord {
  std::string_view word;
  uint64_t attribute;     // MOUNT_ATTR_*
  unsigned long ms_flag;  // MS_*
  bool clears;            // the word takes the bits away
};
constexpr uint64_t kAttributeNoSymlinks = 0x00200000;  // MOUNT_ATTR_NOSYMFOLLOW, newer than the C library
constexpr unsigned long kMsNoSymlinks = 256;           // MS_NOSYMFOLLOW
constexpr std::array kAttributeWords = {
    AttributeWord{"ro", MOUNT_ATTR_RDONLY, MS_RDONLY, false},
    AttributeWord{"rw", MOUNT_ATTR_RDONLY, MS_RDONLY, true},
    AttributeWord{"nosuid", MOUNT_ATTR_NOSUID, MS_NOSUID, false},
    AttributeWord{"suid", MOUNT_ATTR_NOSUID, MS_NOSUID, true},
    AttributeWord{"nodev", MOUNT_ATTR_NODEV, MS_NODEV, false},
    AttributeWord{"dev", MOUNT_ATTR_NODEV, MS_NODEV, true},
    AttributeWord{"noexec", MOUNT_ATTR_NOEXEC, MS_NOEXEC, false},
    AttributeWord{"exec", MOUNT_ATTR_NOEXEC, MS_NOEXEC, true},
    AttributeWord{"nodiratime", MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, false},
    AttributeWord{"diratime", MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, true},
    AttributeWord{"nosymfollow", kAttributeNoSymlinks, kMsNoSymlinks, false},
    AttributeWord{"symfollow", kAttributeNoSymlinks, kMsNoSymlinks, true},
    AttributeWord{"defaults", 0, 0, false},
};
// Of these the last one given holds.
constexpr std::array kAtimeWords = {
    AttributeWord{"relatime", MOUNT_ATTR_RELATIME, MS_RELATIME, false},
    AttributeWord{"noatime", MOUNT_ATTR_NOATIME, MS_NOATIME, false},
    AttributeWord{"strictatime", MOUNT_ATTR_STRICTATIME, MS_STRICTATIME, false},
};
struct PropagationWord {
  std::string_view word;
  unsigned long flags;
};
constexpr std::array kPropagationWords = {
    PropagationWord{"private", MS_PRIVATE}, PropagationWord{"rprivate", MS_PRIVATE | MS_REC},
    PropagationWord{"slave", MS_SLAVE},     PropagationWord{"rslave", MS_SLAVE | MS_REC},
    PropagationWord{"shared", MS_SHARED},   PropagationWord{"rshared", MS_SHARED | MS_REC},
};

bool TakeWord(const std::string& option, MountWords& out) {
  for (const AttributeWord& row : kAttributeWords) {
    if (option != row.word) continue;
    if (row.clears) {
      out.attributes &= ~row.attribute;
      out.ms_flags &= ~row.ms_flag;
    } else {
      out.attributes |= row.attribute;
      out.ms_flags |= row.ms_flag;
    }
    return true;
  }
  for (const AttributeWord& row : kAtimeWords) {
    if (option != row.word) continue;
    out.attributes = (out.attributes & ~uint64_t{MOUNT_ATTR__ATIME}) | row.attribute;
    constexpr unsigned long kTimes = MS_RELATIME | MS_NOATIME | MS_STRICTATIME;
    out.ms_flags = (out.ms_flags & ~kTimes) | row.ms_flag;
    out.sets_atime = true;
    return true;
  }
  for (const PropagationWord& row : kPropagationWords) {
    if (option != row.word) continue;
    out.ms_propagation = row.flags;
    return true;
  }
  if (option == "bind" || option == "rbind") {
    out.bind = true;
    out.recursive = out.recursive || option == "rbind";
    return true;
  }
  return false;
}

}  // namespace

MountWords SortOptions(const std::vector<std::string>& options) {
  MountWords out;
  for (const std::string& option : options) {
    if (option.empty() || TakeWord(option, out)) continue;
    if (option.starts_with("subvol=") || option.starts_with("subvolid=")) out.shares_superblock = true;
    out.filesystem.push_back(option);
  }
  out.read_only = (out.attributes & MOUNT_ATTR_RDONLY) != 0;
  return out;
}

KeyValue SplitOption(const std::string& option) {
  const size_t equals = option.find('=');
  if (equals == std::string::npos) return {option, "", false};
  return {option.substr(0, equals), option.substr(equals + 1), true};
}

bool IsLayerPathKey(std::string_view key) {
  return key == "lowerdir" || key == "lowerdir+" || key == "datadir+" || key == "upperdir" ||
         key == "workdir";
}

std::string EscapeWith(std::string_view text, std::string_view special) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace internal

std::string MountOption(const Mount& mount, std::string_view key) {
  std::vector<std::string> all = MountOptions(mount, key);
  return all.empty() ? std::string() : std::move(all.front());
}

std::vector<std::string> MountOptions(const Mount& mount, std::string_view key) {
  std::vector<std::string> out;
  for (const std::string& option : mount.options) {
    if (option.size() > key.size() && option.starts_with(key) && option[key.size()] == '=') {
      out.push_back(option.substr(key.size() + 1));
    }
  }
  return out;
}

bool HasMountFlag(const Mount& mount, std::string_view flag) {
  for (const std::string& option : mount.options) {
    if (option == flag) return true;
  }
  return false;
}

std::vector<std::string> SplitLayerList(std::string_view list) {
  std::vector<std::string> out;
  if (list.empty()) return out;
  out.emplace_back();
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size()) {
      out.back() += list[++i];
    } else if (list[i] == ':') {
      out.emplace_back();
    } else {
      out.back() += list[i];
    }
  }
  return out;
}

}  // namespace layermark
