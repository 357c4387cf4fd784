#include "results/json_schema.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace layermark {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownCharacters = 80;

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kShownCharacters) text = text.substr(0, kShownCharacters) + "...";
  return text;
}

bool IsInteger(const Json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return std::trunc(number) == number && std::fabs(number) < 9.2e18;  // what fits an int64_t
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "number") return value.is_number();
  if (type == "integer") return IsInteger(value);
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

class Validator {
 public:
  explicit Validator(const Json& root) : root_(root) {}

  // `where` is the path of `value`, "" for the whole document.
  Status Check(const Json& value, const Json& schema, const std::string& where) const {
    if (schema.is_boolean()) return schema.get<bool>() ? Status::Ok() : Broken(where, "is not allowed");
    if (!schema.is_object())
      return Internal("schema: a rule for " + where + " is neither object nor boolean");
    // Combined rules come last: the message of a simple one says more.
    const auto combined = [](const std::string& keyword) { return keyword == "allOf" || keyword == "anyOf"; };
    for (const bool last : {false, true}) {
      for (const auto& [keyword, rule] : schema.items()) {
        if (combined(keyword) == last) LM_TRY(Apply(value, schema, where, keyword, rule));
      }
    }
    return Status::Ok();
  }

 private:
  static Status Broken(const std::string& where, const std::string& what) {
    return InvalidArgument((where.empty() ? std::string("the record") : where) + ": " + what);
  }

  Status Apply(const Json& value, const Json& schema, const std::string& where, const std::string& keyword,
               const Json& rule) const {
    if (keyword == "$schema" || keyword == "$id" || keyword == "$defs" || keyword == "title" ||
        keyword == "description") {
      return Status::Ok();
    }
    if (keyword == "type") return CheckType(value, rule, where);
    if (keyword == "const") {
      return value == rule ? Status::Ok() : Broken(where, Shown(value) + " is not " + Shown(rule));
    }
    if (keyword == "enum") return CheckEnum(value, rule, where);
    if (keyword == "$ref") return CheckRef(value, rule, where);
    if (keyword == "allOf") {
      for (const Json& part : rule) LM_TRY(Check(value, part, where));
      return Status::Ok();
    }
    if (keyword == "anyOf") return CheckAnyOf(value, rule, where);
    if (keyword == "minimum") {
      if (!value.is_number() || value.get<double>() >= rule.get<double>()) return Status::Ok();
      return Broken(where, Shown(value) + " is below " + Shown(rule));
    }
    if (keyword == "minLength") {
      if (!value.is_string() || value.get_ref<const std::string&>().size() >= rule.get<size_t>())
        return Status::Ok();
      return Broken(where, "is empty or too short");
    }
    if (keyword == "minItems" || keyword == "maxItems") {
      if (!value.is_array()) return Status::Ok();
      const bool fits =
          keyword == "minItems" ? value.size() >= rule.get<size_t>() : value.size() <= rule.get<size_t>();
      return fits ? Status::Ok()
                  : Broken(where, std::to_string(value.size()) + " items, " + keyword + " " + Shown(rule));
    }
    if (keyword == "required") return CheckRequired(value, rule, where);
    if (keyword == "items") return CheckItems(value, rule, where);
    if (keyword == "properties") return CheckProperties(value, rule, where);
    if (keyword == "additionalProperties") return CheckAdditional(value, schema, rule, where);
    return Internal("schema: keyword " + keyword + " is not known to this reader");
  }

  static Status CheckType(const Json& value, const Json& rule, const std::string& where) {
    if (rule.is_string()) {
      if (HasType(value, rule.get_ref<const std::string&>())) return Status::Ok();
    } else {
      for (const Json& type : rule) {
        if (HasType(value, type.get_ref<const std::string&>())) return Status::Ok();
      }
    }
    return Broken(where, Shown(value) + " is not of type " + Shown(rule));
  }

  static Status CheckEnum(const Json& value, const Json& rule, const std::string& where) {
    for (const Json& allowed : rule) {
      if (value == allowed) return Status::Ok();
    }
    return Broken(where, Shown(value) + " is none of " + Shown(rule));
  }

  Status CheckRef(const Json& value, const Json& rule, const std::string& where) const {
    const std::string& text = rule.get_ref<const std::string&>();
    if (text.rfind("#/", 0) != 0) return Internal("schema: reference " + text + " leaves the document");
    const Json::json_pointer pointer(text.substr(1));
    if (!root_.contains(pointer)) return Internal("schema: reference " + text + " leads nowhere");
    return Check(value, root_.at(pointer), where);
  }

  Status CheckAnyOf(const Json& value, const Json& rule, const std::string& where) const {
    for (const Json& part : rule) {
      Status status = Check(value, part, where);
      if (status.ok() || status.code() == Code::kInternal) return status;
    }
    return Broken(where, "fits none of the allowed forms: " + Shown(value));
  }

  static Status CheckRequired(const Json& value, const Json& rule, const std::string& where) {
    if (!value.is_object()) return Status::Ok();
    for (const Json& name : rule) {
      if (!value.contains(name.get_ref<const std::string&>())) return Broken(where, "lacks " + Shown(name));
    }
    return Status::Ok();
  }

  Status CheckItems(const Json& value, const Json& rule, const std::string& where) const {
    if (!value.is_array()) return Status::Ok();
    for (size_t i = 0; i < value.size(); ++i)
      LM_TRY(Check(value[i], rule, where + "[" + std::to_string(i) + "]"));
    return Status::Ok();
  }

  static std::string Child(const std::string& where, const std::string& name) {
    return where.empty() ? name : where + "." + name;
  }

  Status CheckProperties(const Json& value, const Json& rule, const std::string& where) const {
    if (!value.is_object()) return Status::Ok();
    for (const auto& [name, part] : rule.items()) {
      if (value.contains(name)) LM_TRY(Check(value[name], part, Child(where, name)));
    }
    return Status::Ok();
  }

  Status CheckAdditional(const Json& value, const Json& schema, const Json& rule,
                         const std::string& where) const {
    if (!value.is_object()) return Status::Ok();
    const auto known = schema.find("properties");
    for (const auto& [name, item] : value.items()) {
      if (known != schema.end() && known->contains(name)) continue;
      if (rule.is_boolean() && !rule.get<bool>()) return Broken(where, "unknown key \"" + name + "\"");
      LM_TRY(Check(item, rule, Child(where, name)));
    }
    return Status::Ok();
  }

  const Json& root_;
};

}  // namespace

Status ValidateJson(const nlohmann::json& value, const nlohmann::json& schema) {
  return Validator(schema).Check(value, schema, "");
}

}  // namespace layermark
