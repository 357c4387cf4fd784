#include "drivers/driver.h"

namespace layermark {

Result<std::vector<Mount>> Driver::StackMounts(const DriverOptions&, const StackSpec&) const {
  return Unimplemented(name() + ": mounts no hand-made layers");
}

std::string InstanceSpec::name() const {
  std::string text = driver->name();
  char separator = ':';
  for (const auto& [key, value] : options) {
    text += separator;
    text += key + "=";
    for (char c : value) {
      if (c == ',' || c == '\\') text += '\\';
      text += c;
    }
    separator = ',';
  }
  return text;
}

std::string InstanceSpec::test_name() const {
  std::string text = driver->name();
  for (const auto& [key, value] : options) text += "__" + key + "_" + value;
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    } else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
      c = '_';
    }
  }
  return text;
}

}  // namespace layermark
