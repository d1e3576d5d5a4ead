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

}  // namespace

PostgresSource::PostgresSource(const std::string& url, const std::string& job, ReadSpec spec,
                               std::shared_ptr<const OwnTransactions> own)
    : spec_(std::move(spec)), sql_(spec_), own_(std::move(own)), connection_(url, job, "source") {
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
  connection_.attempt("find the last key of " + spec_.table);
  const PgResult row = connection_.query(sql_.last_key());
  if (row.rows() == 0) return std::nullopt;
  return checked_key(row);
}

std::optional<Source::Cut> PostgresSource::cut(const std::optional<Key>& after, const Key& end,
                                               std::int64_t keys) {
  const std::string lower = after ? sql_.key().literals(*after) : "";
  const std::string upper = sql_.key().literals(end);
  connection_.attempt(fmt::format("find the end of a chunk of {} after {}", spec_.table,
                                  after ? after->display() : "its beginning"));
  const PgResult row = connection_.query(sql_.nth_key(lower, upper, std::to_string(keys - 1)));
  std::optional<Cut> cut;
  if (row.rows() != 0) {
    cut = Cut{checked_key(row), keys};
  } else {
    const PgResult last = connection_.query(sql_.last_of(lower, upper, std::to_string(keys)));
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
  const std::string after = chunk.after ? sql_.key().literals(*chunk.after) : "";
  const std::string sql = sql_.copy_range(after, sql_.key().literals(chunk.upto));
  connection_.attempt(fmt::format("read {} of {}", chunk.display(), spec_.table));
  if (spec_.locks) {
    release();
    connection_.command("BEGIN");
  }
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
  connection_.attempt("read changed rows of " + spec_.table);
  if (spec_.locks) {
    release();
    connection_.command("BEGIN");
  }
  batch.clear();
  for (std::size_t first = 0; first < keys.size(); first += keys_per_statement) {
    const std::size_t last = std::min(keys.size(), first + keys_per_statement);
    const std::vector<Key> some(keys.begin() + static_cast<std::ptrdiff_t>(first),
                                keys.begin() + static_cast<std::ptrdiff_t>(last));
    CopyReader reader(batch, spec_.columns.size());
    connection_.copy_out(sql_.copy_keys(some), [&](std::string_view bytes) {
      reader.feed(bytes);
      return true;
    });
    reader.finish();
  }
}

std::string PostgresSource::moment() {
  connection_.attempt("look at the transactions of " + spec_.table + "'s server");
  return connection_.query("SELECT pg_catalog.pg_current_snapshot()").text(0, 0);
}

// Nothing has changed where nobody but us has written anything; else, where as many rows as were
// read have not been written since. While others are still writing to the table, no row may be
// marked by any of them either.
bool PostgresSource::may_have_changed(const Chunk& chunk, const std::string& since,
                                      std::optional<std::int64_t> rows) {
  const PgSnapshot then = PgSnapshot::parse(since);
  if (own_->were_all(connection_.server(), then, PgSnapshot::parse(moment()))) return false;
  if (!rows) return true;
  const bool untouched = !writers().empty();
  connection_.attempt(fmt::format("validate {} of {}", chunk.display(), spec_.table));
  const std::string after = chunk.after ? sql_.key().literals(*chunk.after) : "";
  const std::string transaction = std::to_string(then.oldest & UINT32_MAX);
  const PgResult unchanged = connection_.query(
      sql_.count_older(after, sql_.key().literals(chunk.upto), transaction, untouched));
  return unchanged.integer(0, 0) != *rows;
}

// Who has written to a table holds a lock on it, or on its part, until the end of his transaction.
std::string PostgresSource::writers() {
  connection_.attempt("look who writes to " + spec_.table);
  return connection_
      .query(fmt::format(
          "SELECT coalesce(string_agg(DISTINCT l.virtualtransaction, ','), '') "
          "FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database "
          "AND d.datname = pg_catalog.current_database() "
          "WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM "
          "pg_catalog.pg_backend_pid() AND l.mode IN ('RowExclusiveLock', "
          "'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') "
          "AND (l.relation = {0}::regclass OR l.relation IN (SELECT relid FROM "
          "pg_catalog.pg_partition_tree({0}::regclass)) OR l.relation IN (SELECT inhrelid FROM "
          "pg_catalog.pg_inherits WHERE inhparent = {0}::regclass))",
          quote_literal(spec_.table)))
      .text(0, 0);
}

bool PostgresSource::have_ended(const std::string& writers) {
  connection_.attempt("wait for transactions that write to " + spec_.table);
  return connection_
      .query(
          "SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE virtualtransaction = ANY "
          "(pg_catalog.string_to_array($1, ',')))",
          {writers})
      .boolean(0, 0);
}

bool PostgresSource::release() noexcept {
  try {
    if (!connection_.in_transaction()) return false;
    return connection_.query("COMMIT").tag() == "COMMIT";
  } catch (const std::exception&) {
    return false;  // the server let go of them when the connection was lost
  }
}

std::vector<Key> PostgresSource::in_key_order(std::vector<Key> keys) {
  if (keys.size() < 2) return keys;
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::vector<std::string> values{std::to_string(i)};
    for (std::size_t k = 0; k < sql_.key().size(); ++k) {
      values.push_back(sql_.key().literal(k, keys[i].values.at(k)));
    }
    rows.push_back("(" + join(values, ", ") + ")");
  }
  std::vector<std::string> names{"n"};
  std::vector<std::string> order;
  for (std::size_t k = 0; k < sql_.key().size(); ++k) {
    names.push_back(fmt::format("k{}", k));
    order.push_back(sql_.key().typed(k, fmt::format("v.k{}", k)));
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
  return {{"find the end key", sql_.last_key()},
          {"find the end of a chunk", sql_.nth_key("$after", "$upto", "$keys - 1")},
          {"find the end of the last chunk", sql_.last_of("$after", "$upto", "$keys")},
          {"read a chunk", sql_.copy_range("$after", "$upto")}};
}

}  // namespace backfill
