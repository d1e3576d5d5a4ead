#include "postgres/read_sql.h"

#include <fmt/format.h>

#include <utility>

#include "core/sql.h"

namespace backfill {
namespace {

std::string where_all(const std::vector<std::string>& parts) {
  return parts.empty() ? "" : " WHERE " + join(parts, " AND ");
}

}  // namespace

ReadSql::ReadSql(ReadSpec spec) : spec_(std::move(spec)), key_(spec_.table, spec_.key) {}

std::vector<std::string> ReadSql::bounds(const std::string& after, const std::string& upto) const {
  std::vector<std::string> found;
  if (!after.empty()) found.push_back(key_.columns() + " > " + after);
  if (!upto.empty()) found.push_back(key_.columns() + " <= " + upto);
  return found;
}

// `FROM t WHERE (k) > (…) AND (k) <= (…) ORDER BY k`, whatever the job's `where` is.
std::string ReadSql::keys_in(const std::string& after, const std::string& upto) const {
  return " FROM " + spec_.table + where_all(bounds(after, upto)) + " " + key_.order_by();
}

// Key columns under names of their own: k0, k1, …
std::string ReadSql::key_as_columns() const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    parts.push_back(fmt::format("{} AS k{}", key_.column(i), i));
  }
  return join(parts, ", ");
}

std::string ReadSql::key_texts() const {
  std::vector<std::string> texts;
  std::vector<std::string> same;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    texts.push_back(fmt::format("c.k{}::text", i));
    same.push_back(fmt::format("c.k{} = {}", i, key_.typed(i, fmt::format("c.k{}::text", i))));
  }
  return join(texts, ", ") + ", " + join(same, " AND ");
}

std::string ReadSql::last_key() const {
  return fmt::format("SELECT {} FROM (SELECT {} FROM {} {} LIMIT 1) AS c", key_texts(),
                     key_as_columns(), spec_.table, key_.order_by(true));
}

std::string ReadSql::nth_key(const std::string& after, const std::string& upto,
                             const std::string& offset) const {
  return fmt::format("SELECT {} FROM (SELECT {}{} LIMIT 1 OFFSET {}) AS c", key_texts(),
                     key_as_columns(), keys_in(after, upto), offset);
}

std::string ReadSql::last_of(const std::string& after, const std::string& upto,
                             const std::string& limit) const {
  return fmt::format(
      "SELECT {}, c.n FROM (SELECT r.*, row_number() OVER () AS n FROM (SELECT {}{} LIMIT {}) AS "
      "r) AS c ORDER BY c.n DESC LIMIT 1",
      key_texts(), key_as_columns(), keys_in(after, upto), limit);
}

// Expressions and `where` end in a newline, since they may end in a comment.
std::string ReadSql::item(std::size_t i) const {
  const ReadColumn& column = spec_.columns.at(i);
  return column.expression.empty() ? quote_identifier(column.column.name)
                                   : "(" + column.expression + "\n)";
}

std::string ReadSql::copy(std::vector<std::string> conditions) const {
  if (!spec_.where.empty()) conditions.push_back("(" + spec_.where + "\n)");
  std::vector<std::string> items;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) items.push_back(item(i));
  return fmt::format("COPY (SELECT {} FROM {}{} {}) TO STDOUT (FORMAT binary)", join(items, ", "),
                     spec_.table, where_all(conditions), key_.order_by());
}

std::string ReadSql::copy_range(const std::string& after, const std::string& upto) const {
  return copy(bounds(after, upto));
}

std::string ReadSql::copy_keys(const std::vector<Key>& keys) const {
  return copy({key_.is_one_of(keys)});
}

std::string ReadSql::in_range(const std::string& after, const std::string& upto) const {
  std::vector<std::string> conditions = bounds(after, upto);
  if (!spec_.where.empty()) conditions.push_back("(" + spec_.where + "\n)");
  return join(conditions, " AND ");
}

std::string ReadSql::from_range(const std::string& after, const std::string& upto) const {
  return " FROM " + spec_.table + " WHERE " + in_range(after, upto);
}

}  // namespace backfill
