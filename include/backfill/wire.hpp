// backfill/wire.hpp
//
// PostgreSQL's binary send/receive forms, to C++ values and text and back. Text comes out as
// PostgreSQL 15 prints it with DateStyle ISO and the time zone UTC. Header-only, C++20,
// needs nothing but the standard library.
//
// Pure functions, safe from any thread. Bytes or text that are not of the type named throw
// std::invalid_argument; none of the functions reads outside what it was given.

#pragma once

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace backfill::wire {

// Big-endian integers and IEEE 754 floats of a fixed width.

template <class Unsigned>
Unsigned load_big_endian(const char* bytes) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(bytes[i]));
  return value;
}

template <class Unsigned>
void store_big_endian(char* bytes, Unsigned value) {
  for (std::size_t i = sizeof(Unsigned); i-- > 0;) {
    bytes[i] = static_cast<char>(static_cast<unsigned char>(value));
    value = static_cast<Unsigned>(static_cast<std::uint64_t>(value) >> 8);
  }
}

inline void require_size(std::string_view bytes, std::size_t size, const char* type) {
  if (bytes.size() == size) return;
  throw std::invalid_argument("a value of " + std::string(type) + " has " + std::to_string(size) +
                              " bytes, not " + std::to_string(bytes.size()));
}

inline std::int16_t read_int16(std::string_view bytes) {
  require_size(bytes, 2, "int16");
  return static_cast<std::int16_t>(load_big_endian<std::uint16_t>(bytes.data()));
}
inline std::int32_t read_int32(std::string_view bytes) {
  require_size(bytes, 4, "int32");
  return static_cast<std::int32_t>(load_big_endian<std::uint32_t>(bytes.data()));
}
inline std::int64_t read_int64(std::string_view bytes) {
  require_size(bytes, 8, "int64");
  return static_cast<std::int64_t>(load_big_endian<std::uint64_t>(bytes.data()));
}
inline float read_float32(std::string_view bytes) {
  require_size(bytes, 4, "float32");
  return std::bit_cast<float>(load_big_endian<std::uint32_t>(bytes.data()));
}
inline double read_float64(std::string_view bytes) {
  require_size(bytes, 8, "float64");
  return std::bit_cast<double>(load_big_endian<std::uint64_t>(bytes.data()));
}
// The server takes any byte but 0 as true.
inline bool read_boolean(std::string_view bytes) {
  require_size(bytes, 1, "boolean");
  return bytes[0] != 0;
}

inline void write_int16(char* bytes, std::int16_t value) {
  store_big_endian(bytes, static_cast<std::uint16_t>(value));
}
inline void write_int32(char* bytes, std::int32_t value) {
  store_big_endian(bytes, static_cast<std::uint32_t>(value));
}
inline void write_int64(char* bytes, std::int64_t value) {
  store_big_endian(bytes, static_cast<std::uint64_t>(value));
}
inline void write_float32(char* bytes, float value) {
  store_big_endian(bytes, std::bit_cast<std::uint32_t>(value));
}
inline void write_float64(char* bytes, double value) {
  store_big_endian(bytes, std::bit_cast<std::uint64_t>(value));
}

// Text of a json or jsonb value. The byte in front of a jsonb is the version of its form.
inline std::string_view jsonb_text(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != 1)
    throw std::invalid_argument("a value of jsonb begins with its version, 1");
  return bytes.substr(1);
}

// Dates and times. Days and microseconds count from 2000-01-01; the lowest and the highest
// integer stand for -infinity and infinity.

inline constexpr std::int32_t date_minus_infinity = std::numeric_limits<std::int32_t>::min();
inline constexpr std::int32_t date_infinity = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t timestamp_minus_infinity = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t timestamp_infinity = std::numeric_limits<std::int64_t>::max();

// What the server accepts: 4714-11-24 BC up to, not including, 5874898-01-01 and 294277-01-01.
inline constexpr std::int32_t date_first = -2451545;
inline constexpr std::int32_t date_end = 2145031949;
inline constexpr std::int64_t timestamp_first = -211813488000000000;
inline constexpr std::int64_t timestamp_end = 9223371331200000000;

inline constexpr std::int64_t microseconds_a_day = 86'400'000'000;
inline constexpr std::int64_t epoch_days = 10957;  // from 1970-01-01 to 2000-01-01
inline constexpr std::int64_t epoch_microseconds = epoch_days * microseconds_a_day;

inline void append_padded(std::string& text, std::uint64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) text.append(width - digits.size(), '0');
  text += digits;
}

