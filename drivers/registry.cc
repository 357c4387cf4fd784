#include "drivers/registry.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/sys/user_namespace.h"

namespace layermark {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Splits at commas that no backslash escapes; "\," and "\\" become the character they stand for.
Result<std::vector<std::string>> SplitOptions(const std::string& text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      parts.emplace_back();
    } else if (text[i] == '\\') {
      if (i + 1 == text.size() || (text[i + 1] != ',' && text[i + 1] != '\\')) {
        return InvalidArgument("a backslash escapes only a comma or a backslash");
      }
      parts.back() += text[++i];
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

Status CheckOption(const Driver& driver, const std::string& key, const std::string& value) {
  const std::vector<OptionRow> rows = driver.options();
  auto row = std::find_if(rows.begin(), rows.end(), [&](const OptionRow& r) { return r.name == key; });
  if (row == rows.end()) {
    std::vector<std::string> known;
    for (const OptionRow& r : rows) known.push_back(r.name);
    return InvalidArgument("driver " + driver.name() + " has no option \"" + key + "\"; " +
                           (known.empty() ? "it has none" : "it has: " + Joined(known)));
  }
  if (!row->values.empty() && std::find(row->values.begin(), row->values.end(), value) == row->values.end()) {
    return InvalidArgument("driver " + driver.name() + ": option " + key + " cannot be \"" + value +
                           "\"; it is one of: " + Joined(row->values));
  }
  if (value.empty()) return InvalidArgument("driver " + driver.name() + ": option " + key + " has no value");
  return Status::Ok();
}

// With what the driver needs in a user namespace and the instance does not state.
InstanceSpec ForHere(InstanceSpec instance) {
  static const bool in_one = InUserNamespace() || geteuid() != 0;
  if (in_one) {
    for (const auto& [key, value] : instance.driver->options_in_a_user_namespace())
      instance.options.emplace(key, value);
  }
  return instance;
}

Result<InstanceSpec> Complete(InstanceSpec instance) {
  if (const std::string missing = instance.WhatIsMissing(); !missing.empty()) return InvalidArgument(missing);
  return ForHere(std::move(instance));
}

}  // namespace

InstanceSpec PlainInstance(const Driver& driver) {
  return ForHere({&driver, {}});
}

const Driver* FindDriver(std::string_view name) {
  for (const Driver* driver : AllDrivers()) {
    if (driver->name() == name) return driver;
  }
  return nullptr;
}

Result<InstanceSpec> ParseInstance(const std::string& spec) {
  const size_t colon = spec.find(':');
  InstanceSpec instance;
  instance.driver = FindDriver(std::string_view(spec).substr(0, colon));
  if (instance.driver == nullptr) {
    std::vector<std::string> known;
    for (const Driver* driver : AllDrivers()) known.push_back(driver->name());
    return InvalidArgument("unknown driver \"" + spec.substr(0, colon) +
                           "\"; the drivers are: " + Joined(known));
  }
  if (colon == std::string::npos) return Complete(std::move(instance));

  auto parts = SplitOptions(spec.substr(colon + 1));
  if (!parts.ok()) return parts.status().WithContext("driver \"" + spec + "\"");
  for (const std::string& part : *parts) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0) {
      return InvalidArgument("driver \"" + spec + "\": \"" + part + "\" is not of the form option=value");
    }
    const std::string key = part.substr(0, equals);
    const std::string value = part.substr(equals + 1);
    LM_TRY(CheckOption(*instance.driver, key, value));
    if (!instance.options.emplace(key, value).second) {
      return InvalidArgument("driver \"" + spec + "\": option " + key + " is given twice");
    }
  }
  return Complete(std::move(instance));
}

}  // namespace layermark
