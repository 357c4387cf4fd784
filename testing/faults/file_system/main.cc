// faulty_fs: shows a directory as it is, with one fault switched on by name.
//
//   faulty_fs -f -o fault=NAME -o ro ... DIRECTORY MOUNTPOINT
//
// Everything passes through to the directory: owners, modes, times, attributes, ACLs, links, holes, special
// files. The kernel caches nothing that it does not ask about again. One thread serves all requests.
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "testing/faults/file_system/fault.h"
#include "testing/faults/file_system/operations.h"

namespace layermark::faults {
namespace {

struct CommandLine {
  std::vector<std::string> options;  // of the mount
  std::string fault;
  std::string directory;
  std::string mount_point;
};

// "\\," and "\\\\" stand for ',' and '\\' in what the mounting program passes on.
CommandLine Parse(int argc, char** argv) {
  CommandLine line;
  std::vector<std::string> places;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-f") continue;
    if (word == "-o" && i + 1 < argc) {
      const std::string option = argv[++i];
      if (option.starts_with("fault=")) {
        line.fault = option.substr(strlen("fault="));
      } else {
        line.options.push_back(option);
      }
      continue;
    }
    places.push_back(word);
  }
  if (places.size() == 2) {
    line.directory = places[0];
    line.mount_point = places[1];
  }
  return line;
}

int Serve(const CommandLine& line) {
  std::vector<std::string> words = {"faulty_fs", "-o", "allow_other,fsname=faulty_fs"};
  if (!On(Fault::permissions_unchecked)) words.insert(words.end(), {"-o", "default_permissions"});
  for (const std::string& option : line.options) words.insert(words.end(), {"-o", option});
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  for (const std::string& word : words) fuse_opt_add_arg(&args, word.c_str());

  fuse_lowlevel_ops operations{};
  AddLifeOperations(operations);
  AddCreateOperations(operations);
  AddRemoveOperations(operations);
  AddAttributeOperations(operations);
  AddXattrOperations(operations);
  AddDataOperations(operations);
  AddDirectoryOperations(operations);

  int status = 1;
  fuse_session* session = fuse_session_new(&args, &operations, sizeof(operations), nullptr);
  if (session != nullptr) {
    if (fuse_set_signal_handlers(session) == 0) {
      if (fuse_session_mount(session, line.mount_point.c_str()) == 0) {
        status = fuse_session_loop(session) == 0 ? 0 : 1;
        fuse_session_unmount(session);
      }
      fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
  }
  fuse_opt_free_args(&args);
  return status;
}

int Main(int argc, char** argv) {
  const CommandLine line = Parse(argc, argv);
  if (line.mount_point.empty()) {
    fprintf(stderr, "usage: faulty_fs -f [-o fault=NAME] [-o OPTION]... DIRECTORY MOUNTPOINT\n");
    return 2;
  }
  if (!SwitchOn(line.fault)) {
    fprintf(stderr, "faulty_fs: no fault of the name %s\n", line.fault.c_str());
    return 2;
  }
  // Each file that the kernel knows of takes a descriptor.
  const rlimit many{1 << 20, 1 << 20};
  setrlimit(RLIMIT_NOFILE, &many);
  umask(0);
  if (!Nodes().Open(line.directory.c_str())) {
    fprintf(stderr, "faulty_fs: %s: %s\n", line.directory.c_str(), strerror(errno));
    return 1;
  }
  return Serve(line);
}

}  // namespace
}  // namespace layermark::faults

int main(int argc, char** argv) {
  return layermark::faults::Main(argc, argv);
}
