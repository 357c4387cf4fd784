// The steps of a layer in the words of a fuzz program: one table for the printer, the parser and the C
// program.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_LAYER_WORDS_H_
#define LAYERMARK_CONFORMANCE_FUZZ_LAYER_WORDS_H_

#include <string_view>

#include "conformance/fuzz/program.h"

namespace layermark {

struct LayerOpRow {
  StepOp op;
  const char* name;
  unsigned fields;  // FuzzField
};
const LayerOpRow& RowOf(StepOp op);
const LayerOpRow* FindLayerOp(std::string_view name);

// A layer's step with its arguments where a fuzz step has them, and back.
FuzzStep ArgumentsOf(const Step& step);
Step LayerStepOf(StepOp op, const FuzzStep& arguments);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_LAYER_WORDS_H_
