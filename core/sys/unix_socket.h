// Unix sockets: who listens at a path, and names that show that a process is alive.
#ifndef LAYERMARK_CORE_SYS_UNIX_SOCKET_H_
#define LAYERMARK_CORE_SYS_UNIX_SOCKET_H_

#include <optional>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// Whether a stream socket listens at `path`. False for what is not there and for a socket file that its
// listener left behind. kInvalidArgument: longer than a socket's path can be; kFailedPrecondition: another
// kind of file.
Result<bool> SomebodyListens(const std::string& path);

// Takes a name of the abstract name space of this network namespace. The kernel frees it when the last copy
// of the descriptor is closed, so at the end of the process at the latest, whatever ends it. nullopt: another
// process has it. No file is made.
Result<std::optional<Fd>> HoldName(const std::string& name);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_UNIX_SOCKET_H_
