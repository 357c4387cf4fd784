#include "drivers/exec/timestamp.h"

#include <fmt/core.h>

#include <chrono>

namespace layermark {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Takes exactly `digits` digits off the front.
bool TakeNumber(std::string_view& text, size_t digits, int& number) {
  if (text.size() < digits) return false;
  number = 0;
  for (char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool Take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeFraction(std::string_view& text, int64_t& ns) {
  if (!Take(text, '.')) return true;
  int64_t unit = kSecond;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    unit /= 10;
    if (unit == 0) return false;
    ns += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  return unit != kSecond;
}

bool TakeOffset(std::string_view& text, int64_t& seconds) {
  if (Take(text, 'Z') || Take(text, 'z')) return true;
  const bool west = text.starts_with('-');
  int hours = 0, minutes = 0;
  if (!Take(text, west ? '-' : '+') || !TakeNumber(text, 2, hours) || !Take(text, ':') ||
      !TakeNumber(text, 2, minutes) || hours > 23 || minutes > 59) {
    return false;
  }
  seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
  return true;
}

}  // namespace

std::string FormatTimestamp(int64_t ns) {
  int64_t seconds = ns / kSecond;
  int64_t rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (rest != 0) text += fmt::format(".{:09}", rest);
  return text + "Z";
}

std::optional<int64_t> ParseTimestamp(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int64_t ns = 0, offset = 0;
  if (!TakeNumber(text, 4, year) || !Take(text, '-') || !TakeNumber(text, 2, month) || !Take(text, '-') ||
      !TakeNumber(text, 2, day) || !(Take(text, 'T') || Take(text, 't')) || !TakeNumber(text, 2, hour) ||
      !Take(text, ':') || !TakeNumber(text, 2, minute) || !Take(text, ':') || !TakeNumber(text, 2, second) ||
      !TakeFraction(text, ns) || !TakeOffset(text, offset) || !text.empty()) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // A leap second is written as 60.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86400} +
                          hour * 3600 + minute * 60 + second - offset;
  int64_t total = 0;
  // For times before the epoch seconds * kSecond alone may be too small while the sum is not.
  const bool negative = seconds < 0;
  if (__builtin_mul_overflow(negative ? seconds + 1 : seconds, kSecond, &total) ||
      __builtin_add_overflow(total, negative ? ns - kSecond : ns, &total)) {
    return std::nullopt;
  }
  return total;
}

}  // namespace layermark
