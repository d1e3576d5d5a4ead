#include "job/value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "job/job.h"

namespace backfill {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view blanks = " \t\r\n";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(blanks) == std::string_view::npos;
}

// A decimal number, without sign or exponent, and the unit behind it.
struct Quantity {
  double amount;
  std::string_view unit;
};

std::optional<Quantity> quantity_of(std::string_view text) {
  const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, length);
  const std::size_t point = number.find('.');
  if (!is_number(number.substr(0, point))) return std::nullopt;
  if (point != number.npos && !is_number(number.substr(point + 1))) return std::nullopt;
  double amount = 0;
  const auto end = number.data() + number.size();
  if (std::from_chars(number.data(), end, amount).ec != std::errc()) return std::nullopt;
  return Quantity{amount, text.substr(length)};
}

// The amount times what its unit is worth; none without a unit of the list.
std::optional<double> measured(std::string_view text,
                               std::initializer_list<std::pair<std::string_view, double>> units) {
  const auto quantity = quantity_of(text);
  if (!quantity) return std::nullopt;
  for (const auto& [unit, worth] : units) {
    if (quantity->unit == unit) return quantity->amount * worth;
  }
  return std::nullopt;
}

}  // namespace

Value text_value(std::string_view text) {
  Value value;
  value.text = std::string(text);
  return value;
}

std::string toml_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04X", static_cast<unsigned>(c));
      result += escaped;
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string result = "[";
  for (const auto& text : texts) {
    if (result.size() > 1) result += ", ";
    result += toml_text(text);
  }
  return result + "]";
}

std::string shown(const Value& value) {
  if (value.form != Value::Form::list) return without_password(value.text);
  std::string result = "[";
  for (const auto& element : value.elements) {
    if (result.size() > 1) result += ", ";
    result += element.is_text() ? toml_text(shown(element)) : shown(element);
  }
  return result + "]";
}

std::optional<std::int64_t> integer_in(const Value& value, std::int64_t least, std::int64_t most) {
  if (value.form != Value::Form::integer) return std::nullopt;
  if (value.integer < least || value.integer > most) return std::nullopt;
  return value.integer;
}

std::optional<double> number_in(const Value& value, double least, double most) {
  if (value.form != Value::Form::integer && value.form != Value::Form::real) return std::nullopt;
  // Written so that NaN is refused.
  if (!(value.real >= least && value.real <= most)) return std::nullopt;
  return value.real;
}

std::optional<bool> boolean_of(const Value& value) {
  if (value.form != Value::Form::boolean) return std::nullopt;
  return value.boolean;
}

std::optional<std::string> filled_text(const Value& value) {
  // A zero byte would end the text early in libpq and SQLite.
  if (!value.is_text() || is_blank(value.text) || value.text.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  return value.text;
}

std::optional<std::vector<std::string>> names_of(const Value& value) {
  if (value.form != Value::Form::list || value.elements.empty()) return std::nullopt;
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const auto& element : value.elements) {
    const auto name = filled_text(element);
    if (!name || !seen.insert(*name).second) return std::nullopt;
    names.push_back(*name);
  }
  return names;
}

std::optional<std::chrono::milliseconds> duration_in(const Value& value,
                                                     std::chrono::milliseconds least,
                                                     std::chrono::milliseconds most) {
  if (!value.is_text()) return std::nullopt;
  const auto amount = measured(
      value.text, {{"ms", 1}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {"d", 24 * 3600e3}});
  if (!amount) return std::nullopt;
  const double rounded = std::round(*amount);
  if (rounded < static_cast<double>(least.count()) || rounded > static_cast<double>(most.count())) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(rounded));
}

std::optional<std::int64_t> size_in(const Value& value, std::int64_t least, std::int64_t most) {
  if (value.form == Value::Form::integer) return integer_in(value, least, most);
  if (!value.is_text()) return std::nullopt;
  constexpr double kibi = 1024;
  const auto amount = measured(value.text, {{"", 1},
                                            {"B", 1},
                                            {"kB", 1e3},
                                            {"MB", 1e6},
                                            {"GB", 1e9},
                                            {"KiB", kibi},
                                            {"MiB", kibi * kibi},
                                            {"GiB", kibi * kibi * kibi}});
  if (!amount) return std::nullopt;
  const double rounded = std::round(*amount);
  if (rounded < static_cast<double>(least) || rounded > static_cast<double>(most)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(rounded);
}

std::optional<double> percentage_of(const Value& value) {
  if (!value.is_text()) return std::nullopt;
  const auto share = measured(value.text, {{"%", 0.01}});
  if (!share || *share > 1) return std::nullopt;
  return share;
}

bool is_job_name(std::string_view text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.front() != '-' && text.find_first_not_of(allowed) == text.npos;
}

bool is_timezone(const std::string& text) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
  if (text.empty() || text.front() == '/' || text.find_first_not_of(allowed) != text.npos) {
    return false;
  }
  if (text == "UTC") return true;
  const std::filesystem::path zones = "/usr/share/zoneinfo";
  std::error_code ignored;
  if (!std::filesystem::is_directory(zones, ignored)) return true;
  if (!std::filesystem::is_regular_file(zones / text, ignored)) return false;
  // The folder holds tables and lists as well; a zone begins with these four bytes.
  std::array<char, 4> magic{};
  std::ifstream(zones / text, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "TZif";
}

}  // namespace backfill
