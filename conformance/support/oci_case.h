// For cases on layer tars: entries in a few words, and layers applied by the driver's way and by the model's.
//
// SameLayersAsModel() commits the tars one on the other on the driver under test (prepare, mount, apply,
// unmount, commit) and, beside it, applies the same lists of entries to a ModelTree. Every layer's view must
// then be what the model said after that layer; so a later layer must not have changed an earlier one either.
// What the rules leave open (times of implied parents) is taken from the driver.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_OCI_CASE_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_OCI_CASE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/support/case.h"
#include "core/oci/layer_tar.h"

namespace layermark {

using Tar = std::vector<TarEntry>;

// Each is owned by root and has TarEntry's own fixed time.
TarEntry FileEntry(std::string path, std::string data = "x", mode_t mode = 0644);
TarEntry DirEntry(std::string path, mode_t mode = 0755);
TarEntry SymlinkEntry(std::string path, std::string target);
TarEntry LinkEntry(std::string path, std::string existing);
TarEntry DeviceEntry(std::string path, char typeflag, unsigned dev_major, unsigned dev_minor);
TarEntry FifoEntry(std::string path);
TarEntry Whiteout(const std::string& parent, const std::string& name);  // PARENT/.wh.NAME; "" is the root
TarEntry Opaque(const std::string& directory);                          // DIRECTORY/.wh..wh..opq
// The entry with other attributes.
TarEntry With(TarEntry entry, const Xattr& xattr);
TarEntry Owned(TarEntry entry, uid_t uid, gid_t gid);
TarEntry At(TarEntry entry, int64_t mtime_ns);

// A file capability as the kernel stores it (version 2): the low 32 bits of the permitted set.
Xattr CapabilityXattr(uint32_t permitted);

// Fails the case where the driver and the model disagree on a layer's tree; the model must take every tar.
// Answers the last layer's name on the driver, "" where it could not be committed.
std::string SameLayersAsModel(CaseContext& t, const std::vector<Tar>& layers);
// The model must refuse the last tar, for what the rules say about it; the driver's store must do so with the
// same code, keep no snapshot of it, and show the layers below as they were.
void RefusedAsByModel(CaseContext& t, const std::vector<Tar>& layers);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_OCI_CASE_H_
