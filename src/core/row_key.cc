#include "core/row_key.h"

#include "backfill/wire.hpp"
#include "core/batch.h"
#include "core/value_literal.h"

namespace backfill {
namespace {

// SQLite keys are SQL literals, the same that its own reader of keys makes.
std::string key_value(const Column& column, const Cell& cell) {
  if (!column.dynamic || cell.is_null()) return display_cell(column, cell);
  const DynamicCell dynamic = read_dynamic(cell);
  const std::string_view bytes = dynamic.value.view();
  switch (dynamic.kind) {
    case Kind::text:
      return text_literal(bytes);
    case Kind::bytes:
      return blob_literal(bytes);
    case Kind::float64:
      return real_literal(wire::read_float64(bytes));
    default:
      return integer_literal(wire::read_int64(bytes));
  }
}

}  // namespace

Key row_key(const Columns& columns, const std::vector<int>& key, std::string_view tuple) {
  std::vector<Cell> cells;
  read_cells(tuple, columns.size(), cells);
  Key result;
  for (const int position : key) {
    const auto at = static_cast<std::size_t>(position);
    result.values.push_back(key_value(columns[at], cells[at]));
  }
  return result;
}

}  // namespace backfill
