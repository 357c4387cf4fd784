#include "core/result.h"

#include <fmt/core.h>

#include <array>
#include <cstring>

namespace layermark {
namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

std::string_view CodeName(Code code) {
  return kNames[static_cast<size_t>(code)];
}

std::optional<Code> CodeFromName(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Code>(i);
  }
  return std::nullopt;
}

Code CodeFromErrno(int error) {
  switch (error) {
    case 0:
      return Code::kOk;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case E2BIG:
    case EBADF:
    case ELOOP:
      return Code::kInvalidArgument;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK:
      return Code::kResourceExhausted;
    case ENOTEMPTY:
    case EBUSY:
    case ENOTDIR:
    case EISDIR:
    case EXDEV:
    case ETXTBSY:
      return Code::kFailedPrecondition;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOTTY:
      return Code::kUnimplemented;
    case ETIMEDOUT:
      return Code::kDeadlineExceeded;
    case EINTR:
    case ECANCELED:
      return Code::kCancelled;
    case EIO:
    case EUCLEAN:
      return Code::kDataLoss;
    case ENOTCONN:
    case ECONNREFUSED:
    case EAGAIN:
      return Code::kUnavailable;
    case ESTALE:
      return Code::kAborted;
    case EOVERFLOW:
    case EFBIG:
    case ERANGE:
      return Code::kOutOfRange;
    default:
      return Code::kUnknown;
  }
}

std::string ErrnoName(int error) {
  if (const char* name = strerrorname_np(error)) return name;
  return fmt::format("errno {}", error);
}

Status Status::Errno(std::string_view operation, std::string_view path, int error) {
  Status s;
  s.code_ = CodeFromErrno(error);
  if (s.code_ == Code::kOk) s.code_ = Code::kUnknown;
  s.errno_ = error;
  s.operation_ = operation;
  s.path_ = path;
  const char* text = strerrordesc_np(error);
  s.message_ = fmt::format("{}{}{}: {} ({})", operation, path.empty() ? "" : " ", path, ErrnoName(error),
                           text != nullptr ? text : "unknown");
  return s;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return fmt::format("{}: {}", CodeName(code_), message_);
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  Status s = *this;
  s.message_ = fmt::format("{}: {}", context, message_);
  return s;
}

}  // namespace layermark
