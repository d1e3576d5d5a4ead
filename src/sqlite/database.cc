#include "sqlite/database.h"

#include <unistd.h>

#include "core/error.h"
#include "sqlite/foreground_probe.h"
#include "sqlite/ledger.h"
#include "sqlite/pushdown_limits.h"
#include "sqlite/query_sensor.h"
#include "sqlite/runner_lock.h"
#include "sqlite/source.h"
#include "sqlite/table.h"
#include "sqlite/target.h"

namespace backfill {

SqliteDatabase::SqliteDatabase(const std::string& url, std::string job)
    : path_(sqlite_path(url)),
      job_(std::move(job)),
      connection_(path_, SqliteConnection::Mode::read_only) {}

TableFacts SqliteDatabase::inspect(const std::string& table, const std::vector<std::string>& key,
                                   const std::string& where) {
  return inspect_table(connection_, table, key, where);
}

std::vector<ReadColumn> SqliteDatabase::type_columns(const TableFacts& table,
                                                     const std::vector<std::string>& items) {
  return backfill::type_columns(connection_, table, items);
}

bool SqliteDatabase::pushes_down(const WriteSpec& spec) {
  return one_statement_does_the_same(connection_, spec);
}

void SqliteDatabase::check_source(const TableFacts&, const ReadSpec&) {}

void SqliteDatabase::check_target(const TableFacts& table, const WriteSpec&) {
  if (::access(path_.c_str(), W_OK) == 0) return;
  throw Error(ExitCode::unsafe,
              "write " + table.name + " in " + path_ + ": the file is not writable for this user");
}

void SqliteDatabase::check_compared(const TableFacts&, const ReadSpec&) {}

// SQLite takes every value as it comes and applies the column's affinity.
std::vector<std::string> SqliteDatabase::conversions(const WriteSpec& spec) const {
  std::vector<std::string> lines;
  for (const WriteColumn& column : spec.columns) {
    if (column.column.dynamic || column.role == WriteColumn::Role::guard) continue;
    const char* stored = "text";
    switch (column.column.kind) {
      case Kind::boolean:
        stored = "0 or 1";
        break;
      case Kind::int16:
      case Kind::int32:
      case Kind::int64:
        stored = "integer";
        break;
      case Kind::float32:
      case Kind::float64:
        stored = "real";
        break;
      case Kind::bytes:
        stored = "blob";
        break;
      case Kind::text:
        continue;
      default:
        break;
    }
    lines.push_back(column.target.name + ": " + column.column.type + " is stored as " + stored);
  }
  return lines;
}

std::vector<std::string> SqliteDatabase::describe_watch(const WatchSpec& spec) {
  if (!spec.is_written) return {"nothing: a SQLite file that is only read"};
  return {"how long writers wait for the SQLite file, once others have it locked now and then"};
}

// A file that is only read may not be ours to lock.
std::unique_ptr<ForegroundProbe> SqliteDatabase::make_probe(const WatchSpec& spec) const {
  if (!spec.is_written) return nullptr;
  return std::make_unique<SqliteForegroundProbe>(path_);
}

std::unique_ptr<Sensor> SqliteDatabase::make_query_sensor(const std::string& query,
                                                          double limit) const {
  return std::make_unique<SqliteQuerySensor>(path_, query, limit);
}

std::unique_ptr<Source> SqliteDatabase::make_source(const ReadSpec& spec) const {
  return std::make_unique<SqliteSource>(path_, spec);
}

std::unique_ptr<Target> SqliteDatabase::make_target(const WriteSpec& spec) const {
  return std::make_unique<SqliteTarget>(path_, spec);
}

std::unique_ptr<Ledger> SqliteDatabase::make_ledger(const WriteSpec& spec) const {
  return std::make_unique<SqliteLedger>(path_, spec.ledger->job);
}

std::unique_ptr<RunnerLock> SqliteDatabase::make_runner_lock() const {
  return std::make_unique<SqliteRunnerLock>(path_, job_);
}

}  // namespace backfill
