#include "core/tree/compare.h"

#include <fmt/core.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/tree/printable.h"

namespace layermark {
namespace {

constexpr size_t kShownValueBytes = 48;

bool IsBelow(const std::string& path, const std::string& top) {
  return top.empty() ? !path.empty()
                     : path.size() > top.size() && path.starts_with(top) && path[top.size()] == '/';
}

bool IsIgnored(const std::string& path, const CompareOptions& options) {
  return std::any_of(options.ignored_paths.begin(), options.ignored_paths.end(),
                     [&](const std::string& top) { return path == top || IsBelow(path, top); });
}

std::string DeviceText(dev_t rdev) {
  return fmt::format("{}:{}", major(rdev), minor(rdev));
}

std::string LinkGroupText(const std::string& group) {
  return group.empty() ? "none" : Printable(group);
}

std::string XattrText(const Xattr* xattr) {
  if (xattr == nullptr) return "absent";
  return fmt::format("\"{}\" ({} bytes)", Printable(xattr->value, kShownValueBytes), xattr->value.size());
}

// "directory with 12 entries below": what a missing or unexpected name stands for.
std::string SubtreeText(const Manifest& manifest, const std::string& path, const Entry& entry) {
  std::string text(FileTypeName(entry.type));
  if (entry.type != FileType::kDirectory) return text;
  const std::string prefix = path.empty() ? "" : path + "/";
  size_t below = 0;
  for (auto it = manifest.entries.upper_bound(prefix);
       it != manifest.entries.end() && it->first.starts_with(prefix); ++it) {
    ++below;
  }
  if (below > 0) text += fmt::format(" with {} {} below", below, below == 1 ? "entry" : "entries");
  return text;
}

class Comparison {
 public:
  Comparison(const Manifest& expected, const Manifest& actual, const CompareOptions& options)
      : expected_(expected), actual_(actual), options_(options) {}

  std::vector<Difference> Run();

 private:
  void CompareEntries(const std::string& path, const Entry& expected, const Entry& actual);
  void CompareContent(const std::string& path, const Entry& expected, const Entry& actual);
  void CompareXattrs(const std::string& path, const Entry& expected, const Entry& actual);
  void Add(const std::string& path, std::string field, std::string expected, std::string actual) {
    found_.push_back({path, std::move(field), std::move(expected), std::move(actual)});
  }

