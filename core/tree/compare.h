// Comparison of two manifests that names every difference.
#ifndef LAYERMARK_CORE_TREE_COMPARE_H_
#define LAYERMARK_CORE_TREE_COMPARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/tree/manifest.h"

namespace layermark {

struct Difference {
  std::string path;
  std::string field;  // "missing", "unexpected", "type", "permissions", "uid", "gid", "size", "digest",
                      // "link_target", "rdev", "mtime", "link_group", "xattr:NAME", "holes"
  std::string expected;
  std::string actual;
};
std::string ToString(const Difference& difference);  // "etc/x: mtime: expected 12.5, got 12"

struct CompareOptions {
  bool mtimes = true;
  // Times of the day after this are "made during the test": two such times are equal whatever they are. 0:
  // off.
  int64_t recent_after_ns = 0;
  bool root_attributes = true;  // compare the root entry's own attributes
  bool hard_links = true;
  bool xattrs = true;
  // A file whose expected data_bytes are far below its size must stay sparse: the difference "holes" is named
  // where actual data_bytes exceed expected by more than this. -1: not compared.
  int64_t hole_tolerance_bytes = 64 * 1024;
  std::vector<std::string> ignored_paths;  // exact paths, with everything below
};

// All differences, sorted by path, then field. Empty means equal.
std::vector<Difference> Compare(const Manifest& expected, const Manifest& actual,
                                const CompareOptions& options = {});
// The first `limit` of them on lines of their own, and how many more there are; for messages.
std::string Describe(const std::vector<Difference>& differences, size_t limit = 8);

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_COMPARE_H_
