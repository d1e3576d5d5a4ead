#include "sqlite/cell.h"

#include <stdexcept>

#include "backfill/wire.hpp"
#include "core/error.h"

namespace backfill {
namespace {

void bind_kind(SqliteStatement& statement, int parameter, const Column& column, Kind kind,
               std::string_view bytes) {
  switch (kind) {
    case Kind::boolean:
      return statement.bind_integer(parameter, wire::read_boolean(bytes) ? 1 : 0);
    case Kind::int16:
      return statement.bind_integer(parameter, wire::read_int16(bytes));
    case Kind::int32:
      return statement.bind_integer(parameter, wire::read_int32(bytes));
    case Kind::int64:
      return statement.bind_integer(parameter, wire::read_int64(bytes));
    case Kind::float32:
      return statement.bind_real(parameter, wire::read_float32(bytes));
    case Kind::float64:
      return statement.bind_real(parameter, wire::read_float64(bytes));
    case Kind::text:
    case Kind::json:
      return statement.bind_text(parameter, bytes);
    case Kind::jsonb:
      return statement.bind_text(parameter, wire::jsonb_text(bytes));
    case Kind::bytes:
      return statement.bind_blob(parameter, bytes);
    case Kind::date:
      return statement.bind_text(parameter, wire::date_text(wire::read_int32(bytes)));
    case Kind::timestamp:
      return statement.bind_text(parameter, wire::timestamp_text(wire::read_int64(bytes)));
    case Kind::timestamptz:
      return statement.bind_text(parameter, wire::timestamptz_text(wire::read_int64(bytes)));
    case Kind::uuid:
      wire::require_size(bytes, 16, "uuid");
      return statement.bind_text(parameter, wire::uuid_text(bytes.data()));
    case Kind::numeric:
      return statement.bind_text(parameter, wire::numeric_text(bytes));
    case Kind::other:
      break;
  }
  throw Error(ErrorKind::stop, "write column " + column.name +
                                   ": SQLite cannot take a value of type " + column.type +
                                   "; read it as text, such as \"" + column.name + "::text as " +
                                   column.name + "\"");
}

}  // namespace

void append_value(const SqliteStatement& statement, int column, Batch& batch) {
  char number[8];
  switch (statement.storage_class(column)) {
    case StorageClass::null:
      return batch.append_null();
    case StorageClass::integer:
      wire::write_int64(number, statement.integer(column));
      return batch.append_dynamic(Kind::int64, {number, sizeof number});
    case StorageClass::real:
      wire::write_float64(number, statement.real(column));
      return batch.append_dynamic(Kind::float64, {number, sizeof number});
    case StorageClass::text:
      return batch.append_dynamic(Kind::text, statement.bytes(column));
    case StorageClass::blob:
      return batch.append_dynamic(Kind::bytes, statement.bytes(column));
  }
}

void bind_cell(SqliteStatement& statement, int parameter, const Column& column, const Cell& cell) {
  if (cell.is_null()) return statement.bind_null(parameter);
  const DynamicCell value = column.dynamic ? read_dynamic(cell) : DynamicCell{column.kind, cell};
  try {
    bind_kind(statement, parameter, column, value.kind, value.value.view());
  } catch (const std::invalid_argument& error) {
    throw Error(ErrorKind::stop, "write column " + column.name + ": " + error.what());
  }
}

}  // namespace backfill
