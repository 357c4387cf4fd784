// Running the program of the exec protocol: one process per call.
#ifndef LAYERMARK_DRIVERS_EXEC_PROGRAM_H_
#define LAYERMARK_DRIVERS_EXEC_PROGRAM_H_

#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/exec/reply.h"

namespace layermark {

// Threads: any, unless set_serial was called; then calls wait for each other.
class ExecProgram {
 public:
  // `command` are the words before the verb. The program runs in `root`, with our environment.
  ExecProgram(std::vector<std::string> command, std::string root, std::chrono::milliseconds deadline)
      : command_(std::move(command)), root_(std::move(root)), deadline_(deadline) {}

  // Runs `PROG VERB` with `request` (an object; "root" is added to it) as its standard input and reads the
  // answer. The status of the reply is the program's own error, with the end of its standard error. A failure
  // of the call itself is a breach of the protocol, noted as such (drivers/breach.h): the program could not
  // be started, another exit status than 0 and 1, an answer that cannot be read or is longer than 16 MiB, no
  // end within the deadline. In the last case its process group was killed, and later calls fail at once, so
  // that one hang costs one deadline. kInvalidArgument, and no breach: the request holds text that is not
  // UTF-8.
  Result<ExecReply> Call(ExecVerb verb, nlohmann::json request);

  void set_serial() { serial_ = true; }

 private:
  Result<ExecReply> Run(ExecVerb verb, const std::string& input);

  const std::vector<std::string> command_;
  const std::string root_;
  const std::chrono::milliseconds deadline_;
  bool serial_ = false;
  std::mutex one_at_a_time_;
  std::atomic<bool> hung_{false};
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_EXEC_PROGRAM_H_
