#include "drivers/driver.h"

namespace layermark {

Result<std::vector<Mount>> Driver::StackMounts(const DriverOptions&, const StackSpec&) const {
  return Unimplemented(name() + ": mounts no hand-made layers");
}

Status Driver::Restart(const DriverOptions&) const {
  return Unimplemented(name() + " has no daemon that could be started again");
}

Status Driver::Forget(const DriverOptions&, const std::string&) const {
  return Status::Ok();
}

Result<std::vector<std::string>> Driver::Sweep(const DriverOptions&) const {
  return Unimplemented(name() + ": keeps nothing outside the run");
}

Result<Declaration> Driver::Declare(const DriverOptions& options, const std::string& backing,
                                    const std::string&) const {
  Declaration declaration;
  declaration.capabilities = capabilities(options, backing);
  if (Result<std::string> version = Version(options); version.ok()) declaration.version = *version;
  declaration.inode_formula = inode_formula(options);
  if (!declaration.inode_formula.explanation.empty())
    declaration.capabilities.Add(Capability::inodes_foretold);
  return declaration;
}

std::vector<std::string> Driver::NeededPaths(const DriverOptions& options) const {
  std::vector<std::string> paths;
  for (const auto& [key, value] : options) {
    if (value.starts_with("/")) paths.push_back(value);
  }
  return paths;
}

std::string InstanceSpec::WhatIsMissing() const {
  for (const OptionRow& row : driver->options()) {
    if (!row.required || options.contains(row.name) || options.contains(row.or_else)) continue;
    const std::string other = row.or_else.empty() ? "" : " (or " + row.or_else + "=...)";
    return "driver " + driver->name() + " needs the option " + row.name + "=..." + other + ": " +
           row.sentence;
  }
  return "";
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
