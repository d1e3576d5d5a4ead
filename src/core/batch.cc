#include "core/batch.h"

#include <bit>
#include <cassert>
#include <charconv>
#include <nlohmann/json.hpp>

#include "backfill/wire.hpp"
#include "core/error.h"

namespace backfill {
namespace {

void append_int16(std::string& buffer, std::uint16_t value) {
  const char bytes[] = {static_cast<char>(value >> 8), static_cast<char>(value)};
  buffer.append(bytes, sizeof bytes);
}

void append_int32(std::string& buffer, std::uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  buffer.append(bytes, sizeof bytes);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

[[noreturn]] void bad_tuple(const char* what) {
  throw Error(ErrorKind::stop, std::string("a row is not a binary COPY tuple: ") + what);
}

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\\x";
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

template <class Number>
std::string number_text(Number number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string display_value(Kind kind, std::string_view bytes) {
  const auto fixed = static_cast<std::size_t>(facts_of(kind).size);
  if (fixed != 0 && bytes.size() != fixed) return hex(bytes);
  const std::uint64_t raw = fixed == 0 || fixed > 8 ? 0 : big_endian(bytes);
  switch (kind) {
    case Kind::boolean:
      return raw != 0 ? "true" : "false";
    case Kind::int16:
      return number_text(static_cast<std::int16_t>(raw));
    case Kind::int32:
      return number_text(static_cast<std::int32_t>(raw));
    case Kind::int64:
      return number_text(static_cast<std::int64_t>(raw));
    case Kind::float32:
      return number_text(std::bit_cast<float>(static_cast<std::uint32_t>(raw)));
    case Kind::float64:
      return number_text(std::bit_cast<double>(raw));
    case Kind::text:
    case Kind::json:
      return std::string(bytes);
    case Kind::jsonb:
      return std::string(bytes.substr(bytes.empty() ? 0 : 1));
    case Kind::date:
      return wire::date_text(static_cast<std::int32_t>(raw));
    case Kind::timestamp:
      return wire::timestamp_text(static_cast<std::int64_t>(raw));
    case Kind::timestamptz:
      return wire::timestamptz_text(static_cast<std::int64_t>(raw));
    case Kind::uuid:
      return wire::uuid_text(bytes.data());
    case Kind::numeric:
      return wire::numeric_text(bytes);
    case Kind::bytes:
    case Kind::other:
      return hex(bytes);
  }
  return hex(bytes);
}

// Returns where the cells end.
std::size_t split(std::string_view tuple, std::size_t fields, std::vector<Cell>& cells) {
  if (tuple.size() < 2 || big_endian(tuple.substr(0, 2)) != fields) {
    bad_tuple("another number of fields than columns");
  }
  std::size_t at = 2;
  for (Cell& cell : cells) {
    if (tuple.size() - at < 4) bad_tuple("a length is cut off");
    const auto length = static_cast<std::int32_t>(big_endian(tuple.substr(at, 4)));
    at += 4;
    if (length < -1) bad_tuple("a length below -1");
    cell = Cell{tuple.data() + at, length};
    if (length <= 0) continue;
    if (tuple.size() - at < static_cast<std::size_t>(length)) bad_tuple("a value is cut off");
    at += static_cast<std::size_t>(length);
  }
  return at;
}

}  // namespace

std::string_view Batch::tuple(std::size_t row) const { return tuples(row, row + 1); }

std::string_view Batch::tuples(std::size_t first, std::size_t last) const {
  assert(first <= last && last <= rows());
  if (first == last) return {};
  const std::size_t begin = offsets_[first];
  const std::size_t end = last == rows() ? buffer_.size() : offsets_[last];
  return std::string_view(buffer_).substr(begin, end - begin);
}

void Batch::clear() {
  buffer_.clear();
  offsets_.clear();
}

void Batch::append_tuple(std::string_view tuple) {
  offsets_.push_back(buffer_.size());
  buffer_.append(tuple);
}

void Batch::begin_tuple(std::int16_t fields) {
  offsets_.push_back(buffer_.size());
  append_int16(buffer_, static_cast<std::uint16_t>(fields));
}

void Batch::append_null() { append_int32(buffer_, 0xffffffffU); }

void Batch::append_field(std::string_view bytes) {
  append_int32(buffer_, static_cast<std::uint32_t>(bytes.size()));
  buffer_.append(bytes);
}

void Batch::append_dynamic(Kind kind, std::string_view bytes) {
  char head[5];
  wire::store_big_endian(head, static_cast<std::uint32_t>(bytes.size() + 1));
  head[4] = static_cast<char>(kind);
  buffer_.append(head, sizeof head);
  buffer_.append(bytes);
}

void Batch::append_cell(const Cell& cell) {
  if (cell.is_null()) return append_null();
  append_field(cell.view());
}

void read_cells(std::string_view tuple, std::size_t fields, std::vector<Cell>& cells) {
  cells.resize(fields);
  if (split(tuple, fields, cells) != tuple.size()) bad_tuple("bytes are left over");
}

void read_first_cells(std::string_view tuple, std::size_t fields, std::size_t count,
                      std::vector<Cell>& cells) {
  cells.resize(count);
  split(tuple, fields, cells);
}

DynamicCell read_dynamic(const Cell& cell) {
  if (cell.is_null()) return {Kind::other, Cell{}};
  if (cell.length == 0) bad_tuple("a value without its storage class");
  const auto kind = static_cast<Kind>(cell.bytes[0]);
  const bool number = kind == Kind::int64 || kind == Kind::float64;
  if (!number && kind != Kind::text && kind != Kind::bytes) bad_tuple("an unknown storage class");
  if (number && cell.length != 9) bad_tuple("a number that is not eight bytes long");
  return {kind, Cell{cell.bytes + 1, cell.length - 1}};
}

std::string display_cell(const Column& column, const Cell& cell) {
  if (cell.is_null()) return "NULL";
  try {
    if (!column.dynamic) return display_value(column.kind, cell.view());
    const DynamicCell dynamic = read_dynamic(cell);
    return display_value(dynamic.kind, dynamic.value.view());
  } catch (const std::invalid_argument&) {
    return hex(cell.view());
  }
}

std::string row_to_json(const Columns& columns, std::string_view tuple) {
  std::vector<Cell> cells;
  read_cells(tuple, columns.size(), cells);
  auto row = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (cells[i].is_null()) {
      row[columns[i].name] = nullptr;
    } else {
      row[columns[i].name] = display_cell(columns[i], cells[i]);
    }
  }
  return row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace backfill
