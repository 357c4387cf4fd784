#include "drivers/exec/reply.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "drivers/exec/timestamp.h"
#include "drivers/support/layer_options.h"

namespace layermark {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 11> kVerbs = {"capabilities", "stat",    "update", "usage",
                                                     "mounts",       "prepare", "view",   "commit",
                                                     "remove",       "walk",    "cleanup"};

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 200;
  return fmt::format("\"{}{}\"", text.substr(0, kShown), text.size() > kShown ? "..." : "");
}

Status Broken(const std::string& what) {
  return DataLoss(what);
}

// The fields of one JSON object. The first thing that is wrong is kept; what is read after it is the default.
class Fields {
 public:
  Fields(const json& object, std::string where, Status& problem)
      : object_(object), where_(std::move(where)), problem_(problem) {
    if (!object_.is_object()) Fail(fmt::format("{} is {}, not an object", where_, object_.type_name()));
  }

  // nullptr where it is absent or null.
  const json* Find(const char* name, const char* other_name = nullptr) const {
    if (!object_.is_object()) return nullptr;
    for (const char* spelling : {name, other_name}) {
      if (spelling == nullptr) continue;
      const auto found = object_.find(spelling);
      if (found != object_.end() && !found->is_null()) return &*found;
    }
    return nullptr;
  }
  const json* Array(const char* name) {
    const json* value = Find(name);
    if (value == nullptr) return nullptr;
    if (value->is_array()) return value;
    Fail(fmt::format("{} is {}, not an array", Path(name), value->type_name()));
    return nullptr;
  }
  std::string String(const char* name) {
    const json* value = Find(name);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    Fail(fmt::format("{} is {}, not a string", Path(name), value->type_name()));
    return "";
  }
  // A 64-bit integer, as a number or a string of digits.
  int64_t Integer(const char* name, const char* other_name = nullptr) {
    const json* value = Find(name, other_name);
    if (value == nullptr) return 0;
    int64_t number = 0;
    if (value->is_number_unsigned()) {
      if (value->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()})
        return value->get<int64_t>();
    } else if (value->is_number_integer()) {
      return value->get<int64_t>();
    } else if (value->is_string()) {
      const auto& text = value->get_ref<const std::string&>();
      const char* end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data(), end, number);
      if (parsed.ec == std::errc() && parsed.ptr == end) return number;
    }
    Fail(fmt::format("{} is no 64-bit integer", Path(name)));
    return 0;
  }
  int64_t Time(const char* name, const char* other_name) {
    const json* value = Find(name, other_name);
    if (value == nullptr) return 0;
    const auto ns = value->is_string() ? ParseTimestamp(value->get_ref<const std::string&>()) : std::nullopt;
    if (!ns) Fail(fmt::format("{} is no time of RFC 3339", Path(name)));
    return ns.value_or(0);
  }
  bool Bool(const char* name, const char* other_name) {
    const json* value = Find(name, other_name);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    Fail(fmt::format("{} is {}, not true or false", Path(name), value->type_name()));
    return false;
  }
  // The place of `name` in `words`; 0 where it is absent.
  size_t Word(const char* name, std::initializer_list<std::string_view> words) {
    const json* value = Find(name);
    if (value == nullptr) return 0;
    std::string known;
    size_t place = 0;
    for (std::string_view word : words) {
      if (value->is_string() && value->get_ref<const std::string&>() == word) return place;
      ++place;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
    }
    Fail(fmt::format("{} is {}; it is one of: {}", Path(name),
                     value->is_string() ? Quoted(value->get<std::string>()) : value->type_name(), known));
    return 0;
  }
  std::string Path(std::string_view name) const {
    return where_.empty() ? fmt::format("\"{}\"", name) : fmt::format("\"{}\" of {}", name, where_);
  }
  void Fail(const std::string& what) {
    if (problem_.ok()) problem_ = Broken(what);
  }
  Status& problem() { return problem_; }

 private:
  const json& object_;
  const std::string where_;
  Status& problem_;
};

