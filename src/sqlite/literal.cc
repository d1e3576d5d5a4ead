#include "sqlite/literal.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "core/error.h"

namespace backfill {
namespace {

constexpr std::string_view kCastPrefix = "CAST(";
constexpr std::string_view kCastSuffix = " AS TEXT)";
constexpr std::string_view kInfinity = "9e999";

[[noreturn]] void refuse(std::string_view literal) {
  constexpr std::size_t shown_max = 80;
  throw Error(ErrorKind::stop, "read a key: \"" + std::string(literal.substr(0, shown_max)) +
                                   "\" is not a SQLite literal; was it edited by hand?");
}

std::optional<std::string> parse_quoted(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '\'' || literal.back() != '\'') return std::nullopt;
  literal = literal.substr(1, literal.size() - 2);
  std::string text;
  for (std::size_t at = 0; at < literal.size(); ++at) {
    text += literal[at];
    if (literal[at] != '\'') continue;
    if (++at == literal.size() || literal[at] != '\'') return std::nullopt;
  }
  return text;
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::optional<std::string> parse_hex(std::string_view literal) {
  if (literal.size() < 3 || (literal[0] != 'X' && literal[0] != 'x') || literal[1] != '\'' ||
      literal.back() != '\'' || literal.size() % 2 == 0)
    return std::nullopt;
  literal = literal.substr(2, literal.size() - 3);
  std::string bytes;
  for (std::size_t at = 0; at < literal.size(); at += 2) {
    const int high = hex_digit(literal[at]);
    const int low = hex_digit(literal[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::optional<SqliteValue> parse_number(std::string_view literal) {
  const bool negative = literal.starts_with('-');
  const std::string_view digits = literal.substr(negative ? 1 : 0);
  if (digits == kInfinity)
    return SqliteValue{StorageClass::real, 0, negative ? -HUGE_VAL : HUGE_VAL, {}};
  // from_chars takes words such as `nan` too; a number here starts with a digit.
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  const char* const end = literal.data() + literal.size();
  SqliteValue value;
  if (digits.find_first_not_of("0123456789") == std::string_view::npos) {
    value.storage = StorageClass::integer;
    const auto parsed = std::from_chars(literal.data(), end, value.integer);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    return value;
  }
  value.storage = StorageClass::real;
  const auto parsed = std::from_chars(literal.data(), end, value.real);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

SqliteValue of_bytes(StorageClass storage, std::string bytes) {
  return SqliteValue{storage, 0, 0, std::move(bytes)};
}

std::string value_literal(const SqliteStatement& statement, int column) {
  switch (statement.storage_class(column)) {
    case StorageClass::integer:
      return integer_literal(statement.integer(column));
    case StorageClass::real:
      return real_literal(statement.real(column));
    case StorageClass::text:
      return text_literal(statement.bytes(column));
    case StorageClass::blob:
      return blob_literal(statement.bytes(column));
    case StorageClass::null:
      break;
  }
  throw Error(
      ErrorKind::stop,
      "read a key: found NULL in a key column, which has no place in key order; remove such "
      "rows or declare the column NOT NULL");
}

void bind_value(SqliteStatement& statement, int parameter, const SqliteValue& value) {
  switch (value.storage) {
    case StorageClass::integer:
      return statement.bind_integer(parameter, value.integer);
    case StorageClass::real:
      return statement.bind_real(parameter, value.real);
    case StorageClass::text:
      return statement.bind_text(parameter, value.bytes);
    case StorageClass::blob:
      return statement.bind_blob(parameter, value.bytes);
    case StorageClass::null:
      return statement.bind_null(parameter);
  }
}

}  // namespace

SqliteValue parse_literal(std::string_view literal) {
  if (auto text = parse_quoted(literal)) return of_bytes(StorageClass::text, std::move(*text));
  if (auto blob = parse_hex(literal)) return of_bytes(StorageClass::blob, std::move(*blob));
  if (literal.starts_with(kCastPrefix) && literal.ends_with(kCastSuffix) &&
      literal.size() > kCastPrefix.size() + kCastSuffix.size()) {
    const auto inner = literal.substr(kCastPrefix.size(),
                                      literal.size() - kCastPrefix.size() - kCastSuffix.size());
    if (auto text = parse_hex(inner)) return of_bytes(StorageClass::text, std::move(*text));
  }
  if (auto number = parse_number(literal)) return *number;
  refuse(literal);
}

Key read_key(const SqliteStatement& statement, std::size_t key_columns) {
  Key key;
  for (std::size_t i = 0; i < key_columns; ++i)
    key.values.push_back(value_literal(statement, static_cast<int>(i)));
  return key;
}

void bind_key(SqliteStatement& statement, int first_parameter, const Key& key,
              std::size_t key_columns) {
  if (key.values.size() != key_columns)
    throw Error(ErrorKind::stop,
                "use key " + key.display() + ": it has " + std::to_string(key.values.size()) +
                    " values, the table's key " + std::to_string(key_columns) + " columns");
  for (const std::string& literal : key.values)
    bind_value(statement, first_parameter++, parse_literal(literal));
}

}  // namespace backfill
