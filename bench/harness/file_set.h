// FileSet: many files of known names and sizes, and what a workload does to all of them.
//
// For what is too large to stand in memory as a Layer. The content of a file follows from its path, so that
// two sets of one description are equal. Threads: the functions may run in several at once, each with a
// descriptor of its own or a shared one.
#ifndef LAYERMARK_BENCH_HARNESS_FILE_SET_H_
#define LAYERMARK_BENCH_HARNESS_FILE_SET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/fixture.h"
#include "core/result.h"

namespace layermark {

struct FileSet {
  struct File {
    std::string path;
    int64_t bytes = 0;
  };
  std::vector<std::string> directories;  // parents first
  std::vector<File> files;
  int64_t bytes() const;
};

// `count` files of `bytes` each in one directory.
FileSet EqualFiles(int64_t count, int64_t bytes);
// A binary tree of directories with a file of 8 bytes at each of its 2^depth leaves.
FileSet LeafTree(int64_t depth);
// `each` files of 1, 8, 32 and 128 times `unit` bytes.
FileSet BigFiles(int64_t each, int64_t unit);
// `files` files of `bytes` each over `directories` directories, 20 in one.
FileSet WideTree(int64_t directories, int64_t files, int64_t bytes);

// Makes the set below `root_fd`. Cost: memory for 1 MiB.
Status WriteFileSet(const FileSet& set, int root_fd);
// The same as a committed snapshot without parent.
Status CommitFileSet(Fixture& fixture, const std::string& name, const FileSet& set);
// Opens each file with O_APPEND and adds `text`.
Status AppendToEach(const FileSet& set, int root_fd, std::string_view text);
// Cuts each file to its first size.
Status CutEach(const FileSet& set, int root_fd);
// Reads each file to its end; kDataLoss where one is not as long as it says. `sum` (may be null) gets a
// checksum over everything, which costs about a nanosecond a byte.
Status ReadEach(const FileSet& set, int root_fd, uint64_t* sum = nullptr);

}  // namespace layermark

#endif  // LAYERMARK_BENCH_HARNESS_FILE_SET_H_
