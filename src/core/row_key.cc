#include "core/row_key.h"

#include "core/batch.h"
#include "core/sql.h"

namespace backfill {
namespace {

// SQLite keys are SQL literals, so that 1 and '1' stay apart.
std::string key_value(const Column& column, const Cell& cell) {
  const std::string text = display_cell(column, cell);
  if (!column.dynamic || cell.is_null()) return text;
  switch (read_dynamic(cell).kind) {
    case Kind::text: return quote_literal(text);
    case Kind::bytes: return "X" + quote_literal(text.substr(2));
    default: return text;
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
