#include "core/row_key.h"

#include "core/batch.h"
#include "core/sql.h"

namespace backfill {
namespace {

// A real stays a real when it is read again: `1.0`, not `1`.
std::string real_literal(const std::string& text) {
  if (text.find("inf") != std::string::npos) return text.front() == '-' ? "-9e999" : "9e999";
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// SQLite keys are SQL literals, so that 1 and '1' stay apart.
std::string key_value(const Column& column, const Cell& cell) {
  const std::string text = display_cell(column, cell);
  if (!column.dynamic || cell.is_null()) return text;
  switch (read_dynamic(cell).kind) {
    case Kind::text:
      return quote_literal(text);
    case Kind::bytes:
      return "X" + quote_literal(text.substr(2));
    case Kind::float64:
      return real_literal(text);
    default:
      return text;
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
