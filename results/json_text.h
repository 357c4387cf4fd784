// JSON text without a document in between: for the samples file, which may hold a hundred thousand numbers,
// and for exporters. Threads: pure functions.
#ifndef LAYERMARK_RESULTS_JSON_TEXT_H_
#define LAYERMARK_RESULTS_JSON_TEXT_H_

#include <string>
#include <string_view>

namespace layermark {

// "text" with quotes and escapes. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuoted(std::string_view text);

// The shortest text that reads back as the same double; whole numbers without a fraction; "null" for what
// JSON cannot say (infinities, not a number).
void AppendJsonNumber(std::string* out, double value);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_JSON_TEXT_H_
