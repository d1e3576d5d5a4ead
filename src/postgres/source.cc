#include "postgres/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/sql.h"
#include "postgres/copy_format.h"
#include "postgres/key_sql.h"
#include "postgres/types.h"

namespace backfill {
namespace {

// One statement's worth of keys: bounds the length of its text.
constexpr std::size_t keys_per_statement = 1000;

std::vector<std::string> conditions(const KeySql& key, const std::string& after,
                                    const std::string& upto) {
  std::vector<std::string> found;
  if (!after.empty()) found.push_back(key.columns() + " > " + after);
  if (!upto.empty()) found.push_back(key.columns() + " <= " + upto);
  return found;
}

std::string where_all(const std::vector<std::string>& parts) {
  return parts.empty() ? "" : " WHERE " + join(parts, " AND ");
}

// `FROM t WHERE (k) > (…) AND (k) <= (…) ORDER BY k`: a range over the key's index.
std::string range(const ReadSpec& spec, const KeySql& key, const std::string& after,
                  const std::string& upto) {
  return " FROM " + spec.table + where_all(conditions(key, after, upto)) + " " + key.order_by();
}

// Key columns under names of their own: k0, k1, …
std::string key_as(const KeySql& key) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key.size(); ++i) {
    parts.push_back(fmt::format("{} AS k{}", key.column(i), i));
  }
  return join(parts, ", ");
}

// The texts of k0, k1, … and whether each, read back, is the same key.
std::string key_texts(const KeySql& key) {
  std::vector<std::string> texts;
  std::vector<std::string> same;
  for (std::size_t i = 0; i < key.size(); ++i) {
    texts.push_back(fmt::format("c.k{}::text", i));
    same.push_back(fmt::format("c.k{} = {}", i, key.typed(i, fmt::format("c.k{}::text", i))));
  }
  return join(texts, ", ") + ", " + join(same, " AND ");
}

std::string last_key_sql(const ReadSpec& spec, const KeySql& key) {
  return fmt::format("SELECT {} FROM (SELECT {} FROM {} {} LIMIT 1) AS c", key_texts(key),
                     key_as(key), spec.table, key.order_by(true));
}

std::string nth_key_sql(const ReadSpec& spec, const KeySql& key, const std::string& after,
                        const std::string& upto, const std::string& offset) {
  return fmt::format("SELECT {} FROM (SELECT {}{} LIMIT 1 OFFSET {}) AS c", key_texts(key),
                     key_as(key), range(spec, key, after, upto), offset);
}

std::string tail_sql(const ReadSpec& spec, const KeySql& key, const std::string& after,
                     const std::string& upto, const std::string& limit) {
  return fmt::format(
      "SELECT {}, c.n FROM (SELECT r.*, row_number() OVER () AS n FROM (SELECT {}{} LIMIT {}) AS "
      "r) "
      "AS c ORDER BY c.n DESC LIMIT 1",
      key_texts(key), key_as(key), range(spec, key, after, upto), limit);
}

std::string select_list(const ReadSpec& spec) {
  std::vector<std::string> items;
  for (const ReadColumn& column : spec.columns) {
    items.push_back(column.expression.empty() ? quote_identifier(column.column.name)
                                              : "(" + column.expression + "\n)");
  }
  return join(items, ", ");
}

std::string read_sql(const ReadSpec& spec, const KeySql& key, std::vector<std::string> wanted) {
  if (!spec.where.empty()) wanted.push_back("(" + spec.where + "\n)");
  return fmt::format("COPY (SELECT {} FROM {}{} {}) TO STDOUT (FORMAT binary)", select_list(spec),
                     spec.table, where_all(wanted), key.order_by());
}

}  // namespace

PostgresSource::PostgresSource(const std::string& url, const std::string& job, ReadSpec spec)
    : spec_(std::move(spec)), connection_(url, job, "source") {
  set_up();
}

void PostgresSource::reconnect() {
  connection_.reconnect();
  set_up();
}

// A chunk is a small part of a table, so a sequential scan is never the better plan; only old
// statistics make it look so.
void PostgresSource::set_up() {
  connection_.command("SET enable_seqscan = off");
  make_key_operators_visible(connection_, spec_.key);
}

Key PostgresSource::checked_key(const PgResult& row) const {
  Key key;
  const int parts = static_cast<int>(spec_.key.size());
  for (int i = 0; i < parts; ++i) key.values.push_back(row.text(0, i));
  if (row.boolean(0, parts)) return key;
  throw Error(ErrorKind::stop,
              fmt::format("find the end of a chunk of {}: key {} is another value when it is read "
                          "back from its text; use another key",
                          spec_.table, key.display()));
}

std::optional<Key> PostgresSource::last_key() {
  const KeySql key(spec_.table, spec_.key);
  connection_.attempt("find the last key of " + spec_.table);
  const PgResult row = connection_.query(last_key_sql(spec_, key));
  if (row.rows() == 0) return std::nullopt;
  return checked_key(row);
}

