// Bytes made fit for a message: names, symlink targets and xattr values may hold anything.
#ifndef LAYERMARK_CORE_TREE_PRINTABLE_H_
#define LAYERMARK_CORE_TREE_PRINTABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace layermark {

// Printable ASCII stays, a backslash is doubled, everything else becomes \n, \t or \xNN. At most `max_bytes`
// of the input are shown; what was cut is counted: "abc...(+997 bytes)".
std::string Printable(std::string_view bytes, size_t max_bytes = SIZE_MAX);

// "12.5", "-0.000000001": seconds with as many decimals as it takes.
std::string SecondsText(int64_t time_ns);

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_PRINTABLE_H_
