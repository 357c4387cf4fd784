#include "inspect/root.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>

#include "core/sys/fd.h"
#include "inspect/books.h"

namespace layermark::inspect {

Result<Root> ReadRoot(const std::string& path) {
  LM_ASSIGN(const Fd fd, Open(path, O_RDONLY | O_DIRECTORY));
  if (ExistsAt(fd.get(), "io.containerd.metadata.v1.bolt/meta.db")) return ReadContainerdRoot(path);
  LM_ASSIGN(const std::vector<std::string> names, ListDir(fd.get()));
  for (const std::string& name : names) {
    if (name.ends_with("-layers") && ExistsAt(fd.get(), name + "/layers.json")) {
      return ReadContainersStorageRoot(path);
    }
  }
  if (ExistsAt(fd.get(), "image")) {
    LM_ASSIGN(const std::vector<std::string> drivers, ListDir(fd.get(), "image"));
    for (const std::string& driver : drivers) {
      if (ExistsAt(fd.get(), "image/" + driver + "/layerdb")) return ReadDockerRoot(path);
    }
  }
  return InvalidArgument(
      path +
      ": not a known root: neither containerd's (io.containerd.metadata.v1.bolt/meta.db) nor Docker's "
      "(image/DRIVER/layerdb) nor of containers/storage (DRIVER-layers/layers.json)");
}

std::vector<int> Chain(const Root& root, int top) {
  std::vector<int> chain;
  for (int at = top; at >= 0; at = root.layers[static_cast<size_t>(at)].parent) chain.push_back(at);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace layermark::inspect
