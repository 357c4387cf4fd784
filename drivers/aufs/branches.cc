#include "drivers/aufs/branches.h"

#include <fmt/core.h>

namespace layermark::aufs {
namespace {

constexpr char kWritable[] = "=rw";
constexpr char kReadOnly[] = "=ro+wh";

Status CheckPath(const std::string& path) {
  if (path.find_first_of(":=,") == std::string::npos) return Status::Ok();
  return InvalidArgument(path + ": aufs cannot be told of a path with ':', '=' or ','");
}

}  // namespace

Result<std::vector<std::string>> MountOptionsOf(const StackSpec& spec, size_t most) {
  std::vector<std::string> branches;
  if (!spec.upper.empty()) branches.push_back(spec.upper + kWritable);
  for (const std::string& lower : spec.lowers) branches.push_back(lower + kReadOnly);
  if (branches.empty()) return InvalidArgument("aufs: a union of no branches");
  if (branches.size() > most) {
    return Status(Code::kResourceExhausted,
                  fmt::format("aufs: {} branches; this kernel takes {} (CONFIG_AUFS_BRANCH_MAX)",
                              branches.size(), most));
  }
  LM_TRY(CheckPath(spec.upper));
  for (const std::string& lower : spec.lowers) LM_TRY(CheckPath(lower));
  std::vector<std::string> options;
  for (const std::string& branch : branches)
    options.push_back((options.empty() ? "br=" : "append=") + branch);
  options.push_back("xino=" + (spec.upper.empty() ? spec.lowers[0] : spec.upper) + ".xino");
  options.insert(options.end(), {"dio", "dirperm1"});
  if (spec.upper.empty()) options.emplace_back("ro");
  options.insert(options.end(), spec.options.begin(), spec.options.end());
  return options;
}

bool IsBaseFile(const std::string& name) {
  return name.starts_with(".wh..wh.") && name != ".wh..wh..opq";
}

}  // namespace layermark::aufs
