// The text of a fuzz program: what is saved under findings/ and what `replay` reads.
//
//   layermark-fuzz 1
//   # a comment
//   layer
//     dir path="a" mode=0755
//     file path="a/f" data="x"*4096 mode=0644
//   steps
//     open slot=0 path="a/f" flags=RDWR|APPEND mode=0644
//     fd_write slot=0 offset=-1 data="more" as=1000
//     check
//
// One step a line; strings are quoted as in C (\n, \t, \\, \", three octal digits), and "ab"*N repeats.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_TEXT_H_
#define LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_TEXT_H_

#include <string>
#include <string_view>

#include "conformance/fuzz/program.h"

namespace layermark {

std::string ToText(const FuzzStep& step);     // one line, without its end
std::string LayerStepText(const Step& step);  // the same for a step of a layer
std::string ToText(const FuzzProgram& program);
// What a step does it with: the name of an attribute, or its flags ("NOREPLACE|WHITEOUT"); empty: neither.
std::string ArgumentText(const FuzzStep& step);

// The instance that a saved program names in its second line ("# SPEC on BACKING; ..."); empty: none.
std::string InstanceNamedIn(std::string_view text);

// The bytes between quotes as C reads them back.
std::string QuoteBytes(std::string_view bytes);

// The length of the shortest piece that a content repeats; its own where there is none, and for short ones.
size_t RepeatedPiece(std::string_view data);

// Reads a quoted string at the start of `text` back; `used` is how much of it that was.
Result<std::string> ParseQuotedBytes(std::string_view text, size_t* used);

// One line as LayerStepText writes it. kInvalidArgument says what is wrong.
Result<Step> ParseLayerStepText(std::string_view line);

// Reads what ToText wrote, or a person. The text may be anything: kInvalidArgument names line and fault, and
// what goes beyond the bounds of program.h is refused before it is held in memory.
Result<FuzzProgram> ParseFuzzProgram(std::string_view text);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_PROGRAM_TEXT_H_
