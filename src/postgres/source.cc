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

// Where others write it is seldom that they have not; so many looks at the rows go without asking.
constexpr int looks_where_others_write = 20;

void add_key(const Key& key, PgParameters& parameters) {
  parameters.insert(parameters.end(), key.values.begin(), key.values.end());
}

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

Key PostgresSource::checked_key(const PgResult& rows, int row) const {
  Key key;
  const int parts = static_cast<int>(spec_.key.size());
  for (int i = 0; i < parts; ++i) key.values.push_back(rows.text(row, i));
  if (rows.boolean(row, parts)) return key;
  throw Error(ErrorKind::stop,
              fmt::format("find the end of a chunk of {}: key {} is another value when it is read "
                          "back from its text; use another key",
                          spec_.table, key.display()));
}

std::optional<Key> PostgresSource::last_key() {
  connection_.attempt("find the last key of " + spec_.table);
  const PgResult row = connection_.query(sql_.last_key());
  if (row.rows() == 0) return std::nullopt;
  return checked_key(row, 0);
}

// The keys are parameters: the server need not read the statement anew for each chunk.
std::optional<Source::Cut> PostgresSource::cut(const std::optional<Key>& after, const Key& end,
                                               std::int64_t keys) {
  std::vector<Cut> found = cuts(after, end, keys, 1);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Source::Cut> PostgresSource::cuts(const std::optional<Key>& after, const Key& end,
                                              std::int64_t keys, std::size_t count) {
  PgParameters bounds;
  if (after) add_key(*after, bounds);
  const std::string lower = after ? sql_.key().parameters(1) : "";
  const std::string upper = sql_.key().parameters(bounds.size() + 1);
  add_key(end, bounds);
  const auto number = [&](std::size_t i) { return fmt::format("${}::bigint", bounds.size() + i); };
  const auto query = [&](const std::string& sql, std::initializer_list<std::int64_t> numbers) {
    PgParameters parameters = bounds;
    for (const std::int64_t each : numbers) parameters.emplace_back(std::to_string(each));
    return connection_.query_prepared(sql, parameters);
  };
  connection_.attempt(fmt::format("find the end of a chunk of {} after {}", spec_.table,
                                  after ? after->display() : "its beginning"));
  const PgResult ends = count == 1 ? query(sql_.nth_key(lower, upper, number(1)), {keys - 1})
                                   : query(sql_.every_nth_key(lower, upper, number(1), number(2)),
                                           {keys, keys * static_cast<std::int64_t>(count)});
  std::vector<Cut> found;
  for (int row = 0; row < ends.rows(); ++row) found.push_back({checked_key(ends, row), keys});
  if (found.empty()) {
    const PgResult last = query(sql_.last_of(lower, upper, number(1)), {keys});
    if (last.rows() == 0) return {};
    found.push_back(
        {checked_key(last, 0), last.integer(0, static_cast<int>(spec_.key.size()) + 1)});
  }
  check_that_it_moves(after, found);
  return found;
}

void PostgresSource::check_that_it_moves(const std::optional<Key>& after,
                                         const std::vector<Cut>& cuts) const {
  const Key* before = after ? &*after : nullptr;
  for (const Cut& cut : cuts) {
    if (before != nullptr && cut.upto == *before) {
      throw Error(ErrorKind::stop,
                  fmt::format("find the end of a chunk of {}: the key does not move on "
                              "from {}; check the key's index for corruption",
                              spec_.table, before->display()));
    }
    before = &cut.upto;
  }
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
// read have not been written since, and no transaction has marked any of them as one does that
// changes it. A mark may be old, of one that only locked or failed: then, once nobody is writing
// to the table, what is visible tells.
bool PostgresSource::may_have_changed(const Chunk& chunk, const std::string& since,
                                      std::optional<std::int64_t> rows) {
  const PgSnapshot then = PgSnapshot::parse(since);
  if (!rows || looks_before_asking_ == 0) {
    if (own_->were_all(connection_.server(), then, PgSnapshot::parse(moment()))) return false;
    looks_before_asking_ = looks_where_others_write;
  }
  --looks_before_asking_;
  if (!rows) return true;
  const Untouched before = count_untouched(chunk, then);
  if (before.and_unmarked == *rows) return false;
  if (before.rows != *rows) return true;
  // Asked first, so that what it does not see any more is seen by the count.
  const bool is_written = !writers().empty();
  const Untouched after = count_untouched(chunk, then);
  return (is_written ? after.and_unmarked : after.rows) != *rows;
}

PostgresSource::Untouched PostgresSource::count_untouched(const Chunk& chunk,
                                                          const PgSnapshot& since) {
  PgParameters bounds{std::to_string(since.oldest & UINT32_MAX)};
  if (chunk.after) add_key(*chunk.after, bounds);
  const std::string after = chunk.after ? sql_.key().parameters(2) : "";
  const std::string upto = sql_.key().parameters(bounds.size() + 1);
  add_key(chunk.upto, bounds);
  connection_.attempt(fmt::format("validate {} of {}", chunk.display(), spec_.table));
  const PgResult counts = connection_.query_prepared(sql_.count_older(after, upto, "$1"), bounds);
  return {counts.integer(0, 0), counts.integer(0, 1)};
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
          {"find the ends of several small chunks",
           sql_.every_nth_key("$after", "$upto", "$keys", "$keys * $count")},
          {"find the end of the last chunk", sql_.last_of("$after", "$upto", "$keys")},
          {"read a chunk", sql_.copy_range("$after", "$upto")}};
}

}  // namespace backfill