  const Manifest& expected_;
  const Manifest& actual_;
  const CompareOptions& options_;
  std::vector<Difference> found_;
};

void Comparison::CompareContent(const std::string& path, const Entry& expected, const Entry& actual) {
  if (expected.size_bytes != actual.size_bytes) {
    Add(path, "size", fmt::format("{}", expected.size_bytes), fmt::format("{}", actual.size_bytes));
  }
  // Empty: read without digests.
  if (expected.digest != actual.digest && !expected.digest.empty() && !actual.digest.empty()) {
    Add(path, "digest", expected.digest, actual.digest);
  }
  // -1: read without looking for holes.
  const bool holes_known = expected.data_bytes >= 0 && actual.data_bytes >= 0;
  if (options_.hole_tolerance_bytes >= 0 && holes_known && expected.size_bytes == actual.size_bytes &&
      actual.data_bytes - expected.data_bytes > options_.hole_tolerance_bytes) {
    Add(path, "holes", fmt::format("{} bytes of data in {}", expected.data_bytes, expected.size_bytes),
        fmt::format("{}", actual.data_bytes));
  }
}

void Comparison::CompareXattrs(const std::string& path, const Entry& expected, const Entry& actual) {
  auto left = expected.xattrs.begin();
  auto right = actual.xattrs.begin();
  while (left != expected.xattrs.end() || right != actual.xattrs.end()) {
    if (right == actual.xattrs.end() || (left != expected.xattrs.end() && left->name < right->name)) {
      Add(path, "xattr:" + left->name, XattrText(&*left), XattrText(nullptr));
      ++left;
    } else if (left == expected.xattrs.end() || right->name < left->name) {
      Add(path, "xattr:" + right->name, XattrText(nullptr), XattrText(&*right));
      ++right;
    } else {
      if (left->value != right->value)
        Add(path, "xattr:" + left->name, XattrText(&*left), XattrText(&*right));
      ++left;
      ++right;
    }
  }
}

void Comparison::CompareEntries(const std::string& path, const Entry& expected, const Entry& actual) {
  if (expected.type != actual.type) {
    // The rest of two different things is not worth a line each.
    Add(path, "type", SubtreeText(expected_, path, expected), SubtreeText(actual_, path, actual));
    return;
  }
  if (path.empty() && !options_.root_attributes) return;
  if (expected.permissions != actual.permissions) {
    Add(path, "permissions", fmt::format("{:04o}", expected.permissions),
        fmt::format("{:04o}", actual.permissions));
  }
  if (expected.uid != actual.uid) {
    Add(path, "uid", fmt::format("{}", expected.uid), fmt::format("{}", actual.uid));
  }
  if (expected.gid != actual.gid) {
    Add(path, "gid", fmt::format("{}", expected.gid), fmt::format("{}", actual.gid));
  }
  if (expected.type == FileType::kRegular) CompareContent(path, expected, actual);
  if (expected.link_target != actual.link_target) {
    Add(path, "link_target", Printable(expected.link_target), Printable(actual.link_target));
  } else if (expected.type == FileType::kSymlink && expected.size_bytes != actual.size_bytes) {
    Add(path, "size", fmt::format("{}", expected.size_bytes), fmt::format("{}", actual.size_bytes));
  }
  if (expected.rdev != actual.rdev) Add(path, "rdev", DeviceText(expected.rdev), DeviceText(actual.rdev));
  if (options_.mtimes && expected.mtime_ns != actual.mtime_ns) {
    const int64_t recent = options_.recent_after_ns;
    // A time of years to come was stated, not made during the test.
    constexpr int64_t kDayNs = 86'400'000'000'000;
    const auto made_now = [recent](int64_t ns) { return ns >= recent && ns - recent < kDayNs; };
    const bool both_recent = recent > 0 && made_now(expected.mtime_ns) && made_now(actual.mtime_ns);
    if (!both_recent) Add(path, "mtime", SecondsText(expected.mtime_ns), SecondsText(actual.mtime_ns));
  }
  if (options_.hard_links && expected.link_group != actual.link_group) {
    Add(path, "link_group", LinkGroupText(expected.link_group), LinkGroupText(actual.link_group));
  }
  if (options_.xattrs) CompareXattrs(path, expected, actual);
}

std::vector<Difference> Comparison::Run() {
  auto left = expected_.entries.begin();
  auto right = actual_.entries.begin();
  const auto left_end = expected_.entries.end();
  const auto right_end = actual_.entries.end();
  // Directories that one side lacks, or has as something else: what is below was said with them. Several,
  // because byte order puts "a-b" between "a" and "a/b".
  std::vector<const std::string*> open_tops;
  auto is_settled = [&](const std::string& path) {
    while (!open_tops.empty() && !path.starts_with(*open_tops.back())) open_tops.pop_back();
    return std::any_of(open_tops.begin(), open_tops.end(),
                       [&](const std::string* top) { return IsBelow(path, *top); });
  };
  while (left != left_end || right != right_end) {
    const bool only_left = right == right_end || (left != left_end && left->first < right->first);
    const bool only_right = !only_left && (left == left_end || right->first < left->first);
    const std::string& path = only_right ? right->first : left->first;
    if (!is_settled(path) && !IsIgnored(path, options_)) {
      if (only_left) {
        Add(path, "missing", SubtreeText(expected_, path, left->second), "nothing");
        open_tops.push_back(&path);
      } else if (only_right) {
        Add(path, "unexpected", "nothing", SubtreeText(actual_, path, right->second));
        open_tops.push_back(&path);
      } else {
        CompareEntries(path, left->second, right->second);
        if (left->second.type != right->second.type) open_tops.push_back(&path);
      }
    }
    if (!only_right) ++left;
    if (!only_left) ++right;
  }
  std::stable_sort(found_.begin(), found_.end(), [](const Difference& a, const Difference& b) {
    return std::tie(a.path, a.field) < std::tie(b.path, b.field);
  });
  return std::move(found_);
}

}  // namespace

std::string ToString(const Difference& difference) {
  const std::string path = difference.path.empty() ? "/" : Printable(difference.path);
  if (difference.field == "missing") return fmt::format("{}: missing: {}", path, difference.expected);
  if (difference.field == "unexpected") return fmt::format("{}: unexpected: {}", path, difference.actual);
  return fmt::format("{}: {}: expected {}, got {}", path, Printable(difference.field), difference.expected,
                     difference.actual);
}

std::vector<Difference> Compare(const Manifest& expected, const Manifest& actual,
                                const CompareOptions& options) {
  return Comparison(expected, actual, options).Run();
}

std::string Describe(const std::vector<Difference>& differences, size_t limit) {
  std::string text;
  for (size_t i = 0; i < differences.size() && i < limit; ++i) {
    if (i > 0) text += '\n';
    text += ToString(differences[i]);
  }
  if (differences.size() > limit) {
    if (limit > 0) text += '\n';
    text += fmt::format("and {} more", differences.size() - limit);
  }
  return text;
}

}  // namespace layermark
