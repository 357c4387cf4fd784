// DatabaseRoom: room for the database of a store on a file system that is full. A snapshot must always be
// removable, and nothing is removed without a change of its record.
//
// A removal adds no page to the database. It writes the pages that it changes to the write-ahead log, whose
// pages go to their places in the database file at a checkpoint, after which the log is written from its
// start again. So that none of this needs a new block of the file system,
//   - the log has a length that any removal fits into from the start, and is never cut;
//   - the database file has blocks for all its pages before a transaction that adds pages is committed;
//   - both are overwritten in place, also where a file system would rather write elsewhere and free the old
//   block
//     (btrfs, where they have no checksums of the file system then).
// Where the log is full, who writes has to make a checkpoint and try again.
//
// Threads: one at a time.
#ifndef LAYERMARK_DRIVERS_SUPPORT_DATABASE_ROOM_H_
#define LAYERMARK_DRIVERS_SUPPORT_DATABASE_ROOM_H_

#include <cstdint>
#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

inline constexpr int64_t kReservedLogBytes = int64_t{1} << 20;

class DatabaseRoom {
 public:
  // Makes the database file where there is none. REQUIRES: no connection to it is open, and none is when the
  // object goes: closing a file drops the locks that this process has on it.
  static Result<DatabaseRoom> Open(const std::string& path);

  // Lengthens the log to kReservedLogBytes, on disk. REQUIRES: a connection has opened it and is in no
  // transaction. kResourceExhausted: there is no room for that.
  Status ReserveLog();
  // Gives the database file blocks for its first `bytes` bytes, and some more. kResourceExhausted likewise.
  Status Reserve(int64_t bytes);

 private:
  DatabaseRoom(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Fd file_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_DATABASE_ROOM_H_
