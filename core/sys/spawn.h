// Starting a program: the narrow part between fork and exec. Used by process.cc; others use process.h.
#ifndef LAYERMARK_CORE_SYS_SPAWN_H_
#define LAYERMARK_CORE_SYS_SPAWN_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark::internal {

struct SpawnRequest {
  const std::vector<std::string>& argv;
  const std::string& working_directory;
  const std::optional<std::vector<std::string>>& environment;
  int standard_input;
  int standard_output;
  int standard_error;
};

// Starts argv[0], looked up on PATH, with vfork: returns after the exec, so that a failure of it (or of
// chdir) is this call's error, and the new process already leads its own group. Thread safe.
Result<pid_t> SpawnProgram(const SpawnRequest& request);

// A pidfd for a child of ours. The caller owns it.
Result<Fd> OpenPidfd(pid_t pid);
// A file that holds `data` with the offset at its start; /dev/null for empty data.
Result<Fd> MakeInput(const std::string& data);
// A close-on-exec pipe.
struct Pipe {
  Fd read;
  Fd write;
};
Result<Pipe> MakePipe();

}  // namespace layermark::internal

#endif  // LAYERMARK_CORE_SYS_SPAWN_H_