// Appends `2026-11-22`; returns whether the year is BC, which the caller says at the end.
// The calendar is the proleptic Gregorian one, by the method of Hinnant's civil_from_days:
// std::chrono::year ends at 32767, too early.
inline bool append_day(std::string& text, std::int64_t days) {
  const std::int64_t shifted = days + epoch_days + 719468;  // days since 0000-03-01
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);

  // There is no year 0: the year before 1 is 1 BC.
  append_padded(text, static_cast<std::uint64_t>(year > 0 ? year : 1 - year), 4);
  text += '-';
  append_padded(text, static_cast<std::uint64_t>(month), 2);
  text += '-';
  append_padded(text, static_cast<std::uint64_t>(day), 2);
  return year <= 0;
}

inline void require_date(std::int32_t days) {
  if (days < date_first || days >= date_end)
    throw std::invalid_argument("date out of range: " + std::to_string(days) + " days since 2000");
}

inline void require_timestamp(std::int64_t microseconds) {
  if (microseconds < timestamp_first || microseconds >= timestamp_end)
    throw std::invalid_argument("timestamp out of range: " + std::to_string(microseconds) +
                                " microseconds since 2000");
}

inline std::string date_text(std::int32_t days) {
  if (days == date_minus_infinity) return "-infinity";
  if (days == date_infinity) return "infinity";
  require_date(days);
  std::string text;
  if (append_day(text, days)) text += " BC";
  return text;
}

inline std::string timestamp_text_with_zone(std::int64_t microseconds, std::string_view zone) {
  if (microseconds == timestamp_minus_infinity) return "-infinity";
  if (microseconds == timestamp_infinity) return "infinity";
  require_timestamp(microseconds);
  std::int64_t days = microseconds / microseconds_a_day;
  std::int64_t rest = microseconds % microseconds_a_day;
  if (rest < 0) {
    rest += microseconds_a_day;
    --days;
  }

  std::string text;
  const bool is_bc = append_day(text, days);
  const auto time = static_cast<std::uint64_t>(rest);
  text += ' ';
  append_padded(text, time / 3'600'000'000, 2);
  text += ':';
  append_padded(text, time / 60'000'000 % 60, 2);
  text += ':';
  append_padded(text, time / 1'000'000 % 60, 2);
  if (const std::uint64_t fraction = time % 1'000'000; fraction != 0) {
    text += '.';
    append_padded(text, fraction, 6);
    text.erase(text.find_last_not_of('0') + 1);
  }
  text += zone;
  if (is_bc) text += " BC";
  return text;
}

inline std::string timestamp_text(std::int64_t microseconds) {
  return timestamp_text_with_zone(microseconds, "");
}

// As in a session whose time zone is UTC: `2026-11-22 13:05:00.5+00`.
inline std::string timestamptz_text(std::int64_t microseconds) {
  return timestamp_text_with_zone(microseconds, "+00");
}

// To and from std::chrono. Infinity has no counterpart there and throws.

using LocalTime = std::chrono::local_time<std::chrono::microseconds>;
using SysTime = std::chrono::sys_time<std::chrono::microseconds>;

inline std::int64_t microseconds_since_1970(std::int64_t microseconds) {
  if (microseconds == timestamp_minus_infinity || microseconds == timestamp_infinity)
    throw std::invalid_argument("an infinite timestamp is no point in time");
  require_timestamp(microseconds);
  // The last thirty years before the server's own limit do not fit into 64 bits from 1970.
  if (microseconds > std::numeric_limits<std::int64_t>::max() - epoch_microseconds)
    throw std::invalid_argument("timestamp out of range: " + timestamp_text(microseconds));
  return microseconds + epoch_microseconds;
}

inline std::int64_t microseconds_since_2000(std::int64_t microseconds) {
  if (microseconds < timestamp_first + epoch_microseconds)
    throw std::invalid_argument("timestamp out of range: " + std::to_string(microseconds) +
                                " microseconds since 1970");
  return microseconds - epoch_microseconds;
}

inline std::chrono::sys_days to_sys_days(std::int32_t days) {
  if (days == date_minus_infinity || days == date_infinity)
    throw std::invalid_argument("an infinite date is no day");
  require_date(days);
  return std::chrono::sys_days(std::chrono::days(days + epoch_days));
}

inline std::int32_t from_sys_days(std::chrono::sys_days day) {
  const std::int64_t since_1970 = day.time_since_epoch().count();
  if (since_1970 < date_first + epoch_days || since_1970 >= date_end + epoch_days)
    throw std::invalid_argument("date out of range: " + std::to_string(since_1970) +
                                " days since 1970");
  return static_cast<std::int32_t>(since_1970 - epoch_days);
}

inline LocalTime to_local_time(std::int64_t microseconds) {
  return LocalTime(std::chrono::microseconds(microseconds_since_1970(microseconds)));
}
inline std::int64_t from_local_time(LocalTime time) {
  return microseconds_since_2000(time.time_since_epoch().count());
}
inline SysTime to_sys_time(std::int64_t microseconds) {
  return SysTime(std::chrono::microseconds(microseconds_since_1970(microseconds)));
}
inline std::int64_t from_sys_time(SysTime time) {
  return microseconds_since_2000(time.time_since_epoch().count());
}

// UUIDs: 16 bytes.

using Uuid = std::array<std::uint8_t, 16>;

// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`; reads 16 bytes.
inline std::string uuid_text(const char* bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes what the server takes: either case, braces around, hyphens after any four digits.
inline Uuid parse_uuid(std::string_view text) {
  const auto refuse = [&] {
    return std::invalid_argument("not a uuid: " + std::string(text.substr(0, 60)));
  };
  std::string_view rest = text;
  if (!rest.empty() && rest.front() == '{') {
    if (rest.back() != '}') throw refuse();
    rest = rest.substr(1, rest.size() - 2);
  }
  Uuid uuid{};
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i > 0 && i % 2 == 0 && !rest.empty() && rest.front() == '-') rest.remove_prefix(1);
    if (rest.size() < 2) throw refuse();
    const int high = hex_digit(rest[0]);
    const int low = hex_digit(rest[1]);
    if (high < 0 || low < 0) throw refuse();
    uuid[i] = static_cast<std::uint8_t>(high * 16 + low);
    rest.remove_prefix(2);
  }
  if (!rest.empty()) throw refuse();
  return uuid;
}