std::vector<std::string> Strings(Fields& fields, const char* name) {
  std::vector<std::string> strings;
  const json* array = fields.Array(name);
  if (array == nullptr) return strings;
  for (const json& element : *array) {
    if (element.is_string()) {
      strings.push_back(element.get<std::string>());
    } else {
      fields.Fail(fmt::format("{} holds {}, not a string", fields.Path(name), element.type_name()));
    }
  }
  return strings;
}

std::vector<Mount> ReadMounts(Fields& reply) {
  std::vector<Mount> mounts;
  const json* array = reply.Array("mounts");
  if (array == nullptr) return mounts;
  for (const json& element : *array) {
    Fields fields(element, fmt::format("mount {}", mounts.size()), reply.problem());
    Mount mount;
    mount.type = fields.String("type");
    mount.source = fields.String("source");
    mount.target = fields.String("target");
    mount.options = TakeLayersApart(mount.type, Strings(fields, "options"));
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Info ReadInfo(const json& object, const std::string& where, Status& problem) {
  Fields fields(object, where, problem);
  Info info;
  info.name = fields.String("name");
  info.parent = fields.String("parent");
  constexpr std::array kKinds = {Kind::kUnknown, Kind::kView, Kind::kActive, Kind::kCommitted};
  info.kind = kKinds.at(fields.Word("kind", {"UNKNOWN", "VIEW", "ACTIVE", "COMMITTED"}));
  info.created_ns = fields.Time("createdAt", "created_at");
  info.updated_ns = fields.Time("updatedAt", "updated_at");
  if (const json* labels = fields.Find("labels"); labels != nullptr) {
    Fields map(*labels, fmt::format("\"labels\" of {}", where), problem);
    if (labels->is_object()) {
      for (const auto& [key, value] : labels->items()) {
        if (value.is_string()) {
          info.labels[key] = value.get<std::string>();
        } else {
          map.Fail(fmt::format("{} is {}, not a string", map.Path(key), value.type_name()));
        }
      }
    }
  }
  return info;
}

std::vector<Info> ReadInfos(ExecVerb verb, Fields& reply) {
  std::vector<Info> infos;
  if (verb != ExecVerb::kWalk) {
    const json* info = reply.Find("info");
    if (info == nullptr) {
      reply.Fail("\"info\" is missing");
    } else {
      infos.push_back(ReadInfo(*info, "\"info\"", reply.problem()));
    }
    return infos;
  }
  const json* array = reply.Array("info");
  if (array == nullptr) return infos;
  for (const json& element : *array) {
    infos.push_back(ReadInfo(element, fmt::format("info {}", infos.size()), reply.problem()));
  }
  return infos;
}

InodeFormula ReadInodeFormula(const json& object, Status& problem) {
  using Stores = InodeFormula::Stores;
  using Whiteouts = InodeFormula::Whiteouts;
  Fields fields(object, "\"inodeFormula\"", problem);
  InodeFormula formula;
  constexpr std::array kStores = {Stores::kFullTree, Stores::kOwnLayer};
  constexpr std::array kWhiteouts = {Whiteouts::kNone, Whiteouts::kOneEach, Whiteouts::kOneShared};
  formula.stores = kStores.at(fields.Word("stores", {"FULL_TREE", "OWN_LAYER"}));
  formula.whiteouts = kWhiteouts.at(fields.Word("whiteouts", {"NONE", "ONE_EACH", "ONE_SHARED"}));
  formula.per_store = fields.Integer("perStore", "per_store");
  formula.per_snapshot = fields.Integer("perSnapshot", "per_snapshot");
  formula.per_mounted_active = fields.Integer("perMountedActive", "per_mounted_active");
  formula.view_stores_tree = fields.Bool("viewStoresTree", "view_stores_tree");
  formula.per_new_directory = fields.Integer("perNewDirectory", "per_new_directory");
  formula.per_new_directory_in_old = fields.Integer("perNewDirectoryInOld", "per_new_directory_in_old");
  formula.removal_copies_linked_file = fields.Bool("removalCopiesLinkedFile", "removal_copies_linked_file");
  formula.explanation = fields.String("explanation");
  if (formula.explanation.empty()) formula.explanation = "as the program reports";
  return formula;
}

void ReadDeclaration(Fields& reply, ExecReply& out) {
  if (reply.Find("protocol") == nullptr) {
    reply.Fail("\"protocol\" is missing");
  } else if (const int64_t spoken = reply.Integer("protocol"); spoken != kExecProtocol) {
    reply.Fail(fmt::format("the program speaks version {} of the protocol, this is version {}", spoken,
                           kExecProtocol));
  }
  out.name = reply.String("name");
  out.version = reply.String("version");
  if (reply.Find("capabilities") == nullptr) reply.Fail("\"capabilities\" is missing");
  for (const std::string& word : Strings(reply, "capabilities")) {
    const std::optional<Capability> capability = CapabilityFromName(word);
    if (!capability) {
      reply.Fail(fmt::format("unknown capability {}", Quoted(word)));
    } else if (*capability == Capability::inodes_foretold &&
               reply.Find("inodeFormula", "inode_formula") == nullptr) {
      reply.Fail("capability \"inodes_foretold\" without \"inodeFormula\"");
    } else if (Row(*capability).group == CapabilityGroup::kPrivilege) {
      reply.Fail(fmt::format("capability {} is the machine's, not a driver's", Quoted(word)));
    } else {
      out.capabilities.Add(*capability);
    }
  }
  if (const json* formula = reply.Find("inodeFormula", "inode_formula"); formula != nullptr) {
    out.inode_formula = ReadInodeFormula(*formula, reply.problem());
  }
}

// The error of exit status 1.
Status ReadError(const json& object, Status& problem) {
  Fields reply(object, "the answer", problem);
  const json* error = reply.Find("error");
  if (error == nullptr) {
    reply.Fail("exit status 1 without \"error\"");
    return {};
  }
  Fields fields(*error, "\"error\"", problem);
  const std::string word = fields.String("code");
  const std::string message = fields.String("message");
  const std::optional<Code> code = CodeFromName(word);
  if (!code || *code == Code::kOk) {
    fields.Fail(fmt::format("{} is no code of an error (NOT_FOUND, ALREADY_EXISTS, ...)", Quoted(word)));
    return {};
  }
  return {*code, message.empty() ? "no message" : message};
}

}  // namespace

std::string_view VerbName(ExecVerb verb) {
  return kVerbs.at(static_cast<size_t>(verb));
}

Result<ExecReply> ReadExecReply(ExecVerb verb, int exit_code, std::string_view output) {
  if (exit_code != 0 && exit_code != 1) return Broken(fmt::format("exit status {}; it is 0 or 1", exit_code));
  if (output.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Broken(
        fmt::format("exit status {} and nothing on standard output; it is one JSON object", exit_code));
  }
  const json object = json::parse(output, nullptr, false);
  if (object.is_discarded()) {
    return Broken(fmt::format("standard output is not one JSON object: {}", Quoted(output)));
  }
  Status problem;
  ExecReply out;
  if (exit_code == 1) {
    out.status = ReadError(object, problem);
    LM_TRY(problem);
    return out;
  }
  Fields reply(object, "the answer", problem);
  if (reply.Find("error") != nullptr) reply.Fail("exit status 0 with \"error\"; an error is exit status 1");
  switch (verb) {
    case ExecVerb::kCapabilities:
      ReadDeclaration(reply, out);
      break;
    case ExecVerb::kStat:
    case ExecVerb::kUpdate:
    case ExecVerb::kWalk:
      out.infos = ReadInfos(verb, reply);
      break;
    case ExecVerb::kUsage:
      out.usage = {reply.Integer("inodes"), reply.Integer("size")};
      break;
    case ExecVerb::kMounts:
    case ExecVerb::kPrepare:
    case ExecVerb::kView:
      out.mounts = ReadMounts(reply);
      break;
    case ExecVerb::kCommit:
    case ExecVerb::kRemove:
    case ExecVerb::kCleanup:
      break;
  }
  LM_TRY(problem);
  return out;
}

}  // namespace layermark
