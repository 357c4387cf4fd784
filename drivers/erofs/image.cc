#include "drivers/erofs/image.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "core/sys/fd.h"
#include "core/sys/process.h"
#include "core/tree/manifest.h"

namespace layermark::erofs {
namespace {

constexpr char kMake[] = "mkfs.erofs";
constexpr char kCheck[] = "fsck.erofs";
constexpr char kDigest[] = "user.layermark.sha256";

Status Run(const std::vector<std::string>& argv) {
  CommandOptions options;
  options.deadline = std::chrono::minutes(10);
  return RunCommandOk(argv, options).status();
}

Status FindPrograms() {
  for (const char* program : {kMake, kCheck}) {
    if (!FindProgram(program))
      return NotFound(std::string(program) + ": no such program (Debian: erofs-utils)");
  }
  return Status::Ok();
}

Status MakeAndCheck(const std::string& tree, const std::string& image, const ImageOptions& options) {
  std::vector<std::string> make = {kMake, "--quiet"};
  if (!options.compression.empty()) make.push_back("-z" + options.compression);
  if (!options.cluster.empty()) make.push_back("-C" + options.cluster);
  if (options.inline_tails) make.emplace_back("-Eztailpacking");
  make.insert(make.end(), {image, tree});
  LM_TRY(Run(make));
  // What it would not read back is to fail here and not at the next start of a container. With --extract, and
  // no directory named, it decompresses every file and writes none.
  std::vector<std::string> check = {kCheck};
  if (!options.compression.empty()) check.emplace_back("--extract");
  check.push_back(image);
  LM_TRY(Run(check));
  LM_ASSIGN(const Fd file, Open(image, O_RDWR));
  LM_ASSIGN(const std::string digest, Sha256File(file.get()));
  LM_TRY(SetXattrAt(AT_FDCWD, image, kDigest, digest));
  // The record of the commit is on the disk when Commit answers: the image must be there before.
  if (fsync(file.get()) != 0) return Status::Errno("fsync", image);
  return Status::Ok();
}

}  // namespace

Status MakeImage(const std::string& tree, const std::string& image, const ImageOptions& options) {
  LM_TRY(FindPrograms());
  Status made = MakeAndCheck(tree, image, options);
  if (!made.ok()) (void)RemoveTree(image);
  return made.WithContext("image of " + tree);
}

Status CheckImage(const std::string& image) {
  const Result<std::string> expected = GetXattrAt(AT_FDCWD, image, kDigest);
  if (!expected.ok()) {
    if (expected.status().error_number() != ENODATA) return expected.status();
    return DataLoss(image + ": the image has no digest: it was not made to its end");
  }
  LM_ASSIGN(const Fd file, Open(image, O_RDONLY));
  const Result<std::string> seen = Sha256File(file.get());
  if (!seen.ok()) return seen.status();
  if (*seen == *expected) return Status::Ok();
  return DataLoss(image + ": the image is not the one that was made: " + *seen + ", expected " + *expected);
}

Result<std::string> UtilsVersion() {
  LM_TRY(FindPrograms());
  LM_ASSIGN(const std::string text, RunCommandOk({kCheck, "-V"}));
  const std::string key = std::string(kCheck) + " ";
  const size_t start = text.find(key);
  if (start == std::string::npos) return DataLoss(std::string(kCheck) + " -V: does not state a version");
  const size_t number = start + key.size();
  return "erofs-utils " + text.substr(number, text.find('\n', number) - number);
}

}  // namespace layermark::erofs
