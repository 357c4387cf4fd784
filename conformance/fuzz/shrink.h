// Shrinking: the smallest program that still shows the same thing.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_SHRINK_H_
#define LAYERMARK_CONFORMANCE_FUZZ_SHRINK_H_

#include <functional>

#include "conformance/fuzz/program.h"

namespace layermark {

// Takes away steps (halves, then smaller parts), layers, steps of layers, and what arguments hold, as long as
// `still_shows` says yes; again from the start until nothing more goes, or `may_go_on` says no. REQUIRES:
// still_shows(program). `still_shows` may be given programs whose steps fail, and layers that do not apply.
FuzzProgram Shrink(FuzzProgram program, const std::function<bool(const FuzzProgram&)>& still_shows,
                   const std::function<bool()>& may_go_on);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_SHRINK_H_
