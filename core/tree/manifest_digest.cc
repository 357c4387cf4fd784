// ManifestDigest: the manifest as text in which every field carries its length, hashed.
#include <fmt/core.h>

#include <iterator>

#include "core/tree/manifest.h"
#include "core/tree/sha256.h"

namespace layermark {
namespace {

// Lengths come first, so that no two different manifests give the same text by shifting a border.
void Field(std::string* out, std::string_view bytes) {
  fmt::format_to(std::back_inserter(*out), "{}:", bytes.size());
  out->append(bytes);
  out->push_back('\n');
}

void Field(std::string* out, int64_t number) {
  Field(out, fmt::format("{}", number));
}

}  // namespace

std::string ManifestDigest(const Manifest& manifest) {
  Sha256Stream hash;
  std::string text;
  Field(&text, "layermark manifest 1");
  Field(&text, static_cast<int64_t>(manifest.entries.size()));
  for (const auto& [path, entry] : manifest.entries) {
    Field(&text, path);
    Field(&text, FileTypeName(entry.type));
    Field(&text, entry.permissions);
    Field(&text, entry.uid);
    Field(&text, entry.gid);
    Field(&text,
          entry.type == FileType::kRegular ? entry.size_bytes : 0);  // a symlink's follows from its target
    Field(&text, entry.digest);
    Field(&text, entry.link_target);
    Field(&text, static_cast<int64_t>(entry.rdev));
    Field(&text, entry.mtime_ns);
    Field(&text, entry.data_bytes);
    Field(&text, entry.link_group);
    Field(&text, static_cast<int64_t>(entry.xattrs.size()));
    for (const Xattr& xattr : entry.xattrs) {
      Field(&text, xattr.name);
      Field(&text, xattr.value);
    }
    hash.Update(text);
    text.clear();
  }
  hash.Update(text);
  return hash.Finish();
}

}  // namespace layermark
