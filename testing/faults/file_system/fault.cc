#include "testing/faults/file_system/fault.h"

namespace layermark::faults {
namespace {

Fault current = Fault::none;

struct Row {
  std::string_view name;
  Fault fault;
};

#define LAYERMARK_FAULT_driver(name)
#define LAYERMARK_FAULT_overlay(name)
#define LAYERMARK_FAULT_run_time(name) {#name, Fault::name},
#define FAULT(kind, name, area, property, sentence) LAYERMARK_FAULT_##kind(name)
constexpr Row kRows[] = {
    {"none", Fault::none},
#include "testing/faults/faults.def"
};

}  // namespace

bool SwitchOn(std::string_view name) {
  for (const Row& row : kRows) {
    if (name.empty() || row.name == name) {
      current = row.fault;
      return true;
    }
  }
  return false;
}

bool On(Fault fault) {
  return current == fault;
}

}  // namespace layermark::faults
