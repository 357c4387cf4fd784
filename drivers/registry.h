// The registry of drivers, generated from the folders, and the parsing of --driver.
#ifndef LAYERMARK_DRIVERS_REGISTRY_H_
#define LAYERMARK_DRIVERS_REGISTRY_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "drivers/driver.h"

namespace layermark {

// In order of their names. Generated.
const std::vector<const Driver*>& AllDrivers();
// nullptr if there is none of that name.
const Driver* FindDriver(std::string_view name);
// An instance that states nothing. This one and ParseInstance add what a driver needs in a user namespace,
// where the caller is in one or, not being root, will have to be.
InstanceSpec PlainInstance(const Driver& driver);
// kInvalidArgument names the unknown driver (and the known ones), the unknown option (and the known ones),
// the value or the required option that is not there.
Result<InstanceSpec> ParseInstance(const std::string& spec);

struct ExpectedFailureText {
  std::string driver;
  std::string toml;
};
// The expected_failures.toml files, built in. Generated.
const std::vector<ExpectedFailureText>& BuiltInExpectedFailures();

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_REGISTRY_H_
