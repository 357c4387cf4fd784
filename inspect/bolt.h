// Reads a bbolt database, the file that containerd keeps its records in, without bbolt and without a lock.
//
// A running daemon may write meanwhile: a writer puts new pages beside the old ones and names them in a meta
// page at the end, so that a copy of the file is one state if the newest meta page is the same before and
// after it was taken; otherwise it is taken again. What is in the file is not trusted: each page is visited
// at most once, each offset checked, nesting bounded, and no more taken out than there are bytes in it.
//
// Threads: pure functions. Cost: the file once, and a copy of each key and value.
#ifndef LAYERMARK_INSPECT_BOLT_H_
#define LAYERMARK_INSPECT_BOLT_H_

#include <map>
#include <string>
#include <string_view>

#include "core/result.h"

namespace layermark::inspect {

struct BoltBucket {
  std::map<std::string, std::string> values;
  std::map<std::string, BoltBucket> buckets;

  // The bucket below this one by its keys, or null.
  const BoltBucket* Find(std::initializer_list<std::string_view> keys) const;
  // The value, or "" where there is none.
  std::string Value(const std::string& key) const;
};

// The root bucket. kDataLoss: not a bbolt file, or a damaged one. kUnavailable: it never stood still.
Result<BoltBucket> ReadBolt(const std::string& path);
// The same from the bytes of a file; `what` is named in the error.
Result<BoltBucket> ParseBolt(std::string_view bytes, const std::string& what);

}  // namespace layermark::inspect

#endif  // LAYERMARK_INSPECT_BOLT_H_
