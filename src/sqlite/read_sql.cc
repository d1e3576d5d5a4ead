#include "sqlite/read_sql.h"

#include <utility>

#include "core/sql.h"

namespace backfill {
namespace {

// `(a, b)`, or just `a`: SQLite takes a row value of one column for a parenthesis.
std::string row_value(const std::vector<std::string>& terms) {
  return "(" + join(terms, ", ") + ")";
}

std::string parameters(std::size_t count) {
  return row_value(std::vector<std::string>(count, "?"));
}

// The line break ends a comment at the end of what a person wrote.
std::string closed(const std::string& expression) { return "(" + expression + "\n)"; }

}  // namespace

SqliteReadSql::SqliteReadSql(ReadSpec spec, KeyPath key)
    : spec_(std::move(spec)), key_(std::move(key)) {}

std::vector<std::string> SqliteReadSql::items() const {
  std::vector<std::string> items;
  for (const ReadColumn& column : spec_.columns)
    items.push_back(column.expression.empty() ? quote_identifier(column.column.name)
                                              : closed(column.expression));
  return items;
}

std::string SqliteReadSql::range(bool has_lower_bound) const {
  const std::string key = row_value(key_.terms);
  const std::string bound = parameters(key_.terms.size());
  const std::string upper = key + " <= " + bound;
  return has_lower_bound ? key + " > " + bound + " AND " + upper : upper;
}

std::string SqliteReadSql::wanted(bool has_lower_bound) const {
  return range(has_lower_bound) + and_where();
}

std::string SqliteReadSql::is_key() const {
  return row_value(key_.terms) + " = " + parameters(key_.terms.size());
}

std::string SqliteReadSql::and_where() const {
  return spec_.where.empty() ? "" : " AND " + closed(spec_.where);
}

std::string SqliteReadSql::order_by(const std::string& direction) const {
  return " ORDER BY " + join(key_.terms, direction + ", ") + direction;
}

}  // namespace backfill
