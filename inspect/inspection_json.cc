#include <nlohmann/json.hpp>

#include "inspect/inspection.h"

namespace layermark::inspect {
namespace {

using nlohmann::ordered_json;

ordered_json Json(const Amount& amount) {
  return {{"bytes", amount.bytes}, {"inodes", amount.inodes}};
}

ordered_json Json(const Figures& figures) {
  return {{"used", Json(figures.used)},           {"alone", Json(figures.alone)},
          {"shared", Json(figures.shared())},     {"wasted", Json(figures.wasted())},
          {"shadowed", Json(figures.shadowed)},   {"duplicate", Json(figures.duplicate)},
          {"whiteouts", Json(figures.whiteouts)}, {"whiteout_names_count", figures.whiteout_names_count},
          {"du_bytes", figures.du_bytes}};
}

}  // namespace

std::string ToJson(const Inspection& inspection) {
  ordered_json images = ordered_json::array();
  for (const ImageFigures& image : inspection.images) {
    ordered_json top = nullptr;
    if (image.record.top >= 0)
      top = inspection.layers[static_cast<size_t>(image.record.top)].record.directory;
    images.push_back({{"name", image.record.name},
                      {"driver", image.record.driver},
                      {"top", std::move(top)},
                      {"layers_count", image.layers_count},
                      {"figures", Json(image.figures)}});
  }
  ordered_json layers = ordered_json::array();
  for (const LayerFigures& layer : inspection.layers) {
    const LayerRecord& record = layer.record;
    ordered_json parent = nullptr;
    if (record.parent >= 0) parent = inspection.layers[static_cast<size_t>(record.parent)].record.directory;
    layers.push_back({{"id", record.id},
                      {"name", record.name},
                      {"state", record.state},
                      {"driver", record.driver},
                      {"directory", record.directory},
                      {"parent", std::move(parent)},
                      {"whole_tree", record.form == LayerForm::kWhole},
                      {"images_count", layer.images_count},
                      {"containers_count", layer.containers_count},
                      {"figures", Json(layer.figures)}});
  }
  ordered_json parts = ordered_json::array();
  for (const PartFigures& part : inspection.parts) {
    parts.push_back({{"name", part.name}, {"used", Json(part.used)}, {"du_bytes", part.du_bytes}});
  }
  ordered_json files = ordered_json::array();
  for (const WastedFile& file : inspection.wasted_files) {
    files.push_back({{"path", file.path}, {"why", UseName(file.use)}, {"block_bytes", file.block_bytes}});
  }
  const ordered_json document = {{"kind", inspection.kind},
                                 {"path", inspection.path},
                                 {"file_system", inspection.file_system},
                                 {"extents_known", inspection.extents_known},
                                 {"total", Json(inspection.total)},
                                 {"layers_total", Json(inspection.layers_total)},
                                 {"unused", Json(inspection.unused)},
                                 {"images", std::move(images)},
                                 {"layers", std::move(layers)},
                                 {"parts", std::move(parts)},
                                 {"wasted_files_count", inspection.wasted_files_count},
                                 {"wasted_files", std::move(files)},
                                 {"notes", inspection.notes},
                                 {"files_read_count", inspection.files_read_count},
                                 {"bytes_read", inspection.bytes_read}};
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace layermark::inspect
