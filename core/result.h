// Status and Result<T>: how every fallible function of layermark answers.
//
// A Status is a gRPC canonical code plus what a reader needs to act on it: the operation that failed, the
// path it failed on and the errno, if a system call was behind it. "Unsupported" (kUnimplemented) is kept
// apart from "failed". Nothing here throws; destructors that can fail swallow the failure and an explicit
// Close/Unmount/Remove call reports it.
//
// Threads: values; share nothing.
#ifndef LAYERMARK_CORE_RESULT_H_
#define LAYERMARK_CORE_RESULT_H_

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace layermark {

// gRPC canonical codes, with gRPC's numbers.
enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "NOT_FOUND" and so on; the spelling of the exec protocol.
std::string_view CodeName(Code code);
// The reverse; nullopt for a word that is not a canonical code.
std::optional<Code> CodeFromName(std::string_view name);
// The code that an errno stands for (ENOENT -> kNotFound, ENOSPC -> kResourceExhausted, ENOSYS and
// EOPNOTSUPP -> kUnimplemented, ...; anything unlisted -> kUnknown).
Code CodeFromErrno(int error);
// "ENOENT"; "errno 4711" for a number without a name.
std::string ErrnoName(int error);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  // A failed system call: the code follows from `error`, the text names operation, path and errno.
  static Status Errno(std::string_view operation, std::string_view path, int error = errno);

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  // 0 where no system call was behind it.
  int error_number() const { return errno_; }
  const std::string& operation() const { return operation_; }
  const std::string& path() const { return path_; }
  const std::string& message() const { return message_; }
  // "NOT_FOUND: open /a/b: ENOENT (No such file or directory)"; "OK".
  std::string ToString() const;
  // The same failure with "context: " before its message.
  Status WithContext(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  int errno_ = 0;
  std::string operation_;
  std::string path_;
  std::string message_;
};

inline Status InvalidArgument(std::string m) {
  return {Code::kInvalidArgument, std::move(m)};
}
inline Status NotFound(std::string m) {
  return {Code::kNotFound, std::move(m)};
}
inline Status AlreadyExists(std::string m) {
  return {Code::kAlreadyExists, std::move(m)};
}
inline Status FailedPrecondition(std::string m) {
  return {Code::kFailedPrecondition, std::move(m)};
}
inline Status Unimplemented(std::string m) {
  return {Code::kUnimplemented, std::move(m)};
}
inline Status Internal(std::string m) {
  return {Code::kInternal, std::move(m)};
}
inline Status DataLoss(std::string m) {
  return {Code::kDataLoss, std::move(m)};
}

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<1>, std::move(value)) {}         // NOLINT: implicit on purpose
  Result(Status status) : v_(std::in_place_index<0>, std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return v_.index() == 1; }
  // REQUIRES: nothing; ok() answers Status::Ok().
  Status status() const { return ok() ? Status() : std::get<0>(v_); }
  // REQUIRES: ok(); aborts otherwise.
  T& value() & { return std::get<1>(v_); }
  const T& value() const& { return std::get<1>(v_); }
  T&& value() && { return std::get<1>(std::move(v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> v_;
};

}  // namespace layermark

#define LM_CONCAT_INNER_(a, b) a##b
#define LM_CONCAT_(a, b) LM_CONCAT_INNER_(a, b)

// LM_TRY(expr): leaves the function with the Status of `expr` unless it is ok.
#define LM_TRY(expr)                                      \
  do {                                                    \
    if (auto lm_status_ = (expr); !lm_status_.ok()) {     \
      return ::layermark::internal::ToStatus(lm_status_); \
    }                                                     \
  } while (false)

// LM_ASSIGN(auto x, expr): x becomes the value of the Result `expr`, or the function leaves with its Status.
#define LM_ASSIGN(lhs, expr) LM_ASSIGN_IMPL_(LM_CONCAT_(lm_result_, __LINE__), lhs, expr)
#define LM_ASSIGN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                    \
  if (!tmp.ok()) return tmp.status();   \
  lhs = std::move(tmp).value()

namespace layermark::internal {
inline Status ToStatus(const Status& s) {
  return s;
}
template <typename T>
Status ToStatus(const Result<T>& r) {
  return r.status();
}
}  // namespace layermark::internal

#endif  // LAYERMARK_CORE_RESULT_H_
