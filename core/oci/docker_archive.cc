// Reading what `docker save` writes: a tar with manifest.json, a config and layer tars, read where they lie.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "core/oci/digest.h"
#include "core/oci/image_reader.h"
#include "core/oci/tar_header.h"
#include "core/tree/manifest.h"

namespace layermark {
namespace {

using nlohmann::json;

constexpr size_t kMaxMembers = 1'000'000;
constexpr int64_t kMaxHeaderData = int64_t{1} << 20;
constexpr int kMaxLinks = 16;

struct Member {
  char type = '0';
  int64_t offset = 0;
  int64_t size_bytes = 0;
  std::string link_target;
};

// A header field's number: octal, or base 256; -1 for anything else.
int64_t Number(std::string_view field) {
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    int64_t value = static_cast<unsigned char>(field[0]) & 0x7f;
    for (const char c : field.substr(1)) {
      if (value >> 54 != 0) return -1;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  int64_t value = 0;
  bool any = false;
  for (const char c : field) {
    if (c >= '0' && c <= '7') {
      value = value * 8 + (c - '0');
      any = true;
    } else if (any || (c != ' ' && c != '\0')) {
      return c == ' ' || c == '\0' ? value : -1;
    }
  }
  return value;
}

std::string Text(std::string_view field) {
  return std::string(field.substr(0, field.find('\0')));
}

bool ChecksumFits(std::string_view block) {
  int64_t sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return Number(block.substr(148, 8)) == sum;
}

// The records of a PAX header: "LENGTH KEY=VALUE\n".
Result<std::map<std::string, std::string>> PaxRecords(std::string_view data) {
  std::map<std::string, std::string> records;
  while (!data.empty() && data[0] != '\0') {
    size_t length = 0, digits = 0;
    while (digits < data.size() && digits < 8 && data[digits] >= '0' && data[digits] <= '9') {
      length = length * 10 + static_cast<size_t>(data[digits++] - '0');
    }
    if (digits == 0 || length < digits + 3 || length > data.size() || data[digits] != ' ') {
      return InvalidArgument("malformed PAX header");
    }
    const std::string_view record = data.substr(digits + 1, length - digits - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return InvalidArgument("malformed PAX header");
    records[std::string(record.substr(0, equals))] = record.substr(equals + 1);
    data.remove_prefix(length);
  }
  return records;
}

class Archive {
 public:
  explicit Archive(int fd) : fd_(fd) {}
  Status Scan();
  // The regular member behind `name`, through the links that `docker save` makes for layers it has already.
  Result<const Member*> Find(const std::string& name) const;
  Result<std::string> ReadJson(const std::string& name) const;

 private:
  Result<std::string> ReadAt(int64_t offset, int64_t size) const;

  int fd_;
  std::map<std::string, Member> members_;
};

Result<std::string> Archive::ReadAt(int64_t offset, int64_t size) const {
  std::string data(static_cast<size_t>(size), '\0');
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = pread(fd_, data.data() + done, data.size() - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Errno("read", "");
    if (n == 0) return DataLoss(fmt::format("truncated at {} bytes", offset + static_cast<int64_t>(done)));
    done += static_cast<size_t>(n);
  }
  return data;
}

Status Archive::Scan() {
  struct stat st;
  if (fstat(fd_, &st) != 0) return Status::Errno("stat", "");
  int64_t at = 0;
  std::map<std::string, std::string> pax;
  std::string long_name, long_link;
  while (at < st.st_size) {
    LM_ASSIGN(const std::string header, ReadAt(at, kTarBlock));
    const std::string_view block = header;
    if (block.find_first_not_of('\0') == std::string_view::npos) return Status::Ok();
    if (!ChecksumFits(block)) return InvalidArgument(fmt::format("not a tar, or damaged, at byte {}", at));
    at += static_cast<int64_t>(kTarBlock);
    const char type = block[156] == '\0' ? '0' : block[156];
    int64_t size = Number(block.substr(124, 12));
    if (const auto it = pax.find("size"); it != pax.end() && type != 'x' && type != 'g') {
      size = it->second.size() > 18 || it->second.find_first_not_of("0123456789") != std::string::npos
                 ? -1
                 : std::strtoll(it->second.c_str(), nullptr, 10);
    }
    if (type == '1' || type == '2' || type == '5') size = 0;
    if (size < 0) return InvalidArgument(fmt::format("bad size in the header before byte {}", at));
    if (size > st.st_size - at) {
      return DataLoss(fmt::format("truncated: {} claims {} bytes, {} are left", Text(block.substr(0, 100)),
                                  size, st.st_size - at));
    }
    const int64_t next = at + size + static_cast<int64_t>(TarPadding(size));
    if (type == 'x' || type == 'L' || type == 'K') {
      if (size > kMaxHeaderData) return InvalidArgument(fmt::format("extended header of {} bytes", size));
      LM_ASSIGN(const std::string data, ReadAt(at, size));
      if (type == 'x') {
        LM_ASSIGN(pax, PaxRecords(data));
      } else {
        (type == 'L' ? long_name : long_link) = Text(data);
      }
      at = next;
      continue;
    }
    if (type != 'g') {
      std::string name = Text(block.substr(0, 100));
      if (block.substr(257, 6) == std::string_view("ustar\0", 6) && block[345] != '\0') {
        name = Text(block.substr(345, 155)) + "/" + name;
      }
      Member member{
          .type = type, .offset = at, .size_bytes = size, .link_target = Text(block.substr(157, 100))};
      if (!long_name.empty()) name = long_name;
      if (!long_link.empty()) member.link_target = long_link;
      if (const auto it = pax.find("path"); it != pax.end()) name = it->second;
      if (const auto it = pax.find("linkpath"); it != pax.end()) member.link_target = it->second;
      if (members_.size() >= kMaxMembers)
        return InvalidArgument(fmt::format("more than {} members", kMaxMembers));
      auto clean = CleanTarPath(name);
      if (!clean.ok()) return clean.status().WithContext(name);
      members_[*clean] = std::move(member);
      pax.clear();
      long_name.clear();
      long_link.clear();
    }
    at = next;
  }
  return Status::Ok();
}

Result<const Member*> Archive::Find(const std::string& name) const {
  LM_ASSIGN(std::string path, CleanTarPath(name));
  for (int links = 0; links < kMaxLinks; ++links) {
    const auto it = members_.find(path);
    if (it == members_.end()) return NotFound(fmt::format("member {} is missing", name));
    const Member& member = it->second;
    if (member.type == '0') return &member;
    if (member.type != '1' && member.type != '2')
      return InvalidArgument(fmt::format("member {} is no file", name));
    const size_t slash = path.rfind('/');
    const bool relative =
        member.type == '2' && slash != std::string::npos && !member.link_target.starts_with('/');
    auto target =
        CleanTarPath(relative ? path.substr(0, slash + 1) + member.link_target : member.link_target);
    if (!target.ok()) return target.status().WithContext("link of member " + name);
    path = *target;
  }
  return InvalidArgument(fmt::format("member {}: too many links", name));
}

Result<std::string> Archive::ReadJson(const std::string& name) const {
  LM_ASSIGN(const Member* member, Find(name));
  if (member->size_bytes > static_cast<int64_t>(kMaxJsonBytes)) {
    return InvalidArgument(fmt::format("{}: {} bytes are too many", name, member->size_bytes));
  }
  return ReadAt(member->offset, member->size_bytes);
}

// The digest that a member's name states ("<hex>.json", "blobs/sha256/<hex>"); empty if it states none.
std::string DigestInName(std::string name) {
  if (name.ends_with(".json")) name.resize(name.size() - 5);
  const size_t slash = name.rfind('/');
  std::string digest = "sha256:" + (slash == std::string::npos ? name : name.substr(slash + 1));
  return IsSha256Digest(digest) ? digest : "";
}

struct Saved {
  std::string config;
  std::vector<std::string> tags, layers;
};

Result<Saved> ChooseSaved(const json& manifest, const std::string& ref) {
  const std::string what = "manifest.json";
  if (!manifest.is_array()) return InvalidArgument(what + ": not an array");
  std::vector<Saved> fitting;
  std::vector<std::string> tags;
  for (const json& item : manifest) {
    Saved saved;
    LM_ASSIGN(saved.config, JsonString(item, "Config", what));
    LM_ASSIGN(saved.tags, JsonStrings(item, "RepoTags", what));
    LM_ASSIGN(saved.layers, JsonStrings(item, "Layers", what));
    tags.insert(tags.end(), saved.tags.begin(), saved.tags.end());
    if (ref.empty() || std::find(saved.tags.begin(), saved.tags.end(), ref) != saved.tags.end()) {
      fitting.push_back(std::move(saved));
    }
  }
  if (fitting.size() == 1) return fitting.front();
  const std::string known = tags.empty() ? "it names none" : fmt::format("it has {}", fmt::join(tags, ", "));
  if (!ref.empty()) return NotFound(fmt::format("{}: no single image with ref {}: {}", what, ref, known));
  if (fitting.empty()) return NotFound(what + ": holds no image");
  return InvalidArgument(fmt::format("{}: holds {} images, say which ref: {}", what, fitting.size(), known));
}

}  // namespace

Result<Image> ImageReader::OpenDockerArchive(const std::string& reference, const std::string& location) {
  const auto open = [&]() -> Result<Image> {
    LM_ASSIGN(const Location place, SplitLocation(location));
    Image image;
    image.reference_ = reference;
    image.directory_ = place.path;
    LM_ASSIGN(image.archive_fd_, Open(place.path, O_RDONLY | O_NONBLOCK));
    LM_TRY(RequireRegular(image.archive_fd_.get(), place.path));
    struct stat st;
    if (fstat(image.archive_fd_.get(), &st) != 0) return Status::Errno("stat", place.path);
    auto compressed = IsCompressed({image.archive_fd_.get(), 0, st.st_size});
    if (!compressed.ok() || *compressed) {
      return Unimplemented("the archive is compressed: decompress it, layers are read where they lie");
    }
    Archive archive(image.archive_fd_.get());
    LM_TRY(archive.Scan());
    LM_ASSIGN(const std::string text, archive.ReadJson("manifest.json"));
    LM_ASSIGN(const json manifest, ParseJson(text, "manifest.json"));
    LM_ASSIGN(const Saved saved, ChooseSaved(manifest, place.ref));
    LM_ASSIGN(const std::string config_text, archive.ReadJson(saved.config));
    // An image's ID is its config's digest; archives have no digest of a manifest.
    image.manifest_digest_ = Sha256(config_text);
    const std::string stated = DigestInName(saved.config);
    if (!stated.empty() && stated != image.manifest_digest_) {
      return DataLoss(
          fmt::format("config {}: wrong digest: the bytes are {}", saved.config, image.manifest_digest_));
    }
    LM_ASSIGN(ConfigFile file, ReadConfigFile(config_text, "config " + saved.config));
    image.config_ = std::move(file.config);
    if (saved.layers.size() != file.diff_ids.size()) {
      return InvalidArgument(fmt::format("manifest.json: {} layers, but the config has {} diff IDs",
                                         saved.layers.size(), file.diff_ids.size()));
    }
    for (size_t i = 0; i < saved.layers.size(); ++i) {
      LM_ASSIGN(const Member* member, archive.Find(saved.layers[i]));
      ImageLayer layer;
      layer.diff_id = file.diff_ids[i];
      layer.size_bytes = member->size_bytes;
      LM_ASSIGN(const bool packed,
                IsCompressed({image.archive_fd_.get(), member->offset, member->size_bytes}));
      layer.uncompressed_bytes = packed ? 0 : member->size_bytes;
      // Names like "<hex>/layer.tar" are IDs of another kind: only a blob's own name is its digest.
      layer.digest = saved.layers[i].starts_with("blobs/sha256/") ? DigestInName(saved.layers[i]) : "";
      if (layer.digest.empty() && !packed) layer.digest = layer.diff_id;
      layer.media_type = packed ? "application/vnd.docker.image.rootfs.diff.tar.gzip"
                                : "application/vnd.docker.image.rootfs.diff.tar";
      image.layers_.push_back(std::move(layer));
      image.blob_paths_.push_back(saved.layers[i]);
      image.member_offsets_.push_back(member->offset);
    }
    return image;
  };
  auto image = open();
  if (!image.ok()) return image.status().WithContext("image " + reference);
  return image;
}

}  // namespace layermark
