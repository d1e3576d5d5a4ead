#include "postgres/ledger.h"

#include <fmt/format.h>

#include "core/sql.h"
#include "postgres/fence.h"
#include "postgres/flush.h"

namespace backfill {
namespace {

// Ranges forgotten in one statement.
constexpr std::size_t prune_step = 1000;

constexpr const char* ledger_columns =
    "job text NOT NULL, upto text NOT NULL, \"after\" text, run_id text NOT NULL, "
    "written_at timestamptz NOT NULL DEFAULT now(), rows_read bigint NOT NULL, "
    "rows_written bigint NOT NULL, rows_skipped bigint NOT NULL, rows_rejected bigint NOT NULL, "
    "rows_unchanged bigint NOT NULL, rows_conflicts bigint NOT NULL, PRIMARY KEY (job, upto)";

constexpr const char* count_columns =
    "rows_read, rows_written, rows_skipped, rows_rejected, rows_unchanged, rows_conflicts";

std::optional<std::string> after_json(const Chunk& chunk) {
  if (!chunk.after) return std::nullopt;
  return chunk.after->to_json();
}

RowCounts counts_from(const PgResult& result, int row, int column) {
  RowCounts rows;
  rows.read = result.integer(row, column);
  rows.written = result.integer(row, column + 1);
  rows.skipped = result.integer(row, column + 2);
  rows.rejected = result.integer(row, column + 3);
  rows.unchanged = result.integer(row, column + 4);
  rows.conflicts = result.integer(row, column + 5);
  return rows;
}

}  // namespace

std::string ledger_table(const std::string& table) {
  const std::vector<std::string> parts = split_name(table, true);
  const std::string name = "backfill_ledger";
  return parts.size() < 2 ? name : quote_identifier(parts[parts.size() - 2]) + "." + name;
}

std::string record_sql(const std::string& ledger, const LedgerSpec& spec, const Chunk& chunk,
                       const RowCounts& rows) {
  const std::string after = chunk.after ? quote_literal(chunk.after->to_json()) : "NULL";
  return fmt::format(
      "INSERT INTO {} AS l (job, upto, \"after\", run_id, {}) VALUES ({}, {}, {}, {}, {}, {}, {}, "
      "{}, {}, {}) ON CONFLICT (job, upto) DO UPDATE SET "
      "\"after\" = excluded.\"after\", run_id = excluded.run_id, written_at = now(), "
      "rows_read = excluded.rows_read, rows_written = excluded.rows_written, "
      "rows_skipped = excluded.rows_skipped, rows_rejected = excluded.rows_rejected, "
      "rows_unchanged = excluded.rows_unchanged, rows_conflicts = excluded.rows_conflicts",
      ledger, count_columns, quote_literal(spec.job), quote_literal(chunk.upto.to_json()), after,
      quote_literal(spec.run_id), rows.read, rows.written, rows.skipped, rows.rejected,
      rows.unchanged, rows.conflicts);
}

std::optional<RowCounts> find_in_ledger(PgConnection& connection, const std::string& ledger,
                                        const LedgerSpec& spec, const Chunk& chunk) {
  const PgResult row = connection.query(
      fmt::format(
          "SELECT {} FROM {} WHERE job = $1 AND upto = $2 AND \"after\" IS NOT DISTINCT FROM $3",
          count_columns, ledger),
      {spec.job, chunk.upto.to_json(), after_json(chunk)});
  if (row.rows() == 0) return std::nullopt;
  return counts_from(row, 0, 0);
}

void wait_for_batches(PgConnection& connection, const std::string& job) {
  connection.query(fmt::format("SELECT pg_catalog.pg_advisory_xact_lock({})", batch_lock_key(job)));
}

PostgresLedger::PostgresLedger(const std::string& url, const std::string& table,
                               const LedgerSpec& spec, std::string fence)
    : ledger_(ledger_table(table)),
      spec_(spec),
      fence_(std::move(fence)),
      connection_(url, spec.job, "target") {}

bool PostgresLedger::exists() {
  return !connection_.query("SELECT pg_catalog.to_regclass($1)", {ledger_}).is_null(0, 0);
}

void PostgresLedger::prepare() {
  connection_.attempt("prepare the ledger " + ledger_);
  try {
    if (!exists())
      connection_.command(
          fence_ + fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", ledger_, ledger_columns));
    connection_.query(fmt::format("SELECT {} FROM {} LIMIT 0", count_columns, ledger_));
  } catch (const Error& error) {
    // Another runner may have made the table at the same moment.
    if (error.code() == "23505" || error.code() == "42P07") return;
    if (error.code() != "42501") throw;
  }
  const PgResult rights = connection_.query(
      "SELECT pg_catalog.quote_ident(current_user), pg_catalog.to_regclass($1) IS NOT NULL AND "
      "coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass($1)::oid, 'SELECT') AND "
      "pg_catalog.has_table_privilege(pg_catalog.to_regclass($1)::oid, 'INSERT') AND "
      "pg_catalog.has_table_privilege(pg_catalog.to_regclass($1)::oid, 'UPDATE') AND "
      "pg_catalog.has_table_privilege(pg_catalog.to_regclass($1)::oid, 'DELETE'), false)",
      {ledger_});
  if (rights.boolean(0, 1)) return;
  throw Error(
      ExitCode::unsafe,
      fmt::format("role {0} may not keep the ledger {1}: CREATE TABLE IF NOT EXISTS {1} ({2}); "
                  "GRANT SELECT, INSERT, UPDATE, DELETE ON {1} TO {0}",
                  rights.text(0, 0), ledger_, ledger_columns));
}

// Long after a server's death the ledger is still to be pruned and cleared.
void PostgresLedger::begin(const std::string& what) {
  if (connection_.is_lost()) connection_.reconnect();
  connection_.attempt(what + " the ledger " + ledger_);
}

std::vector<LedgerRange> PostgresLedger::ranges() {
  begin("read");
  if (!exists()) return {};
  const PgResult rows = connection_.query(
      fmt::format("SELECT upto, \"after\", {} FROM {} WHERE job = $1", count_columns, ledger_),
      {spec_.job});
  std::vector<LedgerRange> found;
  for (int row = 0; row < rows.rows(); ++row) {
    LedgerRange range;
    range.upto = Key::from_json(rows.text(row, 0));
    if (!rows.is_null(row, 1)) range.after = Key::from_json(rows.text(row, 1));
    range.rows = counts_from(rows, row, 2);
    found.push_back(std::move(range));
  }
  // What is found is not done again, so it must not be lost any more.
  if (!found.empty()) flush_log(connection_);
  return found;
}

void PostgresLedger::prune(const std::vector<Key>& upto) {
  begin("prune");
  for (std::size_t first = 0; first < upto.size(); first += prune_step) {
    std::vector<std::string> keys;
    for (std::size_t i = first; i < upto.size() && i < first + prune_step; ++i) {
      keys.push_back(quote_literal(upto[i].to_json()));
    }
    connection_.query(fence_ + fmt::format("DELETE FROM {} WHERE job = {} AND upto IN ({})",
                                           ledger_, quote_literal(spec_.job), join(keys, ", ")));
  }
}

void PostgresLedger::clear() {
  begin("clear");
  if (!exists()) return;
  connection_.query(
      fence_ + fmt::format("DELETE FROM {} WHERE job = {}", ledger_, quote_literal(spec_.job)));
}

}  // namespace backfill
