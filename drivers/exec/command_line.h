// Splitting the option `command` into words, as a shell would, without one.
#ifndef LAYERMARK_DRIVERS_EXEC_COMMAND_LINE_H_
#define LAYERMARK_DRIVERS_EXEC_COMMAND_LINE_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace layermark {

// Blanks separate words. 'single quotes' keep everything, "double quotes" keep everything but a backslash
// before
// '"' or '\', which it escapes; outside quotes a backslash escapes any character. Nothing else is special: no
// variables, globs or redirections. kInvalidArgument: an open quote, a backslash at the end, or no word at
// all.
Result<std::vector<std::string>> SplitCommand(std::string_view text);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_EXEC_COMMAND_LINE_H_
