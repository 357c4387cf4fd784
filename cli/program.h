// The program behind main: parses the command line and runs one subcommand.
#ifndef LAYERMARK_CLI_PROGRAM_H_
#define LAYERMARK_CLI_PROGRAM_H_

namespace layermark {

// Returns the exit status. A command line that is refused costs one line on standard error and kExitUsage,
// and nothing was touched. Exceptions of the libraries beneath can leave it.
int RunProgram(int argc, const char* const* argv);

// kExitUsage, or with --bisect among the words what that makes of it. For what ends before the words are
// read.
int StatusOfRefusal(int argc, const char* const* argv);

}  // namespace layermark

#endif  // LAYERMARK_CLI_PROGRAM_H_
