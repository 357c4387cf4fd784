#include <archive.h>
#include <archive_entry.h>
#include <sys/utsname.h>

#include <memory>
#include <string>

#include "core/sys/fd.h"
#include "scenario/environment.h"

namespace layermark {
namespace {

Result<std::string> ReadGzip(const std::string& path) {
  std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), &archive_read_free);
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), path.c_str(), 65536) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    const char* why = archive_error_string(reader.get());
    return DataLoss(path + ": " + (why != nullptr ? why : "cannot be read"));
  }
  std::string text;
  char buffer[65536];
  for (;;) {
    la_ssize_t n = archive_read_data(reader.get(), buffer, sizeof(buffer));
    if (n == 0) return text;
    if (n < 0) return DataLoss(path + ": " + archive_error_string(reader.get()));
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > size_t{16} << 20) return DataLoss(path + " is over 16 MiB");
  }
}

}  // namespace

Result<std::string> KernelConfig() {
  if (Exists("/proc/config.gz")) return ReadGzip("/proc/config.gz");
  struct utsname name = {};
  uname(&name);
  return ReadFile(std::string("/boot/config-") + name.release, size_t{16} << 20);
}

}  // namespace layermark
