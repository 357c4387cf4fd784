#include "core/oci/image_json.h"

#include <fmt/format.h>

#include "core/oci/digest.h"

namespace layermark {

using nlohmann::json;

namespace {

// No image nests deeper than a few levels; what does costs time and stack in every walk over it.
constexpr int kMaxDepth = 256;

bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<json> ParseJson(std::string_view text, const std::string& what) {
  if (IsTooDeep(text)) return InvalidArgument(what + ": JSON nested too deep");
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return InvalidArgument(what + ": malformed JSON");
  if (!value.is_object() && !value.is_array())
    return InvalidArgument(what + ": neither a JSON object nor an array");
  return value;
}

const json* JsonMember(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<std::string> JsonString(const json& object, const char* key, const std::string& what) {
  const json* member = JsonMember(object, key);
  if (member == nullptr) return InvalidArgument(fmt::format("{}: no \"{}\"", what, key));
  if (!member->is_string()) return InvalidArgument(fmt::format("{}: \"{}\" is not a string", what, key));
  return member->get<std::string>();
}

std::string JsonStringOr(const json& object, const char* key, std::string_view otherwise) {
  const json* member = JsonMember(object, key);
  return member != nullptr && member->is_string() ? member->get<std::string>() : std::string(otherwise);
}

Result<std::vector<std::string>> JsonStrings(const json& object, const char* key, const std::string& what) {
  std::vector<std::string> strings;
  const json* member = JsonMember(object, key);
  if (member == nullptr) return strings;
  if (!member->is_array()) return InvalidArgument(fmt::format("{}: \"{}\" is not an array", what, key));
  for (const json& item : *member) {
    if (!item.is_string())
      return InvalidArgument(fmt::format("{}: \"{}\" holds what is no string", what, key));
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

Result<const json*> JsonArray(const json& object, const char* key, const std::string& what) {
  const json* member = JsonMember(object, key);
  if (member == nullptr || !member->is_array())
    return InvalidArgument(fmt::format("{}: no array \"{}\"", what, key));
  return member;
}

Result<Descriptor> ReadDescriptor(const json& object, const std::string& what) {
  Descriptor descriptor;
  descriptor.media_type = JsonStringOr(object, "mediaType", "");
  LM_ASSIGN(descriptor.digest, JsonString(object, "digest", what));
  if (!IsSha256Digest(descriptor.digest)) {
    return InvalidArgument(fmt::format("{}: \"{}\" is not a sha256 digest", what, descriptor.digest));
  }
  const json* size = JsonMember(object, "size");
  if (size == nullptr || !size->is_number_integer() ||
      (size->is_number_unsigned() && size->get<uint64_t>() >> 62 != 0)) {
    return InvalidArgument(fmt::format("{}: {}: no valid \"size\"", what, descriptor.digest));
  }
  descriptor.size_bytes = size->get<int64_t>();
  if (descriptor.size_bytes < 0)
    return InvalidArgument(fmt::format("{}: {}: negative size", what, descriptor.digest));
  return descriptor;
}

Result<ConfigFile> ReadConfigFile(std::string_view text, const std::string& what) {
  LM_ASSIGN(const json root, ParseJson(text, what));
  ConfigFile file;
  ImageConfig& config = file.config;
  config.architecture = JsonStringOr(root, "architecture", "");
  config.os = JsonStringOr(root, "os", "");
  if (const json* run = JsonMember(root, "config")) {
    if (!run->is_object()) return InvalidArgument(what + ": \"config\" is not an object");
    LM_ASSIGN(config.entrypoint, JsonStrings(*run, "Entrypoint", what));
    LM_ASSIGN(config.cmd, JsonStrings(*run, "Cmd", what));
    LM_ASSIGN(config.env, JsonStrings(*run, "Env", what));
    config.working_dir = JsonStringOr(*run, "WorkingDir", "");
    config.user = JsonStringOr(*run, "User", "");
    const json* ports = JsonMember(*run, "ExposedPorts");
    if (ports != nullptr && ports->is_object()) {
      for (const auto& item : ports->items()) config.exposed_ports.push_back(item.key());
    }
    const json* labels = JsonMember(*run, "Labels");
    if (labels != nullptr && labels->is_object()) {
      for (const auto& item : labels->items()) {
        if (!item.value().is_string())
          return InvalidArgument(fmt::format("{}: label {} is not a string", what, item.key()));
        config.labels[item.key()] = item.value().get<std::string>();
      }
    }
  }
  const json* rootfs = JsonMember(root, "rootfs");
  if (rootfs == nullptr || !rootfs->is_object()) return InvalidArgument(what + ": no \"rootfs\"");
  LM_ASSIGN(file.diff_ids, JsonStrings(*rootfs, "diff_ids", what));
  for (const std::string& diff_id : file.diff_ids) {
    if (!IsSha256Digest(diff_id))
      return InvalidArgument(fmt::format("{}: diff ID \"{}\" is not a sha256 digest", what, diff_id));
  }
  return file;
}

std::string WriteConfigFile(const ConfigFile& file) {
  const ImageConfig& config = file.config;
  json run = json::object();
  if (!config.entrypoint.empty()) run["Entrypoint"] = config.entrypoint;
  if (!config.cmd.empty()) run["Cmd"] = config.cmd;
  if (!config.env.empty()) run["Env"] = config.env;
  if (!config.working_dir.empty()) run["WorkingDir"] = config.working_dir;
  if (!config.user.empty()) run["User"] = config.user;
  for (const std::string& port : config.exposed_ports) run["ExposedPorts"][port] = json::object();
  if (!config.labels.empty()) run["Labels"] = config.labels;
  json root = {{"architecture", config.architecture}, {"os", config.os}, {"config", run}};
  root["rootfs"] = {{"type", "layers"}, {"diff_ids", file.diff_ids}};
  // Text that is no UTF-8 has no JSON form: its bad bytes become U+FFFD.
  return root.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace layermark
