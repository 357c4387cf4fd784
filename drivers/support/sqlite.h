// A small owner for one SQLite database: statements with parameters, rows, transactions.
//
// Threads: one at a time; the user brings the mutex. Errors: a full disk is kResourceExhausted with ENOSPC, a
// damaged file kDataLoss, a failed system call carries its errno; every message names the file and the
// statement.
#ifndef LAYERMARK_DRIVERS_SUPPORT_SQLITE_H_
#define LAYERMARK_DRIVERS_SUPPORT_SQLITE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace layermark {

using SqlValue = std::variant<std::nullptr_t, int64_t, std::string>;

// The current row of a statement; valid during the callback only.
class SqlRow {
 public:
  explicit SqlRow(sqlite3_stmt* statement) : statement_(statement) {}
  int64_t Int(int column) const;  // 0 for NULL
  std::string Text(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class SqlDatabase {
 public:
  // Opens or creates the file. A write-ahead log beside it stays when it is closed.
  static Result<SqlDatabase> Open(const std::string& path);
  SqlDatabase(SqlDatabase&& other) noexcept;
  SqlDatabase& operator=(SqlDatabase&&) = delete;
  ~SqlDatabase() { Close(); }

  // Runs one statement, kept prepared for the next time. `each` gets every row.
  Status Run(const std::string& sql, const std::vector<SqlValue>& parameters = {},
             const std::function<void(const SqlRow&)>& each = {});
  // Runs several statements without parameters.
  Status RunScript(const std::string& sql);
  // Runs `body` inside a write transaction: committed if it answers ok, otherwise rolled back.
  Status Transact(const std::function<Status()>& body);
  // Transact, and flushed: with `synchronous = NORMAL` a power cut may undo what came after the last of
  // these.
  Status TransactDurably(const std::function<Status()>& body);
  void Close();

 private:
  SqlDatabase(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  Status Failure(const std::string& sql, int code) const;

  sqlite3* handle_ = nullptr;
  std::string path_;
  std::map<std::string, sqlite3_stmt*> prepared_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_SQLITE_H_
