#include "bench/harness/image_format.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>

#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {
namespace {

bool Has(const std::string& form, const char* word) {
  return form.find(word) != std::string::npos;
}

}  // namespace

std::string ImageProgram(const std::string& form) {
  if (Has(form, "squashfs")) return "mksquashfs";
  return form == "directory" ? "" : "mkfs.erofs";
}

Result<ImageFormat> ImageFormat::Make(const std::string& form, const FileSet& set, const std::string& tree,
                                      const std::string& work) {
  ImageFormat image;
  image.work_ = work;
  image.tree_ = tree;
  image.metadata_only_ = form == "composefs";
  image.union_ = form == "directory" || image.metadata_only_ || Has(form, "overlay");
  image.type_ = Has(form, "squashfs") ? "squashfs" : form == "directory" ? "" : "erofs";
  for (const char* directory : {"/image", "/root"}) LM_TRY(MakeDirs(work + directory));
  image.root_ = work + (image.union_ ? "/root" : "/image");
  const std::string program = ImageProgram(form);
  if (program.empty()) return image;
  if (!FindProgram(program)) return NotFound("program " + program + " is not on PATH");
  if (image.metadata_only_) LM_TRY(image.MakeMetadata(set, tree));
  const std::string from = image.metadata_only_ ? work + "/metadata" : tree;
  const char* bytes = Has(form, "128k") ? "131072" : Has(form, "4k") ? "4096" : nullptr;
  std::vector<std::string> command;
  if (image.type_ == "squashfs") {
    command = {program,  from,           work + "/file", "-noappend",
               "-quiet", "-no-progress", "-b",           bytes ? bytes : "131072"};
    if (bytes != nullptr) {
      for (const char* word : {"-comp", "lz4"}) command.emplace_back(word);
    } else {
      for (const char* word : {"-noI", "-noD", "-noF", "-noX"}) command.emplace_back(word);
    }
  } else {
    command = {program};
    if (bytes != nullptr) command.insert(command.end(), {"-zlz4", fmt::format("-C{}", bytes)});
    command.insert(command.end(), {work + "/file", from});
  }
  LM_TRY(image.MakeImage(command));
  return image;
}

Status ImageFormat::MakeImage(const std::vector<std::string>& command) {
  CommandOptions options;
  options.deadline = std::chrono::minutes(5);
  return RunCommandOk(command, options).status();
}

// As composefs does it: files that are all hole and say where their content is.
Status ImageFormat::MakeMetadata(const FileSet& set, const std::string& tree) {
  LM_TRY(MakeDirs(work_ + "/metadata"));
  LM_ASSIGN(const Fd root, Open(work_ + "/metadata", O_RDONLY | O_DIRECTORY));
  for (const std::string& directory : set.directories) LM_TRY(MakeDirsAt(root.get(), directory));
  for (const FileSet::File& file : set.files) {
    LM_ASSIGN(Fd fd, OpenAt(root.get(), file.path, O_CREAT | O_EXCL | O_WRONLY, 0644));
    if (ftruncate(fd.get(), file.bytes) != 0) return Status::Errno("ftruncate", file.path);
    LM_TRY(fd.Close());
    LM_TRY(SetXattrAt(root.get(), file.path, "trusted.overlay.metacopy", ""));
    LM_TRY(SetXattrAt(root.get(), file.path, "trusted.overlay.redirect", "/" + file.path));
  }
  tree_ = tree;
  return Status::Ok();
}

Status ImageFormat::Mount() {
  if (!type_.empty()) {
    LM_ASSIGN(const Fd file, Open(work_ + "/file", O_RDONLY));
    LM_ASSIGN(LoopDevice loop, LoopDevice::Attach(file.get(), false));
    const std::vector<layermark::Mount> mounts = {{type_, loop.path(), "", {"ro"}}};
    LM_ASSIGN(image_, MountAll(mounts, work_ + "/image"));
    loop.CloseDescriptor();  // the mount keeps it
  }
  if (!union_) return Status::Ok();
  layermark::Mount overlay = {"overlay", "overlay", "", {"ro"}};
  if (metadata_only_) {
    overlay.options = {"ro", "metacopy=on", "lowerdir=" + work_ + "/image", "datadir+=" + tree_};
  } else if (type_.empty()) {
    // A union of one layer is refused: an empty directory stands below.
    LM_TRY(MakeDirs(work_ + "/empty"));
    overlay.options = {"ro", "lowerdir=" + tree_, "lowerdir=" + work_ + "/empty"};
  } else {
    LM_TRY(MakeDirs(work_ + "/empty"));
    overlay.options = {"ro", "lowerdir=" + work_ + "/image", "lowerdir=" + work_ + "/empty"};
  }
  LM_ASSIGN(overlay_, MountAll({overlay}, work_ + "/root"));
  return Status::Ok();
}

Status ImageFormat::Unmount() {
  if (overlay_.active()) LM_TRY(overlay_.Unmount());
  return image_.active() ? image_.Unmount() : Status::Ok();
}

}  // namespace layermark
