#include "bench/harness/file_set.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

namespace layermark {
namespace {

constexpr size_t kChunk = size_t{1} << 20;
constexpr int kWidth = 20;

uint64_t Mix(uint64_t x) {
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return x;
}

uint64_t Seed(std::string_view path) {
  uint64_t hash = 1469598103934665603ULL;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash | 1;
}

void Fill(std::string& chunk, uint64_t& state) {
  for (size_t i = 0; i < chunk.size(); i += sizeof state) {
    state = Mix(state);
    std::copy_n(reinterpret_cast<const char*>(&state), std::min(sizeof state, chunk.size() - i), &chunk[i]);
  }
}

void AddLeaves(FileSet& set, const std::string& path, int64_t depth) {
  if (depth == 0) {
    set.files.push_back({path + "/leaf", 8});
    return;
  }
  for (const char* side : {"/l", "/r"}) {
    set.directories.push_back(path + side);
    AddLeaves(set, path + side, depth - 1);
  }
}

}  // namespace

int64_t FileSet::bytes() const {
  int64_t sum = 0;
  for (const File& file : files) sum += file.bytes;
  return sum;
}

FileSet EqualFiles(int64_t count, int64_t bytes) {
  FileSet set;
  set.directories = {"set"};
  for (int64_t i = 0; i < count; ++i) set.files.push_back({fmt::format("set/f{:05}", i), bytes});
  return set;
}

FileSet LeafTree(int64_t depth) {
  FileSet set;
  set.directories = {"tree"};
  AddLeaves(set, "tree", depth);
  return set;
}

FileSet BigFiles(int64_t each, int64_t unit) {
  FileSet set;
  set.directories = {"big"};
  for (const int64_t times : {1, 8, 32, 128}) {
    for (int64_t i = 0; i < each; ++i)
      set.files.push_back({fmt::format("big/{}x{}", times, i), times * unit});
  }
  return set;
}

FileSet WideTree(int64_t directories, int64_t files, int64_t bytes) {
  FileSet set;
  // Directory 0 is the root of all; directory i is in directory (i - 1) / kWidth.
  for (int64_t i = 0; i < directories; ++i) {
    const std::string parent = i == 0 ? "" : set.directories[static_cast<size_t>((i - 1) / kWidth)] + "/";
    set.directories.push_back(fmt::format("{}d{}", parent, i));
  }
  for (int64_t i = 0; i < files; ++i) {
    const std::string& directory = set.directories[static_cast<size_t>(i % directories)];
    set.files.push_back({fmt::format("{}/f{}", directory, i), bytes});
  }
  return set;
}

Status WriteFileSet(const FileSet& set, int root_fd) {
  for (const std::string& directory : set.directories) LM_TRY(MakeDirsAt(root_fd, directory));
  std::string chunk;
  for (const FileSet::File& file : set.files) {
    LM_ASSIGN(Fd fd, OpenAt(root_fd, file.path, O_CREAT | O_EXCL | O_WRONLY, 0644));
    uint64_t state = Seed(file.path);
    for (int64_t at = 0; at < file.bytes; at += static_cast<int64_t>(chunk.size())) {
      chunk.resize(std::min(kChunk, static_cast<size_t>(file.bytes - at)));
      Fill(chunk, state);
      LM_TRY(WriteAll(fd.get(), chunk));
    }
    LM_TRY(fd.Close());
  }
  return Status::Ok();
}

Status CommitFileSet(Fixture& fixture, const std::string& name, const FileSet& set) {
  const std::string key = name + "-active";
  LM_ASSIGN(MountedSnapshot snapshot, fixture.subject().Prepare(key, ""));
  LM_TRY(WriteFileSet(set, snapshot.root_fd()));
  LM_TRY(snapshot.Unmount());
  return fixture.api().Commit(name, key);
}

Status AppendToEach(const FileSet& set, int root_fd, std::string_view text) {
  for (const FileSet::File& file : set.files) {
    LM_ASSIGN(Fd fd, OpenAt(root_fd, file.path, O_WRONLY | O_APPEND));
    LM_TRY(WriteAll(fd.get(), text));
    LM_TRY(fd.Close());
  }
  return Status::Ok();
}

Status CutEach(const FileSet& set, int root_fd) {
  for (const FileSet::File& file : set.files) {
    LM_ASSIGN(Fd fd, OpenAt(root_fd, file.path, O_WRONLY));
    if (ftruncate(fd.get(), file.bytes) != 0) return Status::Errno("ftruncate", file.path);
  }
  return Status::Ok();
}

Status ReadEach(const FileSet& set, int root_fd, uint64_t* sum) {
  std::string buffer(kChunk, '\0');
  uint64_t total = 1469598103934665603ULL;
  for (const FileSet::File& file : set.files) {
    LM_ASSIGN(Fd fd, OpenAt(root_fd, file.path, O_RDONLY));
    int64_t seen = 0;
    for (;;) {
      const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Status::Errno("read", file.path);
      if (got == 0) break;
      seen += got;
      if (sum == nullptr) continue;
      for (ssize_t i = 0; i < got; ++i) {
        total = (total ^ static_cast<unsigned char>(buffer[static_cast<size_t>(i)])) * 1099511628211ULL;
      }
    }
    if (seen != file.bytes)
      return DataLoss(fmt::format("{} has {} bytes, not {}", file.path, seen, file.bytes));
  }
  if (sum != nullptr) *sum = total;
  return Status::Ok();
}

}  // namespace layermark
