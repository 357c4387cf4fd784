// The launcher: starts a process in a container's namespaces on a mounted root, and nothing else. It is the
// thinnest thing that deserves the name of a container start, so that what is measured is storage.
#ifndef LAYERMARK_SCENARIO_LAUNCHER_H_
#define LAYERMARK_SCENARIO_LAUNCHER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/oci/image.h"
#include "core/result.h"
#include "core/sys/fd.h"
#include "core/sys/process.h"

namespace layermark {

struct ContainerSpec {
  std::string root;                       // a mount point: becomes "/"
  std::vector<std::string> argv;          // empty: `program_fd` alone
  std::vector<std::string> env;
  std::string working_dir = "/";
  uint32_t uid = 0, gid = 0;
  int program_fd = -1;                    // executed by execveat instead of argv[0]: a static program, outside the root
  bool new_network = true;                // with lo brought up if `loopback`
  bool loopback = false;
  bool mount_proc = false;                // /proc, /dev (tmpfs with null zero full random urandom), /tmp: for real images
  bool read_only_root = false;
};

// Times of one start, each a duration in nanoseconds.
struct StartPhases {
  int64_t clone_ns = 0;   // clone3 called -> the child runs
  int64_t pivot_ns = 0;   // private mounts, pivot_root, old root gone
  int64_t exec_ns = 0;    // execve called -> exit seen by the parent
  int64_t total_ns = 0;
};

struct ContainerResult {
  ExitStatus status;
  std::string standard_output, standard_error;
  StartPhases phases;
};

// Runs the container to its end. new mount, pid, uts, ipc (and net) namespaces by clone3, pivot_root, exec. A
// process past the deadline is killed with its namespace. Errors of set-up name the step and errno.
Result<ContainerResult> RunContainer(const ContainerSpec& spec, std::chrono::milliseconds deadline);

// A running container; killed with its whole pid namespace on destruction.
class Container {
 public:
  static Result<Container> Start(const ContainerSpec& spec);
  Container(Container&&) noexcept;
  Container& operator=(Container&&) noexcept;
  ~Container();
  pid_t pid() const;
  // GET http://127.0.0.1:port/ from inside the container's network namespace: the status code and the body, or the error of
  // connect (kUnavailable: nobody listens yet). Does not start a process.
  Result<std::pair<int, std::string>> HttpGet(int port, const std::string& path, std::chrono::milliseconds deadline);
  Result<ExitStatus> Stop(std::chrono::milliseconds grace);   // SIGTERM, then SIGKILL
  std::string output();                                       // both standard outputs so far

 private:
  struct State;
  explicit Container(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What the image's config says to start: argv from Entrypoint and Cmd, Env, WorkingDir, User resolved in the
// root's /etc/passwd and /etc/group. kFailedPrecondition where it names no program.
Result<ContainerSpec> SpecFromImage(const ImageConfig& config, const std::string& root);

// A descriptor on a small static program built into layermark, for roots that hold no program: `true` (exits 0).
Result<Fd> StaticTrueProgram();
// A descriptor on layermark's own static probe: prints a listing of the tree it sees (see launcher.cc), writes files on command.
Result<Fd> StaticProbeProgram();

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_LAUNCHER_H_
