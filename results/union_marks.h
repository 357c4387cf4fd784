// The extended attributes by which union file systems mark what lies in their upper layers.
#ifndef LAYERMARK_RESULTS_UNION_MARKS_H_
#define LAYERMARK_RESULTS_UNION_MARKS_H_

#include <cstddef>
#include <string>

namespace layermark {

// The value of the attribute `word` ("opaque", "redirect") of the open file, in any of the places where
// overlayfs and fuse-overlayfs put it; empty if there is none or it is longer than `max_bytes`. Root for
// trusted.*.
std::string UnionMark(int fd, const char* word, size_t max_bytes = 8);

// Whether overlayfs has set the attribute `word` ("whiteout", "metacopy"), whatever its value.
bool HasUnionMark(int fd, const char* word);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_UNION_MARKS_H_
