#include "postgres/read_sql.h"

#include <fmt/format.h>

#include <utility>

#include "core/sql.h"

namespace backfill {

ReadSql::ReadSql(ReadSpec spec) : spec_(std::move(spec)), key_(spec_.table, spec_.key) {}

// `FROM t WHERE (k) > (…) AND (k) <= (…) ORDER BY k`, whatever the job's `where` is.
std::string ReadSql::keys_in(const std::string& after, const std::string& upto) const {
  const std::string bounds = key_.between(after, upto);
  return fmt::format(" FROM {}{}{} {}", spec_.table, bounds.empty() ? "" : " WHERE ", bounds,
                     key_.order_by());
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

std::string ReadSql::every_nth_key(const std::string& after, const std::string& upto,
                                   const std::string& n, const std::string& limit) const {
  return fmt::format(
      "SELECT {} FROM (SELECT r.*, row_number() OVER () AS n FROM (SELECT {}{} LIMIT {}) AS r) "
      "AS c WHERE c.n % {} = 0 ORDER BY c.n",
      key_texts(), key_as_columns(), keys_in(after, upto), limit, n);
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

// The rows that meet the condition and the job's `where`.
std::string ReadSql::wanted(const std::string& condition) const {
  return spec_.where.empty() ? condition : condition + " AND (" + spec_.where + "\n)";
}

std::string ReadSql::copy(const std::string& condition) const {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) items.push_back(item(i));
  return fmt::format("COPY (SELECT {} FROM {} WHERE {} {}) TO STDOUT (FORMAT binary)",
                     join(items, ", "), spec_.table, wanted(condition),
                     key_.order_by() + (spec_.locks ? " FOR SHARE" : ""));
}

std::string ReadSql::copy_range(const std::string& after, const std::string& upto) const {
  return copy(key_.between(after, upto));
}

std::string ReadSql::copy_keys(const std::vector<Key>& keys) const {
  return copy(key_.is_one_of(keys));
}

// Ages count back from the newest transaction. A row frozen long ago may show a number that has
// come round since: it looks younger than the newest, and is not.
std::string ReadSql::count_older(const std::string& after, const std::string& upto,
                                 const std::string& transaction) const {
  return fmt::format(
      "SELECT count(*), count(*) FILTER (WHERE xmax = '0'::xid){} AND "
      "pg_catalog.age(xmin) NOT BETWEEN 0 AND pg_catalog.age({}::xid)",
      from_range(after, upto), transaction);
}

std::string ReadSql::in_range(const std::string& after, const std::string& upto) const {
  return wanted(key_.between(after, upto));
}

std::string ReadSql::from_range(const std::string& after, const std::string& upto) const {
  return " FROM " + spec_.table + " WHERE " + in_range(after, upto);
}

}  // namespace backfill