// Numerics: int16 ndigits, weight, sign, dscale, then ndigits digits of base 10000, the first
// of them worth 10000^weight; dscale is how many decimals are shown.

inline constexpr std::uint16_t numeric_positive = 0x0000;
inline constexpr std::uint16_t numeric_negative = 0x4000;
inline constexpr std::uint16_t numeric_nan = 0xC000;
inline constexpr std::uint16_t numeric_infinity = 0xD000;
inline constexpr std::uint16_t numeric_minus_infinity = 0xF000;
inline constexpr int numeric_dscale_max = 0x3FFF;

inline std::string numeric_text(std::string_view bytes) {
  if (bytes.size() < 8) throw std::invalid_argument("a numeric has 8 bytes or more");
  const int count = load_big_endian<std::uint16_t>(bytes.data());
  const int weight = static_cast<std::int16_t>(load_big_endian<std::uint16_t>(bytes.data() + 2));
  const auto sign = load_big_endian<std::uint16_t>(bytes.data() + 4);
  const int dscale = load_big_endian<std::uint16_t>(bytes.data() + 6);
  if (bytes.size() != 8 + 2 * static_cast<std::size_t>(count))
    throw std::invalid_argument("a numeric whose length and number of digits disagree");
  if (sign == numeric_nan) return "NaN";
  if (sign == numeric_infinity) return "Infinity";
  if (sign == numeric_minus_infinity) return "-Infinity";
  if (sign != numeric_positive && sign != numeric_negative)
    throw std::invalid_argument("a numeric with an unknown sign");
  if (dscale > numeric_dscale_max) throw std::invalid_argument("a numeric with too many decimals");

  std::string text;
  const auto append_group = [&](int place) {
    int digit = 0;
    if (place >= 0 && place < count)
      digit = load_big_endian<std::uint16_t>(bytes.data() + 8 + 2 * place);
    if (digit > 9999) throw std::invalid_argument("a numeric with a digit above 9999");
    append_padded(text, static_cast<std::uint64_t>(digit), 4);
  };
  for (int place = 0; place <= weight; ++place) append_group(place);
  text.erase(0, text.find_first_not_of('0'));
  if (text.empty()) text += '0';
  if (dscale > 0) {
    text += '.';
    const std::size_t end = text.size() + static_cast<std::size_t>(dscale);
    for (int place = weight + 1; text.size() < end; ++place) append_group(place);
    text.resize(end);
  }
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;
  if (sign == numeric_negative && !is_zero) text.insert(0, 1, '-');
  return text;
}

// A decimal number taken apart: sign, digits without the point, and how many of the digits
// stand behind it (negative: so many zeros follow).
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t scale = 0;
};

