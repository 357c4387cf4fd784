#include "drivers/unionfs_fuse/branches.h"

#include <sys/resource.h>

namespace layermark::unionfs {
namespace {

// The program keeps every branch open; with more the usual limit of 1024 descriptors gets tight.
constexpr size_t kManyBranches = 256;

// The most descriptors that the program may have without a privilege; 0: not known.
rlim_t MostFiles() {
  struct rlimit limit = {};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY ? limit.rlim_max : 0;
}

Status CheckPath(const std::string& path) {
  if (path.find_first_of(":=") == std::string::npos) return Status::Ok();
  return InvalidArgument(path + ": unionfs-fuse cannot be told of a path with ':' or '='");
}

}  // namespace

std::vector<std::string> MountOptionsOf(const StackSpec& spec) {
  std::string dirs = "dirs=";
  if (!spec.upper.empty()) dirs += spec.upper + "=RW";
  for (const std::string& lower : spec.lowers) dirs += (dirs.back() == '=' ? "" : ":") + lower + "=RO";
  std::vector<std::string> options = {dirs, "cow", "allow_other", "suid", "dev"};
  if (const rlim_t most = MostFiles(); most != 0 && spec.lowers.size() > kManyBranches)
    options.push_back("max_files=" + std::to_string(most));
  if (spec.upper.empty()) options.emplace_back("ro");
  return options;
}

Status CheckPaths(const StackSpec& spec) {
  LM_TRY(CheckPath(spec.upper));
  for (const std::string& lower : spec.lowers) LM_TRY(CheckPath(lower));
  return Status::Ok();
}

}  // namespace layermark::unionfs
