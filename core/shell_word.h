// Text as one word of a shell's command line. Threads: pure functions.
#ifndef LAYERMARK_CORE_SHELL_WORD_H_
#define LAYERMARK_CORE_SHELL_WORD_H_

#include <string>
#include <string_view>

namespace layermark {

// As it is where no character of it means anything to a shell, else in single quotes, so that a POSIX shell
// reads back the same bytes. A NUL cannot stand in a command line; it is left out.
std::string ShellWord(std::string_view text);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SHELL_WORD_H_
