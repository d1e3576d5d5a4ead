#include "sqlite/ledger.h"

#include <utility>

#include "sqlite/write_turn.h"

namespace backfill {
namespace {

constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS backfill_ledger ("
    "job TEXT NOT NULL, after TEXT, upto TEXT NOT NULL, run_id TEXT NOT NULL, "
    "read INTEGER NOT NULL, written INTEGER NOT NULL, skipped INTEGER NOT NULL, "
    "rejected INTEGER NOT NULL, unchanged INTEGER NOT NULL, conflicts INTEGER NOT NULL, "
    "PRIMARY KEY (job, upto))";

constexpr const char* kCounts = "read, written, skipped, rejected, unchanged, conflicts";

RowCounts read_counts(const SqliteStatement& statement, int first_column) {
  RowCounts rows;
  for (std::int64_t* count :
       {&rows.read, &rows.written, &rows.skipped, &rows.rejected, &rows.unchanged, &rows.conflicts})
    *count = statement.integer(first_column++);
  return rows;
}

void bind_key_or_null(SqliteStatement& statement, int parameter, const std::optional<Key>& key) {
  if (key) return statement.bind_text(parameter, key->to_json());
  statement.bind_null(parameter);
}

bool exists(SqliteConnection& connection) {
  return connection
      .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'backfill_ledger'")
      .step();
}

}  // namespace

SqliteLedger::SqliteLedger(std::string path, std::string job)
    : job_(std::move(job)), connection_(std::move(path), SqliteConnection::Mode::read_write) {}

void SqliteLedger::prepare() {
  if (exists(connection_)) return;
  try {
    connection_.execute(kCreate);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::stop) throw;
    throw error.within("make the ledger; let somebody who may run: " + std::string(kCreate))
        .ending_with(ExitCode::unsafe);
  }
}

std::vector<LedgerRange> SqliteLedger::ranges() {
  auto statement = connection_.prepare(std::string("SELECT after, upto, ") + kCounts +
                                       " FROM backfill_ledger WHERE job = ?1 ORDER BY rowid");
  statement.bind_text(1, job_);
  std::vector<LedgerRange> ranges;
  while (statement.step()) {
    LedgerRange range;
    if (!statement.is_null(0)) range.after = Key::from_json(std::string(statement.bytes(0)));
    range.upto = Key::from_json(std::string(statement.bytes(1)));
    range.rows = read_counts(statement, 2);
    ranges.push_back(std::move(range));
  }
  return ranges;
}

void SqliteLedger::prune(const std::vector<Key>& upto) {
  if (upto.empty()) return;
  WriteTurn turn(connection_.path());
  turn.take();
  SqliteTransaction transaction(connection_);
  auto statement = connection_.prepare("DELETE FROM backfill_ledger WHERE job = ?1 AND upto = ?2");
  statement.bind_text(1, job_);
  for (const Key& key : upto) {
    statement.bind_text(2, key.to_json());
    statement.run();
  }
  transaction.commit();
}

void SqliteLedger::clear() {
  if (!exists(connection_)) return;
  auto statement = connection_.prepare("DELETE FROM backfill_ledger WHERE job = ?1");
  statement.bind_text(1, job_);
  statement.run();
}

std::string ledger_record_sql() {
  return std::string("INSERT OR REPLACE INTO backfill_ledger (job, after, upto, run_id, ") +
         kCounts + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
}

void record_in_ledger(SqliteStatement& statement, const LedgerSpec& ledger, const Chunk& chunk,
                      const RowCounts& rows) {
  statement.bind_text(1, ledger.job);
  bind_key_or_null(statement, 2, chunk.after);
  statement.bind_text(3, chunk.upto.to_json());
  statement.bind_text(4, ledger.run_id);
  int parameter = 5;
  for (const std::int64_t count :
       {rows.read, rows.written, rows.skipped, rows.rejected, rows.unchanged, rows.conflicts})
    statement.bind_integer(parameter++, count);
  statement.run();
}

std::optional<RowCounts> find_in_ledger(SqliteConnection& connection, const std::string& job,
                                        const Chunk& chunk) {
  auto statement =
      connection.prepare(std::string("SELECT ") + kCounts +
                         " FROM backfill_ledger WHERE job = ?1 AND upto = ?2 AND after IS ?3");
  statement.bind_text(1, job);
  statement.bind_text(2, chunk.upto.to_json());
  bind_key_or_null(statement, 3, chunk.after);
  if (!statement.step()) return std::nullopt;
  return read_counts(statement, 0);
}

}  // namespace backfill