std::optional<Source::Cut> PostgresSource::cut(const std::optional<Key>& after, const Key& end,
                                               std::int64_t keys) {
  const KeySql key(spec_.table, spec_.key);
  const std::string lower = after ? key.literals(*after) : "";
  const std::string upper = key.literals(end);
  connection_.attempt(fmt::format("find the end of a chunk of {} after {}", spec_.table,
                                  after ? after->display() : "its beginning"));
  const PgResult row =
      connection_.query(nth_key_sql(spec_, key, lower, upper, std::to_string(keys - 1)));
  std::optional<Cut> cut;
  if (row.rows() != 0) {
    cut = Cut{checked_key(row), keys};
  } else {
    const PgResult last =
        connection_.query(tail_sql(spec_, key, lower, upper, std::to_string(keys)));
    if (last.rows() == 0) return std::nullopt;
    cut = Cut{checked_key(last), last.integer(0, static_cast<int>(spec_.key.size()) + 1)};
  }
  if (!after || cut->upto != *after) return cut;
  throw Error(ErrorKind::stop,
              fmt::format("find the end of a chunk of {}: the key does not move on "
                          "from {}; check the key's index for corruption",
                          spec_.table, after->display()));
}

void PostgresSource::read(const Chunk& chunk, Batch& batch) {
  const KeySql key(spec_.table, spec_.key);
  const std::string after = chunk.after ? key.literals(*chunk.after) : "";
  const std::string sql = read_sql(spec_, key, conditions(key, after, key.literals(chunk.upto)));
  connection_.attempt(fmt::format("read {} of {}", chunk.display(), spec_.table));
  batch.clear();
  CopyReader reader(batch, spec_.columns.size());
  const bool whole = connection_.copy_out(sql, [&](std::string_view bytes) {
    reader.feed(bytes);
    return batch.bytes() <= spec_.bytes_max || batch.rows() <= 1;
  });
  if (!whole) {
    const std::size_t rows = batch.rows();
    batch.clear();
    throw Error(ErrorKind::too_large,
                fmt::format("read {} of {}: its first {} rows pass {} bytes; smaller chunks help",
                            chunk.display(), spec_.table, rows, spec_.bytes_max));
  }
  reader.finish();
}

void PostgresSource::read_keys(const std::vector<Key>& keys, Batch& batch) {
  const KeySql key(spec_.table, spec_.key);
  connection_.attempt("read changed rows of " + spec_.table);
  batch.clear();
  for (std::size_t first = 0; first < keys.size(); first += keys_per_statement) {
    const std::size_t last = std::min(keys.size(), first + keys_per_statement);
    const std::vector<Key> some(keys.begin() + static_cast<std::ptrdiff_t>(first),
                                keys.begin() + static_cast<std::ptrdiff_t>(last));
    CopyReader reader(batch, spec_.columns.size());
    connection_.copy_out(read_sql(spec_, key, {key.is_one_of(some)}), [&](std::string_view bytes) {
      reader.feed(bytes);
      return true;
    });
    reader.finish();
  }
}

std::vector<Key> PostgresSource::in_key_order(std::vector<Key> keys) {
  if (keys.size() < 2) return keys;
  const KeySql key(spec_.table, spec_.key);
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::vector<std::string> values{std::to_string(i)};
    for (std::size_t k = 0; k < key.size(); ++k) {
      values.push_back(key.literal(k, keys[i].values.at(k)));
    }
    rows.push_back("(" + join(values, ", ") + ")");
  }
  std::vector<std::string> names{"n"};
  std::vector<std::string> order;
  for (std::size_t k = 0; k < key.size(); ++k) {
    names.push_back(fmt::format("k{}", k));
    order.push_back(key.typed(k, fmt::format("v.k{}", k)));
  }
  connection_.attempt("sort keys of " + spec_.table);
  const PgResult sorted =
      connection_.query(fmt::format("SELECT v.n FROM (VALUES {}) AS v({}) ORDER BY {}",
                                    join(rows, ", "), join(names, ", "), join(order, ", ")));
  std::vector<Key> in_order;
  for (int i = 0; i < sorted.rows(); ++i) {
    in_order.push_back(keys[static_cast<std::size_t>(sorted.integer(i, 0))]);
  }
  return in_order;
}

std::vector<Statement> PostgresSource::statements() const {
  const KeySql key(spec_.table, spec_.key);
  return {{"find the end key", last_key_sql(spec_, key)},
          {"find the end of a chunk", nth_key_sql(spec_, key, "$after", "$upto", "$keys - 1")},
          {"find the end of the last chunk", tail_sql(spec_, key, "$after", "$upto", "$keys")},
          {"read a chunk", read_sql(spec_, key, conditions(key, "$after", "$upto"))}};
}

}  // namespace backfill
