#include "sqlite/cell.h"

#include <sqlite3.h>

#include <stdexcept>

#include "backfill/wire.hpp"
#include "core/error.h"

namespace backfill {
namespace {

// Where values go to: a parameter of a statement, or the column of a virtual table's row.
class Parameter {
 public:
  Parameter(SqliteStatement& statement, int parameter)
      : statement_(statement), parameter_(parameter) {}

  void null() const { statement_.bind_null(parameter_); }
  void integer(std::int64_t value) const { statement_.bind_integer(parameter_, value); }
  void real(double value) const { statement_.bind_real(parameter_, value); }
  void text(std::string_view lent) const { statement_.lend_text(parameter_, lent); }
  void blob(std::string_view lent) const { statement_.lend_blob(parameter_, lent); }
  void made_text(const std::string& text) const { statement_.bind_text(parameter_, text); }

 private:
  SqliteStatement& statement_;
  const int parameter_;
};

class Answer {
 public:
  explicit Answer(sqlite3_context* context) : context_(context) {}

  void null() const { sqlite3_result_null(context_); }
  void integer(std::int64_t value) const { sqlite3_result_int64(context_, value); }
  void real(double value) const { sqlite3_result_double(context_, value); }
  void text(std::string_view lent) const {
    sqlite3_result_text64(context_, lent.data(), lent.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void blob(std::string_view lent) const {
    sqlite3_result_blob64(context_, lent.data(), lent.size(), SQLITE_STATIC);
  }
  void made_text(const std::string& text) const {
    sqlite3_result_text64(context_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }

 private:
  sqlite3_context* const context_;
};

template <class Place>
void put_kind(const Place& place, const Column& column, Kind kind, std::string_view bytes) {
  switch (kind) {
    case Kind::boolean:
      return place.integer(wire::read_boolean(bytes) ? 1 : 0);
    case Kind::int16:
      return place.integer(wire::read_int16(bytes));
    case Kind::int32:
      return place.integer(wire::read_int32(bytes));
    case Kind::int64:
      return place.integer(wire::read_int64(bytes));
    case Kind::float32:
      return place.real(wire::read_float32(bytes));
    case Kind::float64:
      return place.real(wire::read_float64(bytes));
    case Kind::text:
    case Kind::json:
      return place.text(bytes);
    case Kind::jsonb:
      return place.text(wire::jsonb_text(bytes));
    case Kind::bytes:
      return place.blob(bytes);
    case Kind::date:
      return place.made_text(wire::date_text(wire::read_int32(bytes)));
    case Kind::timestamp:
      return place.made_text(wire::timestamp_text(wire::read_int64(bytes)));
    case Kind::timestamptz:
      return place.made_text(wire::timestamptz_text(wire::read_int64(bytes)));
    case Kind::uuid:
      wire::require_size(bytes, 16, "uuid");
      return place.made_text(wire::uuid_text(bytes.data()));
    case Kind::numeric:
      return place.made_text(wire::numeric_text(bytes));
    case Kind::other:
      break;
  }
  throw Error(ErrorKind::stop, "write column " + column.name +
                                   ": SQLite cannot take a value of type " + column.type +
                                   "; read it as text, such as \"" + column.name + "::text as " +
                                   column.name + "\"");
}

template <class Place>
void put_cell(const Place& place, const Column& column, const Cell& cell) {
  if (cell.is_null()) return place.null();
  const DynamicCell value = column.dynamic ? read_dynamic(cell) : DynamicCell{column.kind, cell};
  try {
    put_kind(place, column, value.kind, value.value.view());
  } catch (const std::invalid_argument& error) {
    throw Error(ErrorKind::stop, "write column " + column.name + ": " + error.what());
  }
}

}  // namespace

void append_value(const SqliteStatement& statement, int column, Batch& batch) {
  sqlite3_value* const value = statement.value(column);
  const auto size = [&] { return static_cast<std::size_t>(sqlite3_value_bytes(value)); };
  char number[8];
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      wire::write_int64(number, sqlite3_value_int64(value));
      return batch.append_dynamic(Kind::int64, {number, sizeof number});
    case SQLITE_FLOAT:
      wire::write_float64(number, sqlite3_value_double(value));
      return batch.append_dynamic(Kind::float64, {number, sizeof number});
    case SQLITE_TEXT: {
      // The size is that of its UTF-8 form only after it was asked for as text.
      const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
      return batch.append_dynamic(Kind::text, {text, text ? size() : 0});
    }
    case SQLITE_BLOB: {
      const auto* blob = static_cast<const char*>(sqlite3_value_blob(value));
      return batch.append_dynamic(Kind::bytes, {blob, blob ? size() : 0});
    }
    default:
      return batch.append_null();
  }
}

void bind_cell(SqliteStatement& statement, int parameter, const Column& column, const Cell& cell) {
  put_cell(Parameter(statement, parameter), column, cell);
}

void answer_cell(sqlite3_context* context, const Column& column, const Cell& cell) {
  put_cell(Answer(context), column, cell);
}

}  // namespace backfill
