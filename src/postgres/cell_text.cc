#include "postgres/cell_text.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>

namespace backfill {
namespace {

// PostgreSQL's timestamps end in the year 294276.
constexpr std::int64_t unix_seconds_max = 9'224'318'015'999;
constexpr std::int64_t unix_seconds_min = -210'866'803'200;
constexpr std::int64_t day_seconds = 86'400;

[[noreturn]] void reject(const std::string& what, const PgType& type) {
  throw Error(ErrorKind::reject, fmt::format("{} cannot become {}", what, type.sql), "22P02");
}

std::uint64_t big_endian(std::string_view bytes) {
  if (bytes.size() != 8) throw Error(ErrorKind::stop, "a number of a batch is not 8 bytes long");
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// Howard Hinnant's days-to-civil: https://howardhinnant.github.io/date_algorithms.html
std::string date_text(std::int64_t days_since_1970) {
  const std::int64_t z = days_since_1970 + 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const std::int64_t day_of_era = z - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  if (year > 0) return fmt::format("{:04}-{:02}-{:02}", year, month, day);
  return fmt::format("{:04}-{:02}-{:02} BC", 1 - year, month, day);
}

// The era, where there is one, comes last.
std::string time_text(std::int64_t seconds, const PgType& type) {
  if (seconds > unix_seconds_max || seconds < unix_seconds_min) {
    reject(fmt::format("integer {} as seconds since 1970", seconds), type);
  }
  const std::int64_t of_day = ((seconds % day_seconds) + day_seconds) % day_seconds;
  const std::string date = date_text((seconds - of_day) / day_seconds);
  if (type.kind == Kind::date) return date;
  const std::string clock = fmt::format(" {:02}:{:02}:{:02}{}", of_day / 3600, of_day / 60 % 60,
                                        of_day % 60, type.kind == Kind::timestamptz ? "+00" : "");
  const auto era = date.find(" BC");
  if (era == std::string::npos) return date + clock;
  return date.substr(0, era) + clock + " BC";
}

std::string integer_text(std::int64_t value, const PgType& type) {
  switch (type.kind) {
    case Kind::boolean:
      if (value == 0 || value == 1) return value == 1 ? "true" : "false";
      reject(fmt::format("integer {}", value), type);
    case Kind::date:
    case Kind::timestamp:
    case Kind::timestamptz:
      return time_text(value, type);
    case Kind::bytes:
    case Kind::uuid:
      reject(fmt::format("integer {}", value), type);
    default:
      return std::to_string(value);
  }
}

std::string real_text(double value, const PgType& type) {
  if (type.kind == Kind::bytes || type.kind == Kind::uuid) reject("a real number", type);
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return {digits, end};
}

std::string blob_text(std::string_view bytes, const PgType& type) {
  if (type.kind == Kind::bytes) return "\\x" + hex(bytes);
  if (type.kind == Kind::uuid && bytes.size() == 16) return hex(bytes);
  reject(fmt::format("a blob of {} bytes", bytes.size()), type);
}

}  // namespace

std::string cell_text(const DynamicCell& cell, const PgType& type) {
  const std::string_view bytes = cell.value.view();
  switch (cell.kind) {
    case Kind::int64:
      return integer_text(static_cast<std::int64_t>(big_endian(bytes)), type);
    case Kind::float64:
      return real_text(std::bit_cast<double>(big_endian(bytes)), type);
    case Kind::bytes:
      return blob_text(bytes, type);
    case Kind::text:
      return type.kind == Kind::bytes ? "\\x" + hex(bytes) : std::string(bytes);
    default:
      reject(fmt::format("a value of kind {}", facts_of(cell.kind).name), type);
  }
}

}  // namespace backfill