inline Decimal parse_decimal(std::string_view text) {
  const auto refuse = [&] {
    return std::invalid_argument("not a number: " + std::string(text.substr(0, 60)));
  };
  Decimal decimal;
  std::string_view rest = text;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    decimal.negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  bool seen_point = false;
  while (!rest.empty() && (rest[0] == '.' || (rest[0] >= '0' && rest[0] <= '9'))) {
    if (rest[0] == '.') {
      if (seen_point) throw refuse();
      seen_point = true;
    } else {
      decimal.digits += rest[0];
      if (seen_point) ++decimal.scale;
    }
    rest.remove_prefix(1);
  }
  if (decimal.digits.empty()) throw refuse();
  if (!rest.empty() && (rest[0] == 'e' || rest[0] == 'E')) {
    rest.remove_prefix(1);
    if (rest.size() > 1 && rest[0] == '+' && rest[1] != '-') rest.remove_prefix(1);
    std::int32_t exponent = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
    if (error != std::errc{} || exponent > 200'000 || exponent < -200'000) throw refuse();
    decimal.scale -= exponent;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
  if (!rest.empty()) throw refuse();
  return decimal;
}

inline bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

inline std::string numeric_from_parts(const std::vector<std::uint16_t>& digits, std::int64_t weight,
                                      std::uint16_t sign, std::int64_t dscale) {
  std::string bytes(8 + 2 * digits.size(), '\0');
  store_big_endian(bytes.data(), static_cast<std::uint16_t>(digits.size()));
  store_big_endian(bytes.data() + 2, static_cast<std::uint16_t>(weight));
  store_big_endian(bytes.data() + 4, sign);
  store_big_endian(bytes.data() + 6, static_cast<std::uint16_t>(dscale));
  for (std::size_t i = 0; i < digits.size(); ++i)
    store_big_endian(bytes.data() + 8 + 2 * i, digits[i]);
  return bytes;
}

// The binary form of a number as a person writes it: `-12.50`, `1e6`, `NaN`, `infinity`;
// spaces around it do not count.
inline std::string numeric_bytes(std::string_view text) {
  constexpr std::string_view spaces = " \t\n\r\v\f";
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) throw std::invalid_argument("an empty text is not a number");
  const std::string_view number = text.substr(first, text.find_last_not_of(spaces) + 1 - first);

  if (equals_ignoring_case(number, "nan")) return numeric_from_parts({}, 0, numeric_nan, 0);
  const bool is_signed = number[0] == '+' || number[0] == '-';
  const std::string_view magnitude = number.substr(is_signed ? 1 : 0);
  if (equals_ignoring_case(magnitude, "inf") || equals_ignoring_case(magnitude, "infinity"))
    return numeric_from_parts({}, 0, number[0] == '-' ? numeric_minus_infinity : numeric_infinity,
                              0);

  Decimal decimal = parse_decimal(number);
  const std::int64_t dscale = decimal.scale > 0 ? decimal.scale : 0;
  const auto refuse = [&] {
    return std::invalid_argument("a number out of the range of numeric: " +
                                 std::string(number.substr(0, 60)));
  };
  if (dscale > numeric_dscale_max) throw refuse();
  if (decimal.digits.find_first_not_of('0') == std::string::npos)
    return numeric_from_parts({}, 0, numeric_positive, dscale);

  // Zeros in front and behind bring the decimal point to a border between groups of four.
  if (decimal.scale < 0) {
    decimal.digits.append(static_cast<std::size_t>(-decimal.scale), '0');
    decimal.scale = 0;
  }
  const std::int64_t behind = (decimal.scale + 3) / 4;
  decimal.digits.append(static_cast<std::size_t>(behind * 4 - decimal.scale), '0');
  decimal.digits.insert(0, (4 - decimal.digits.size() % 4) % 4, '0');

  std::vector<std::uint16_t> groups;
  for (std::size_t i = 0; i < decimal.digits.size(); i += 4) {
    std::uint16_t group = 0;
    for (std::size_t j = i; j < i + 4; ++j)
      group = static_cast<std::uint16_t>(group * 10 + (decimal.digits[j] - '0'));
    groups.push_back(group);
  }
  std::int64_t weight = static_cast<std::int64_t>(groups.size()) - behind - 1;
  while (groups.back() == 0) groups.pop_back();
  std::size_t leading = 0;
  while (groups[leading] == 0) ++leading;
  groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(leading));
  weight -= static_cast<std::int64_t>(leading);
  if (weight > 32767 || weight < -32768 || groups.size() > 32767) throw refuse();
  return numeric_from_parts(groups, weight, decimal.negative ? numeric_negative : numeric_positive,
                            dscale);
}

}  // namespace backfill::wire
