// JSON of images: hostile until checked. Nothing here throws.
#ifndef LAYERMARK_CORE_OCI_IMAGE_JSON_H_
#define LAYERMARK_CORE_OCI_IMAGE_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/oci/image.h"
#include "core/result.h"

namespace layermark {

inline constexpr size_t kMaxJsonBytes = size_t{16} << 20;

// `what` is named in the error.
Result<nlohmann::json> ParseJson(std::string_view text, const std::string& what);

// The member `key`, or null: absent, JSON null and "not an object" are one.
const nlohmann::json* JsonMember(const nlohmann::json& object, const char* key);
Result<std::string> JsonString(const nlohmann::json& object, const char* key, const std::string& what);
std::string JsonStringOr(const nlohmann::json& object, const char* key, std::string_view otherwise);
// Array of strings; absent is empty.
Result<std::vector<std::string>> JsonStrings(const nlohmann::json& object, const char* key,
                                             const std::string& what);
// Array of anything; absent or of another type is an error.
Result<const nlohmann::json*> JsonArray(const nlohmann::json& object, const char* key,
                                        const std::string& what);

// What a descriptor of the specification says, its digest checked for its form.
struct Descriptor {
  std::string media_type;
  std::string digest;
  int64_t size_bytes = 0;
};
Result<Descriptor> ReadDescriptor(const nlohmann::json& object, const std::string& what);

struct ConfigFile {
  ImageConfig config;
  std::vector<std::string> diff_ids;
};
// The image configuration (config.md), diff IDs checked for their form.
Result<ConfigFile> ReadConfigFile(std::string_view text, const std::string& what);
std::string WriteConfigFile(const ConfigFile& file);

}  // namespace layermark

#endif  // LAYERMARK_CORE_OCI_IMAGE_JSON_H_
