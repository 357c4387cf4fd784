#include "drivers/rpc/messages.h"

#include <fmt/core.h>

#include <limits>
#include <string_view>

#include "drivers/support/layer_options.h"

namespace layermark::rpc {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// The length of the UTF-8 sequence at the start of `text`; 0 where there is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first < 0xE0   ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Longer than need be, a surrogate, or beyond the last character.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90))
    return 0;
  return length;
}

std::string AsUtf8(const std::string& text) {
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = SequenceLength(rest);
    if (length == 0) {
      out += '?';
      rest.remove_prefix(1);
    } else {
      out += rest.substr(0, length);
      rest.remove_prefix(length);
    }
  }
  return out;
}

api::Kind ToRpc(Kind kind) {
  switch (kind) {
    case Kind::kView:
      return api::VIEW;
    case Kind::kActive:
      return api::ACTIVE;
    case Kind::kCommitted:
      return api::COMMITTED;
    case Kind::kUnknown:
      break;
  }
  return api::UNKNOWN;
}

void SetTime(int64_t ns, google::protobuf::Timestamp* out) {
  int64_t seconds = ns / kSecond, rest = ns % kSecond;
  if (rest < 0) {
    --seconds;
    rest += kSecond;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(rest));
}

// A time beyond an int64_t of nanoseconds (Go's zero time is) is 0.
int64_t TimeOf(const google::protobuf::Timestamp& time) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / kSecond - 1;
  if (time.seconds() > kMost || time.seconds() < -kMost) return 0;
  return time.seconds() * kSecond + time.nanos();
}

}  // namespace

bool IsUtf8(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = SequenceLength(rest);
    if (length == 0) return false;
    rest.remove_prefix(length);
  }
  return true;
}

::grpc::Status ToRpc(const Status& status) {
  if (status.ok()) return ::grpc::Status::OK;
  return {static_cast<::grpc::StatusCode>(status.code()), AsUtf8(status.message())};
}

Status FromRpc(const ::grpc::Status& status, const std::string& operation) {
  if (status.ok()) return {};
  const int code = status.error_code();
  const bool known = code > 0 && code <= static_cast<int>(Code::kUnauthenticated);
  return {known ? static_cast<Code>(code) : Code::kUnknown,
          fmt::format("{}: {}", operation, status.error_message())};
}

void ToRpc(const std::vector<Mount>& mounts, MountList& out) {
  for (const Mount& mount : mounts) {
    containerd::types::Mount* message = out.Add();
    message->set_type(mount.type);
    message->set_source(mount.source);
    message->set_target(mount.target);
    for (const std::string& option : JoinLayers(mount.options)) message->add_options(option);
  }
}

std::vector<Mount> FromRpc(const MountList& mounts) {
  std::vector<Mount> out;
  for (const containerd::types::Mount& message : mounts) {
    const std::vector<std::string> options(message.options().begin(), message.options().end());
    out.push_back(
        {message.type(), message.source(), message.target(), TakeLayersApart(message.type(), options)});
  }
  return out;
}

void ToRpc(const Labels& labels, LabelMap& out) {
  for (const auto& [key, value] : labels) out[key] = value;
}

Labels FromRpc(const LabelMap& labels) {
  Labels out;
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

void ToRpc(const Info& info, api::Info& out) {
  out.set_name(info.name);
  out.set_parent(info.parent);
  out.set_kind(ToRpc(info.kind));
  SetTime(info.created_ns, out.mutable_created_at());
  SetTime(info.updated_ns, out.mutable_updated_at());
  ToRpc(info.labels, *out.mutable_labels());
}

Result<Info> FromRpc(const api::Info& message) {
  Info info;
  info.name = message.name();
  info.parent = message.parent();
  switch (message.kind()) {
    case api::UNKNOWN:
      break;
    case api::VIEW:
      info.kind = Kind::kView;
      break;
    case api::ACTIVE:
      info.kind = Kind::kActive;
      break;
    case api::COMMITTED:
      info.kind = Kind::kCommitted;
      break;
    default:
      return DataLoss(fmt::format("snapshot \"{}\": kind {}, which there is not", info.name,
                                  static_cast<int>(message.kind())));
  }
  for (const google::protobuf::Timestamp* time : {&message.created_at(), &message.updated_at()}) {
    if (time->nanos() < 0 || time->nanos() >= kSecond)
      return DataLoss(fmt::format("snapshot \"{}\": a time of {} ns", info.name, time->nanos()));
  }
  info.created_ns = TimeOf(message.created_at());
  info.updated_ns = TimeOf(message.updated_at());
  info.labels = FromRpc(message.labels());
  return info;
}

}  // namespace layermark::rpc
