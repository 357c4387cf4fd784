#include "drivers/support/sqlite.h"

#include <sqlite3.h>

#include <utility>

namespace layermark {

int64_t SqlRow::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqlRow::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return "";
  return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

Result<SqlDatabase> SqlDatabase::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  // The user's mutex serialises all calls, so SQLite's own locking is not needed.
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqlDatabase database(handle, path);
  if (code != SQLITE_OK) return database.Failure("open", code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  // The file is cut at checkpoints, but only to a multiple of this: room that was reserved ahead mostly
  // stays.
  int chunk_bytes = 32 << 10;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk_bytes);
  int keep_log = 1;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
  return database;
}

SqlDatabase::SqlDatabase(SqlDatabase&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      path_(std::move(other.path_)),
      prepared_(std::exchange(other.prepared_, {})) {}

void SqlDatabase::Close() {
  for (auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  prepared_.clear();
  if (handle_ != nullptr) sqlite3_close(handle_);
  handle_ = nullptr;
}

Status SqlDatabase::Failure(const std::string& sql, int code) const {
  const std::string operation = "sqlite: " + sql;
  const int primary = code & 0xff;
  if (primary == SQLITE_FULL) return Status::Errno(operation, path_, ENOSPC);
  const int error = handle_ == nullptr ? 0 : sqlite3_system_errno(handle_);
  if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && error != 0) {
    return Status::Errno(operation, path_, error);
  }
  Code canonical = Code::kInternal;
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) canonical = Code::kDataLoss;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) canonical = Code::kUnavailable;
  if (primary == SQLITE_READONLY || primary == SQLITE_PERM) canonical = Code::kPermissionDenied;
  if (primary == SQLITE_CONSTRAINT) canonical = Code::kAlreadyExists;
  return {canonical, operation + " " + path_ + ": " +
                         (handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_))};
}

Status SqlDatabase::Run(const std::string& sql, const std::vector<SqlValue>& parameters,
                        const std::function<void(const SqlRow&)>& each) {
  sqlite3_stmt*& statement = prepared_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr);
    if (code != SQLITE_OK) return Failure(sql, code);
  }
  int index = 0;
  for (const SqlValue& value : parameters) {
    ++index;
    int code = SQLITE_OK;
    if (const auto* number = std::get_if<int64_t>(&value)) {
      code = sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      // The statement is reset before this function returns, so the text outlives its use.
      code = sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement, index);
    }
    if (code != SQLITE_OK) return Failure(sql, code);
  }
  int code = SQLITE_OK;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (each) each(SqlRow(statement));
  }
  Status status = code == SQLITE_DONE ? Status::Ok() : Failure(sql, code);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

Status SqlDatabase::RunScript(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status::Ok() : Failure(sql.substr(0, 60), code);
}

Status SqlDatabase::Transact(const std::function<Status()>& body) {
  LM_TRY(Run("BEGIN IMMEDIATE"));
  Status status = body();
  if (status.ok()) status = Run("COMMIT");
  // After some failures (a full disk) SQLite has rolled back by itself; then there is nothing to roll back.
  if (!status.ok() && sqlite3_get_autocommit(handle_) == 0) (void)Run("ROLLBACK");
  return status;
}

Status SqlDatabase::TransactDurably(const std::function<Status()>& body) {
  LM_TRY(Run("PRAGMA synchronous = FULL"));
  const Status status = Transact(body);
  const Status restored = Run("PRAGMA synchronous = NORMAL");
  return status.ok() ? restored : status;
}

}  // namespace layermark
