// Which files hold the same bytes.
#ifndef LAYERMARK_INSPECT_CONTENTS_H_
#define LAYERMARK_INSPECT_CONTENTS_H_

#include <cstdint>
#include <vector>

#include "core/result.h"
#include "inspect/root.h"
#include "inspect/scan.h"

namespace layermark::inspect {

struct Contents {
  // By inode: equal numbers, equal bytes. 0: an empty file, no file, or one whose bytes no other layer can
  // have.
  std::vector<uint32_t> number;
  int64_t files_read_count = 0;
  int64_t bytes_read = 0;
};

// Reads, and compares by SHA-256, the files whose size occurs in more than one layer; of those that share all
// their extents, one. Cost: their bytes once.
Result<Contents> ReadContents(const Root& root, const Scan& scan);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_CONTENTS_H_
