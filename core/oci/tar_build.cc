// Writing tar headers by hand: ustar, with a PAX header before it for what ustar cannot hold.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/oci/tar_header.h"

namespace layermark {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

// A number into a header field: octal with a NUL at the end, or GNU's base 256 for what octal cannot hold.
void PutNumber(char* field, size_t width, int64_t value) {
  const int64_t limit = int64_t{1} << (3 * (width - 1));
  if (value >= 0 && value < limit) {
    for (size_t i = width - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
    return;
  }
  const bool negative = value < 0;
  for (size_t i = width; i-- > 0; value >>= 8) field[i] = static_cast<char>(value & 0xff);
  field[0] = static_cast<char>(negative ? 0xff : 0x80 | field[0]);
}

void PutText(char* field, size_t width, std::string_view text) {
  std::copy_n(text.data(), std::min(width, text.size()), field);
}

void AddRecord(std::string* records, std::string_view key, std::string_view value) {
  // The length counts its own digits.
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (rest + std::to_string(length).size() != length) length = rest + std::to_string(length).size();
  *records += fmt::format("{} {}=", length, key);
  *records += value;
  *records += '\n';
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t more = byte < 0x80         ? 0
                        : (byte >> 5) == 6  ? 1
                        : (byte >> 4) == 14 ? 2
                        : (byte >> 3) == 30 ? 3
                                            : 4;
    if (more == 4 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

std::string PaxTime(int64_t ns) {
  const bool negative = ns < 0;
  const uint64_t magnitude = negative ? uint64_t{0} - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  const uint64_t fraction = magnitude % static_cast<uint64_t>(kNsPerSecond);
  std::string text =
      fmt::format("{}{}", negative ? "-" : "", magnitude / static_cast<uint64_t>(kNsPerSecond));
  if (fraction != 0) text += fmt::format(".{:09}", fraction);
  return text;
}

// The key of an xattr whose name holds '=', which SCHILY's form cannot express: libarchive's form, with the
// name URL-encoded and the value in base 64.
void AddEncodedXattr(std::string* records, const Xattr& xattr) {
  std::string name;
  for (const char c : xattr.name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '%' || c == '=') {
      name += fmt::format("%{:02X}", byte);
    } else {
      name += c;
    }
  }
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string value;
  for (size_t i = 0; i < xattr.value.size(); i += 3) {
    const size_t n = std::min<size_t>(3, xattr.value.size() - i);
    unsigned group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < n ? static_cast<unsigned char>(xattr.value[i + k]) : 0u);
    }
    for (size_t k = 0; k <= n; ++k) value += kDigits[group >> (18 - 6 * k) & 63];
  }
  AddRecord(records, "LIBARCHIVE.xattr." + name, value);
}

std::string UstarBlock(const TarEntry& entry, int64_t size, std::string_view path, std::string_view link) {
  std::string block(kTarBlock, '\0');
  char* b = block.data();
  PutText(b, 100, path);
  PutNumber(b + 100, 8, static_cast<int64_t>(entry.mode & 07777));
  PutNumber(b + 108, 8, entry.uid);
  PutNumber(b + 116, 8, entry.gid);
  PutNumber(b + 124, 12, size);
  // Whole seconds, rounded down; the PAX record carries the rest. What the field cannot hold is 0 here.
  const int64_t seconds = entry.mtime_ns / kNsPerSecond;
  PutNumber(b + 136, 12, entry.mtime_ns < 0 ? 0 : seconds);
  b[156] = entry.typeflag;
  PutText(b + 157, 100, link);
  PutText(b + 257, 8, std::string_view("ustar\00000", 8));
  if (entry.typeflag == '3' || entry.typeflag == '4') {
    PutNumber(b + 329, 8, entry.dev_major);
    PutNumber(b + 337, 8, entry.dev_minor);
  }
  std::fill_n(b + 148, 8, ' ');
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  PutNumber(b + 148, 7, sum);
  b[154] = '\0';
  return block;
}

}  // namespace

std::string TarHeaderBytes(const TarEntry& entry, int64_t size) {
  if (entry.typeflag == 'g' || entry.typeflag == 'x') return UstarBlock(entry, size, entry.path, "");
  std::string records;
  bool binary = false;
  if (entry.path.size() > 100) {
    AddRecord(&records, "path", entry.path);
    binary |= !IsUtf8(entry.path);
  }
  if (entry.link_target.size() > 100) {
    AddRecord(&records, "linkpath", entry.link_target);
    binary |= !IsUtf8(entry.link_target);
  }
  // PAX names are UTF-8 unless this says otherwise.
  std::string head;
  if (binary) AddRecord(&head, "hdrcharset", "BINARY");
  records.insert(0, head);
  if (entry.uid > 07777777) AddRecord(&records, "uid", std::to_string(entry.uid));
  if (entry.gid > 07777777) AddRecord(&records, "gid", std::to_string(entry.gid));
  if (size >= int64_t{1} << 33) AddRecord(&records, "size", std::to_string(size));
  if (entry.mtime_ns < 0 || entry.mtime_ns % kNsPerSecond != 0)
    AddRecord(&records, "mtime", PaxTime(entry.mtime_ns));
  for (const Xattr& xattr : entry.xattrs) {
    if (xattr.name.find('=') == std::string::npos) {
      AddRecord(&records, "SCHILY.xattr." + xattr.name, xattr.value);
    } else {
      AddEncodedXattr(&records, xattr);
    }
  }
  std::string out;
  if (!records.empty()) {
    TarEntry pax;
    pax.typeflag = 'x';
    pax.mtime_ns = 0;
    const auto size_of_records = static_cast<int64_t>(records.size());
    out = UstarBlock(pax, size_of_records, "PaxHeaders/" + entry.path.substr(0, 80), "");
    out += records;
    out.append(TarPadding(size_of_records), '\0');
  }
  // A long name is cut here: readers that know PAX have the whole one from the record.
  out += UstarBlock(entry, size, entry.path, entry.link_target);
  return out;
}

std::string BuildTar(const std::vector<TarEntry>& entries) {
  std::string out;
  for (const TarEntry& entry : entries) {
    const auto held = static_cast<int64_t>(entry.data.size());
    out += TarHeaderBytes(entry, entry.claimed_size >= 0 ? entry.claimed_size : held);
    out += entry.data;
    out.append(TarPadding(held), '\0');
  }
  out.append(2 * kTarBlock, '\0');
  return out;
}

Result<std::string> CleanTarPath(std::string_view path) {
  std::string clean;
  size_t depth = 0;
  if (path.size() > kMaxTarPathBytes) {
    return InvalidArgument(fmt::format("name of {} bytes (starts {:.60}) is longer than {}", path.size(),
                                       path, kMaxTarPathBytes));
  }
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (depth == 0) return InvalidArgument("escapes the root");
      const size_t cut = clean.rfind('/');
      clean.resize(cut == std::string::npos ? 0 : cut);
      --depth;
      continue;
    }
    if (++depth > kMaxTarPathDepth)
      return InvalidArgument(fmt::format("is deeper than {} levels", kMaxTarPathDepth));
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}

}  // namespace layermark
