// RFC 3339 times, as protobuf's JSON spells a Timestamp.
#ifndef LAYERMARK_DRIVERS_EXEC_TIMESTAMP_H_
#define LAYERMARK_DRIVERS_EXEC_TIMESTAMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace layermark {

// "2026-11-23T21:15:29.000000001Z": UTC, nine digits or none after the point. Any int64_t can be written.
std::string FormatTimestamp(int64_t ns);
// Nanoseconds since the epoch. Up to nine digits after the point; "Z" or an offset "+02:00". nullopt for
// anything else: other spellings, days and hours that do not exist, times beyond an int64_t.
std::optional<int64_t> ParseTimestamp(std::string_view text);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_EXEC_TIMESTAMP_H_
