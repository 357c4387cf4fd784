// The bytes of files apart from their names: what the composefs form stores beside its images.
#ifndef LAYERMARK_DRIVERS_EROFS_OBJECTS_H_
#define LAYERMARK_DRIVERS_EROFS_OBJECTS_H_

#include <string>

#include "core/result.h"

namespace layermark::erofs {

// Where a snapshot keeps its names of the objects that it needs.
inline std::string ObjectsOf(const std::string& directory) {
  return directory + "/objects";
}

// Makes `bare` (new) a copy of `tree` in which every regular file that has bytes is a hole of the same length
// with the attributes trusted.overlay.metacopy and trusted.overlay.redirect = "/NAME". Its bytes become the
// object NAME (their SHA-256, in hexadecimal) in the directory `objects`, and get a second name in `own`;
// both directories are made where they are missing. A file that overlayfs copied up without its bytes (it has
// trusted.overlay.metacopy) stays as it is: a layer below has them. All objects are on the disk when it
// returns. Thread safe.
Status TakeContentOut(const std::string& tree, const std::string& bare, const std::string& objects,
                      const std::string& own);

// The reverse, in place: every file of `tree` that names an object of `own` gets its bytes and loses the two
// attributes. REQUIRES: nothing else of `tree` is a hole.
Status PutContentBack(const std::string& tree, const std::string& own);

// kDataLoss where the bytes of an object of `own` are not those that its name states. Cost: reads them.
Status CheckObjects(const std::string& own);

// Removes `own`, and each object in it that no other snapshot has a name of. Thread safe with TakeContentOut.
Status ReleaseObjects(const std::string& own, const std::string& objects);

}  // namespace layermark::erofs

#endif  // LAYERMARK_DRIVERS_EROFS_OBJECTS_H_
