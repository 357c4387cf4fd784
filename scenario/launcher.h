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
#include "core/tree/manifest.h"

namespace layermark {

struct ContainerSpec {
  std::string root;               // a mount point: becomes "/"
  std::vector<std::string> argv;  // empty: `program_fd` alone
  std::vector<std::string> env;
  std::string working_dir = "/";
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // supplementary
  int program_fd = -1;      // executed by execveat instead of argv[0]: a static program, outside the root
  bool new_network = true;  // with lo brought up if `loopback`
  bool loopback = false;
  bool mount_proc = false;  // /proc, /dev (tmpfs with null zero full random urandom), /tmp: for real images
  bool read_only_root = false;
  bool capture_output = true;  // RunContainer: false sends both outputs to /dev/null, which costs less
};

// Times of one start, each a duration in nanoseconds.
struct StartPhases {
  int64_t clone_ns = 0;  // clone called -> the child runs
  int64_t pivot_ns = 0;  // private mounts, /proc if wanted, pivot_root, old root gone
  int64_t exec_ns = 0;   // execve called -> exit seen by the parent
  int64_t total_ns = 0;
};

struct ContainerResult {
  ExitStatus status;
  std::string standard_output, standard_error;
  StartPhases phases;
};

// Runs the container to its end: new mount, pid, uts, ipc (and net) namespaces, pivot_root, exec. A process
// past the deadline is killed with its namespace. Errors of set-up name the step and errno (exec of a name
// that the root lacks: kNotFound). Threads: may run in several at once; the container dies with the calling
// thread.
Result<ContainerResult> RunContainer(const ContainerSpec& spec, std::chrono::milliseconds deadline);

// A running container; killed with its whole pid namespace on destruction, and when the thread that started
// it ends. Threads: one at a time.
class Container {
 public:
  static Result<Container> Start(const ContainerSpec& spec);
  Container(Container&&) noexcept;
  Container& operator=(Container&&) noexcept;
  ~Container();
  pid_t pid() const;
  bool Running();  // false once the program has ended
  // GET http://127.0.0.1:port`path` from inside the container's network namespace: the status code and the
  // body, or the error of connect (kUnavailable: nobody listens yet). Does not start a process.
  Result<std::pair<int, std::string>> HttpGet(int port, const std::string& path,
                                              std::chrono::milliseconds deadline);
  Result<ExitStatus> Stop(std::chrono::milliseconds grace);  // SIGTERM, then SIGKILL
  std::string output();                                      // both standard outputs so far

 private:
  struct State;
  explicit Container(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What the image's config says to start: argv from Entrypoint and Cmd (looked up on the image's PATH), Env
// with PATH and HOME added where missing, WorkingDir or "/", User resolved in the root's /etc/passwd and
// /etc/group with its supplementary groups; with /proc, /dev, /tmp and loopback. kFailedPrecondition where it
// names no program, or a user or group that the root lacks.
Result<ContainerSpec> SpecFromImage(const ImageConfig& config, const std::string& root);

// Descriptors on small static programs built into layermark, for roots that hold no program; for
// ContainerSpec::program_fd. Sealed memory files, one per call.
Result<Fd> StaticTrueProgram();   // exits 0 with a single system call, without a C library
Result<Fd> StaticProbeProgram();  // tells what a container sees; argv[1] is one of the commands below
//
//   list             every path of / (format below), not entering a directory that is another mount
//   write PATH TEXT  creates or truncates PATH
//   read PATH        its content
//   ids              "uid U gid G groups A,B cwd PATH pid N"
//   descriptors      numbers of the open descriptors, with spaces between
//   mounts           number of mounts in the namespace; needs no /proc
//   print TEXT       TEXT to standard output and to standard error
//   env NAME         the variable's value
//   serve PORT TEXT  answers TEXT to HTTP requests on 127.0.0.1:PORT until killed
//   pause            until a signal
//   exit N           exit status N
//
// A failing command exits 1 with "probe: CALL PATH: ERROR" on standard error.
//
// A line of `list` has nine fields with one space between: type (f d l p s c b), mode (octal, 12 bits), uid,
// gid, size, mtime in ns, "dev:ino" of a file with several names (else "-"), value ("sha256:..." of a file,
// target of a symlink, "major:minor" of a device, else "-"), path relative to the root ("" is the root). In
// target and path, bytes outside 0x21..0x7e and '\\' are \ooo, and an empty one is \000.
struct ProbeLine {
  std::string path;
  Entry entry;  // type, permissions, uid, gid, size_bytes, mtime_ns, link_group, digest, link_target, rdev
};
// In byte order of the paths. kDataLoss names a malformed line.
Result<std::vector<ProbeLine>> ParseProbeListing(const std::string& text);
// The same as a manifest, for Compare with CompareOptions::xattrs off and hole_tolerance_bytes -1.
Manifest ProbeManifest(const std::vector<ProbeLine>& lines);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_LAUNCHER_H_
