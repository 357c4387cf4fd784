// The reader of layer tars: listing an archive, and applying it in both styles of whiteouts below a root that
// must not be left.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/oci/layer_tar.h"
#include "testing/fuzz_targets/scratch.h"
#include "testing/fuzz_targets/target.h"

namespace layermark::fuzz_target {
namespace {

constexpr int kScratchBytes = 32 << 20;
constexpr int kScratchInodes = 20'000;

Fd& Scratch() {
  static Fd scratch;
  return scratch;
}

ApplyOptions Bounds() {
  ApplyOptions bounds;
  bounds.max_entry_bytes = int64_t{1} << 20;
  bounds.max_total_bytes = int64_t{4} << 20;
  bounds.max_entries = 2000;
  bounds.ignore_unsupported_xattrs = true;
  return bounds;
}

TarEntry Typed(char type, std::string path, std::string target = "") {
  TarEntry entry;
  entry.typeflag = type;
  entry.path = std::move(path);
  entry.link_target = std::move(target);
  entry.mode = type == '5' ? 0755 : 0644;
  return entry;
}

TarEntry File(std::string path, std::string data) {
  TarEntry entry = Typed('0', std::move(path));
  entry.data = std::move(data);
  return entry;
}

std::vector<TarEntry> EveryKind() {
  std::vector<TarEntry> entries = {Typed('5', "./"),
                                   Typed('5', "d/"),
                                   File("d/f", "content"),
                                   Typed('1', "d/hard", "d/f"),
                                   Typed('2', "d/soft", "../outside/f"),
                                   Typed('2', "up", "../.."),
                                   Typed('6', "p")};
  TarEntry device = Typed('3', "null");
  device.dev_major = 1;
  device.dev_minor = 3;
  entries.push_back(device);
  TarEntry attributes = File("x", std::string(600, 'x'));
  attributes.xattrs = {{"user.a", "1"}, {"trusted.b", std::string("\0\1", 2)}};
  attributes.uid = 3'000'000;
  attributes.mtime_ns = -1;
  entries.push_back(attributes);
  return entries;
}

std::string Packed(const std::string& bytes) {
  archive* writer = archive_write_new();
  std::string out(bytes.size() + 4096, '\0');
  size_t used = 0;
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "data");
  archive_entry_set_filetype(entry, AE_IFREG);
  const bool written =
      archive_write_set_format_raw(writer) == ARCHIVE_OK &&
      archive_write_add_filter_gzip(writer) == ARCHIVE_OK &&
      archive_write_open_memory(writer, out.data(), out.size(), &used) == ARCHIVE_OK &&
      archive_write_header(writer, entry) == ARCHIVE_OK &&
      archive_write_data(writer, bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size()) &&
      archive_write_close(writer) == ARCHIVE_OK;
  archive_entry_free(entry);
  archive_write_free(writer);
  Promise(written, "a seed can be packed");
  out.resize(used);
  return out;
}

// What a lower layer left for the archive to run into.
void FillRoot() {
  const int at = Scratch().get();
  Promise(MakeDirsAt(at, "root/d/sub").ok() && MakeDirsAt(at, "root/etc").ok(), "the root can be made");
  Promise(WriteFileAt(at, "root/d/f", "lower").ok(), "the root can be filled");
  for (const auto& [target, name] : {std::pair{"../outside", "root/out"},
                                     {"/outside", "root/absolute"},
                                     {"/proc/self/root", "root/magic"},
                                     {"loop", "root/loop"}}) {
    Promise(symlinkat(target, at, name) == 0, "the root can be filled");
  }
}

void Apply(std::string_view bytes, WhiteoutStyle style) {
  FillRoot();
  {
    Result<Fd> root = OpenAt(Scratch().get(), "root", O_RDONLY | O_DIRECTORY);
    Promise(root.ok(), "the root can be opened");
    const Fd tar = MemoryFile(bytes);
    ApplyOptions options = Bounds();
    options.whiteouts = style;
    (void)ApplyLayerTar(tar.get(), root->get(), options).ok();
  }
  const Result<std::vector<std::string>> beside = ListDir(Scratch().get(), "outside");
  Promise(beside.ok() && *beside == std::vector<std::string>{"f"},
          "nothing beside the root is made or removed");
  const Result<std::string> content = ReadFileAt(Scratch().get(), "outside/f");
  Promise(content.ok() && *content == "untouched", "nothing beside the root is written");
  struct stat st;
  Promise(fstatat(Scratch().get(), "outside/f", &st, 0) == 0 && st.st_nlink == 1 &&
              st.st_mode == (S_IFREG | 0600),
          "nothing beside the root is linked or changed");
  Promise(RemoveTreeAt(Scratch().get(), "root").ok(), "what was applied can be removed");
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::vector<TarEntry>> archives = {
      {},
      EveryKind(),
      {Typed('0', ".wh.d")},
      {Typed('0', "d/.wh..wh..opq"), File("d/new", "n")},
      {Typed('2', "l", "/"), File("l/outside/f", "escape")},
      {Typed('1', "h", "../outside/f")},
      {File("out/f", "escape"), File("absolute/f", "escape"), File("magic/outside/f", "escape")},
      {Typed('2', "d", "etc"), File("d/f", "through")}};
  archives.push_back({File(std::string(300, 'n') + "/" + std::string(200, 'm'), "long")});
  TarEntry claims = File("big", "little");
  claims.claimed_size = int64_t{1} << 40;
  archives.push_back({claims});
  TarEntry global = Typed('g', "pax_global_header");
  global.data = "18 comment=comment\n";
  archives.push_back({global, File("f", "")});
  TarEntry acl = File("a", "");
  acl.xattrs = {{"system.posix_acl_access", std::string("\2\0\0\0\1\0\6\0\xff\xff\xff\xff", 12)}};
  archives.push_back({acl});
  std::vector<std::string> seeds;
  seeds.reserve(archives.size() + 2);
  for (const auto& entries : archives) seeds.push_back(BuildTar(entries));
  seeds.push_back(Packed(seeds[1]));
  // A sparse file in GNU's PAX form 1.0: the map stands before the data.
  TarEntry sparse = File("GNUSparseFile.0/s", "1\n1000\n4\n" + std::string(512 - 9, '\0') + "data");
  seeds.push_back(BuildTar({sparse}));
  return seeds;
}

void SetUp() {
  CloseHost();
  Scratch() = NewScratch(kScratchBytes, kScratchInodes);
  Promise(MakeDirsAt(Scratch().get(), "outside").ok() &&
              WriteFileAt(Scratch().get(), "outside/f", "untouched", 0600).ok(),
          "the scratch file system can be written");
}

void Run(std::string_view input) {
  const std::string bytes = WithTarChecksums(input);
  for (const bool keep_data : {false, true}) {
    const Fd tar = MemoryFile(bytes);
    (void)ListTar(tar.get(), keep_data, Bounds()).ok();
  }
  Apply(bytes, WhiteoutStyle::kRemove);
  Apply(bytes, WhiteoutStyle::kOverlay);
}

}  // namespace layermark::fuzz_target
