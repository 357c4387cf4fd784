// layermark: the composition root.
#include <fmt/core.h>

#include <exception>

#include "cli/options.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  try {
    return layermark::RunProgram(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "layermark: {}\n", e.what());
    return layermark::StatusOfRefusal(argc, argv);
  }
}
