// A fuzz program as a stand-alone C program of plain system calls, for a bug report.
//
// It makes the layers itself, mounts the union as the driver does, runs the steps on an ordinary directory
// and on the mount, and prints what differs: status 1, 0 where nothing does, 2 where it could not run. It
// needs root, a C compiler and the union's own program, and nothing of layermark. Threads: pure functions.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_C_PROGRAM_H_
#define LAYERMARK_CONFORMANCE_FUZZ_C_PROGRAM_H_

#include <string>
#include <string_view>
#include <vector>

#include "conformance/fuzz/program.h"
#include "core/sys/mount.h"

namespace layermark {

// How a driver's mounts are made without it.
struct UnionMount {
  enum class Kind {
    kOverlay,      // mount(2) of overlay
    kFuseOverlay,  // a program with lowerdir=, upperdir= and workdir=
    kBranches,     // a program with UPPER=RW:LOWER=RO:...
    kNone,         // no union that could be mounted: the directory that is given to the program is tested
  };
  Kind kind = Kind::kNone;
  std::string program;               // of the two in the middle
  std::vector<std::string> options;  // besides those that name the layers
  bool branches_as_option = false;   // -o dirs=BRANCHES instead of an argument
};
// Read out of what a driver named for an active snapshot with a parent.
UnionMount UnionMountOf(const std::vector<layermark::Mount>& mounts);

// `comment` stands at the head: what the program shows, and on what. `directory_links`: the link counts of
// directories are what differs, which are else left out because 1 is right as well.
std::string ToC(const FuzzProgram& program, const UnionMount& mount, const std::string& comment,
                bool directory_links = false);

// The prelude with those of its helpers that `program` names, and those that they name.
std::string HelpersFor(std::string_view prelude, std::string_view program);

extern const char* const kCPrelude;  // includes and helpers
extern const char* const kCMain;

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_C_PROGRAM_H_
