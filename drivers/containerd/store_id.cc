#include "drivers/containerd/store_id.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "core/sys/fd.h"
#include "core/sys/unix_socket.h"

namespace layermark {
namespace {

constexpr std::string_view kPrefix = "layermark-";
constexpr size_t kDigits = 16;
constexpr const char* kFile = "store_id";

struct HeldIds {
  std::mutex mutex;
  std::map<std::string, Fd> names;
};

HeldIds& Held() {
  static HeldIds held;
  return held;
}

}  // namespace

bool IsStoreId(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kDigits) return false;
  text.remove_prefix(kPrefix.size());
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string NewStoreId() {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}", kPrefix, random(), random());
}

Result<std::optional<std::string>> ReadStoreId(const std::string& root) {
  const std::string path = fmt::format("{}/{}", root, kFile);
  Result<std::string> text = ReadFile(path);
  if (!text.ok() && text.status().code() == Code::kNotFound) return std::optional<std::string>();
  if (!text.ok()) return text.status();
  if (!IsStoreId(*text)) return DataLoss(fmt::format("{}: holds no id of a store", path));
  return std::optional<std::string>(std::move(text).value());
}

Status WriteStoreId(const std::string& root, const std::string& id) {
  return WriteFile(fmt::format("{}/{}", root, kFile), id);
}

Status HoldStoreId(const std::string& id) {
  HeldIds& held = Held();
  const std::scoped_lock lock(held.mutex);
  if (held.names.contains(id)) return Status::Ok();
  LM_ASSIGN(std::optional<Fd> name, HoldName(id));
  if (name) held.names.emplace(id, *std::move(name));
  return Status::Ok();
}

void ReleaseStoreId(const std::string& id) {
  HeldIds& held = Held();
  const std::scoped_lock lock(held.mutex);
  held.names.erase(id);
}

Result<bool> IfNobodyHolds(const std::string& id, const std::function<Status()>& body) {
  LM_ASSIGN(const std::optional<Fd> name, HoldName(id));
  if (!name) return false;
  LM_TRY(body());
  return true;
}

}  // namespace layermark
