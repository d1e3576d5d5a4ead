#include "verify/key_form.h"

#include "backfill/wire.hpp"
#include "core/sql.h"
#include "core/value_literal.h"

namespace backfill {
namespace {

constexpr std::uint32_t kBlankPadded = 1042;

std::string literal_of(Kind kind, const Column& column, const Cell& cell) {
  const std::string_view bytes = cell.view();
  switch (kind) {
    case Kind::boolean:
      return integer_literal(wire::read_boolean(bytes) ? 1 : 0);
    case Kind::int16:
      return integer_literal(wire::read_int16(bytes));
    case Kind::int32:
      return integer_literal(wire::read_int32(bytes));
    case Kind::int64:
      return integer_literal(wire::read_int64(bytes));
    case Kind::float32:
      return real_literal(wire::read_float32(bytes));
    case Kind::float64:
      return real_literal(wire::read_float64(bytes));
    case Kind::bytes:
      return blob_literal(bytes);
    default:
      break;
  }
  Column plain = column;
  plain.dynamic = false;
  plain.kind = kind;
  std::string text = display_cell(plain, cell);
  if (column.oid == kBlankPadded) text.erase(text.find_last_not_of(' ') + 1);
  return text_literal(text);
}

std::string value_in_form(const Column& column, const Cell& cell, KeyForm form) {
  if (cell.is_null() || form == KeyForm::postgres) return display_cell(column, cell);
  if (!column.dynamic) return literal_of(column.kind, column, cell);
  const DynamicCell dynamic = read_dynamic(cell);
  return literal_of(dynamic.kind, column, dynamic.value);
}

}  // namespace

Key key_in_form(const Columns& columns, const KeyPlaces& places, const std::vector<Cell>& cells,
                KeyForm form) {
  Key key;
  for (std::size_t i = 0; i < places.values.size(); ++i) {
    const int text = places.texts[i];
    if (text >= 0) {
      key.values.emplace_back(cells[static_cast<std::size_t>(text)].view());
      continue;
    }
    const auto at = static_cast<std::size_t>(places.values[i]);
    key.values.push_back(value_in_form(columns[at], cells[at], form));
  }
  return key;
}

std::string key_condition(const std::vector<std::string>& names, const Key& key, KeyForm form) {
  std::vector<std::string> columns;
  for (const std::string& name : names) columns.push_back(quote_identifier(name));
  std::vector<std::string> values;
  for (const std::string& value : key.values)
    values.push_back(form == KeyForm::sqlite ? value : quote_literal(value));
  if (names.size() == 1) return columns.front() + " = " + values.front();
  return "(" + join(columns, ", ") + ") = (" + join(values, ", ") + ")";
}

}  // namespace backfill
