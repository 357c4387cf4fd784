// inspect: what the images and layers of a container storage root really take, share and waste.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/table.h"
#include "inspect/inspection.h"
#include "results/text.h"

namespace layermark {
namespace {

using inspect::Amount;
using inspect::Figures;
using inspect::Inspection;

constexpr size_t kWidth = 140;

// "1.2 MiB / 34", or "-" for nothing.
std::string Cell(const Amount& amount) {
  if (amount == Amount()) return "-";
  return fmt::format("{} / {}", FormatBytes(static_cast<double>(amount.bytes)),
                     FormatCount(static_cast<double>(amount.inodes)));
}

// Chain IDs and layer ids are 64 hex digits: the first twelve tell them apart, and are what the tools print.
std::string Short(const std::string& name) {
  const size_t start = name.starts_with("sha256:") ? 7 : 0;
  const bool digest =
      name.size() == start + 64 && name.find_first_not_of("0123456789abcdef", start) == std::string::npos;
  return OneLine(digest ? name.substr(start, 12) : name);
}

std::vector<std::string> Row(std::vector<std::string> first, const Figures& figures) {
  for (const Amount& amount : {figures.used, figures.alone, figures.shared(), figures.shadowed,
                               figures.duplicate, figures.whiteouts}) {
    first.push_back(Cell(amount));
  }
  return first;
}

void PrintImages(const Inspection& found) {
  Table table({"image", "driver", "layers", "used", "alone", "shared", "shadowed", "duplicate", "whiteouts"});
  for (const inspect::ImageFigures& image : found.images) {
    if (image.record.top < 0) {
      table.Add({OneLine(image.record.name), "not unpacked"});
      continue;
    }
    table.Add(Row({Short(image.record.name), image.record.driver, std::to_string(image.layers_count)},
                  image.figures));
  }
  if (!table.empty()) fmt::print("\n{}", table.Text(kWidth));
}

void PrintLayers(const Inspection& found) {
  Table table(
      {"layer", "parent", "driver", "in", "used", "alone", "shared", "shadowed", "duplicate", "whiteouts"});
  for (const inspect::LayerFigures& layer : found.layers) {
    const int parent = layer.record.parent;
    const std::string below = parent < 0 ? "-" : Short(found.layers[static_cast<size_t>(parent)].record.name);
    std::string users;
    if (layer.images_count > 0) users = fmt::format("{} img", layer.images_count);
    if (layer.containers_count > 0) {
      users += fmt::format("{}{} ctr", users.empty() ? "" : ", ", layer.containers_count);
    }
    if (users.empty()) users = "none";
    table.Add(Row({Short(layer.record.name), below, layer.record.driver, users}, layer.figures));
  }
  if (!table.empty()) fmt::print("\n{}", table.Text(kWidth));
}

void PrintTotals(const Inspection& found) {
  Table table({"of the root", "used", "as du counts", "shadowed", "duplicate", "whiteouts"});
  auto bytes = [](int64_t n) { return FormatBytes(static_cast<double>(n)); };
  const Figures& layers = found.layers_total;
  table.Add({fmt::format("layers ({})", found.layers.size()), Cell(layers.used), bytes(layers.du_bytes),
             Cell(layers.shadowed), Cell(layers.duplicate), Cell(layers.whiteouts)});
  for (const inspect::PartFigures& part : found.parts) {
    table.Add({part.name, Cell(part.used), bytes(part.du_bytes)});
  }
  table.Add({"all", Cell(found.total.used), bytes(found.total.du_bytes)});
  fmt::print("\n{}", table.Text(kWidth));
}

void PrintText(const Inspection& found) {
  fmt::print("{} root {} on {}: bytes / inodes\n", found.kind, OneLine(found.path), found.file_system);
  PrintImages(found);
  PrintLayers(found);
  PrintTotals(found);
  const Amount wasted = found.layers_total.wasted();
  fmt::print("\nwasted: {} of {} in layers", Cell(wasted), Cell(found.layers_total.used));
  if (!(found.unused == Amount())) fmt::print("; in no image and no container: {}", Cell(found.unused));
  fmt::print("\n");
  if (!found.wasted_files.empty()) {
    Table table({"largest wasted files", "bytes", "why"});
    for (const inspect::WastedFile& file : found.wasted_files) {
      table.Add({OneLine(file.path), FormatBytes(static_cast<double>(file.block_bytes)),
                 std::string(inspect::UseName(file.use))});
    }
    fmt::print("\n{}", table.Text(kWidth));
    const int64_t more = found.wasted_files_count - static_cast<int64_t>(found.wasted_files.size());
    if (more > 0) fmt::print("and {} more\n", FormatCount(static_cast<double>(more)));
  }
  if (!found.extents_known) {
    fmt::print(
        "\nThe file system does not tell where extents lie (no FIEMAP): what reflinks share counts for each "
        "file.\n");
  }
  for (const std::string& note : found.notes) fmt::print("note: {}\n", OneLine(note));
}

int RunInspect(const std::string& path, const std::string& format, size_t files) {
  inspect::InspectOptions options;
  options.wasted_files = files;
  const Result<Inspection> found = inspect::Inspect(path, options);
  if (!found.ok()) {
    const Status status = found.status().WithContext("inspect");
    if (status.code() != Code::kPermissionDenied) return UsageError(status);
    return UsageError(status.message() +
                      "; run it as root, or in a rootless store as `podman unshare layermark inspect ...`");
  }
  if (format == "json") {
    fmt::print("{}", inspect::ToJson(*found));
  } else {
    PrintText(*found);
  }
  return kExitPass;
}

}  // namespace

void AddInspectCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "inspect", "what the images and layers of a containerd, Docker or podman root take, share and waste");
  command->footer(
      "Only reads, and needs no daemon; as the user that owns the root. Each inode and each extent counts "
      "once.\n"
      "used: on the disk; alone: what goes when this goes; shared: the rest. Wasted are: shadowed, hidden "
      "by\n"
      "upper layers; duplicate, bytes that a lower layer has as well; whiteouts, markers of what was "
      "removed.");
  auto path = std::make_shared<std::string>();
  auto format = std::make_shared<std::string>("text");
  auto files = std::make_shared<size_t>(10);
  command
      ->add_option("PATH", *path, "such as /var/lib/containerd, /var/lib/docker, /var/lib/containers/storage")
      ->required();
  command->add_option("--format", *format, "what standard output carries")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--files", *files, "how many of the largest wasted files to name")
      ->capture_default_str();
  command->callback(
      [=, &invocation] { invocation.run = [=] { return RunInspect(*path, *format, *files); }; });
}

}  // namespace layermark
