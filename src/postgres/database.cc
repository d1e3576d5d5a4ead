#include "postgres/database.h"

#include <fmt/format.h>

#include <utility>

#include "core/sql.h"

#include "postgres/fence.h"
#include "postgres/foreground_probe.h"
#include "postgres/gauges.h"
#include "postgres/ledger.h"
#include "postgres/pooler.h"
#include "postgres/query_sensor.h"
#include "postgres/runner_lock.h"
#include "postgres/source.h"
#include "postgres/table.h"
#include "postgres/target.h"
#include "postgres/write_sql.h"

namespace backfill {

PostgresDatabase::PostgresDatabase(std::string url, std::string job, const std::string& role,
                                   std::shared_ptr<OwnTransactions> own)
    : url_(std::move(url)),
      job_(std::move(job)),
      role_(role),
      own_(std::move(own)),
      connection_(std::make_shared<PgConnection>(url_, job_, role, PgSession{.read_only = true})) {}

PostgresDatabase::PostgresDatabase(const PostgresDatabase& other, std::string role)
    : url_(other.url_),
      job_(other.job_),
      role_(std::move(role)),
      own_(other.own_),
      connection_(other.connection_) {}

TableFacts PostgresDatabase::inspect(const std::string& table, const std::vector<std::string>& key,
                                     const std::string& where) {
  return inspect_table(*connection_, table, key, where);
}

std::vector<ReadColumn> PostgresDatabase::type_columns(const TableFacts& table,
                                                       const std::vector<std::string>& items) {
  return backfill::type_columns(*connection_, table, items);
}

std::optional<Column> PostgresDatabase::row_version() const { return row_version_column(); }

std::string PostgresDatabase::why_not_validated() {
  connection_->attempt("ask whether the source is a standby");
  const bool is_standby = connection_->query("SELECT pg_catalog.pg_is_in_recovery()").boolean(0, 0);
  return is_standby ? "the source is a standby, which shows what its primary did only later" : "";
}

void PostgresDatabase::check_source(const TableFacts& table, const ReadSpec& spec) {
  refuse_shared_sessions(*connection_, url_, job_);
  check_read(*connection_, table, spec.columns, spec.validates);
  if (spec.locks) check_lock(*connection_, table);
}

void PostgresDatabase::check_target(const TableFacts& table, const WriteSpec& spec) {
  refuse_shared_sessions(*connection_, url_, job_);
  const bool needs_temp =
      spec.mode != WriteMode::insert || spec.levels || !conversions(spec).empty();
  check_write(*connection_, table, spec.mode, spec.columns, spec.levels, needs_temp);
}

// The rows in doubt are staged there, so that the server says what a write would make of them.
void PostgresDatabase::check_compared(const TableFacts& table, const ReadSpec& spec) {
  check_source(table, spec);
  check_stage(*connection_, table);
}

std::vector<std::string> PostgresDatabase::conversions(const WriteSpec& spec) const {
  std::vector<std::string> lines;
  for (const WriteColumn& column : spec.columns) {
    std::string line = conversion_note(column);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::unique_ptr<Source> PostgresDatabase::make_source(const ReadSpec& spec) const {
  return std::make_unique<PostgresSource>(url_, job_, spec, own_);
}

std::unique_ptr<Target> PostgresDatabase::make_target(const WriteSpec& spec) const {
  return std::make_unique<PostgresTarget>(url_, job_, spec, own_);
}

std::unique_ptr<Ledger> PostgresDatabase::make_ledger(const WriteSpec& spec) const {
  return std::make_unique<PostgresLedger>(url_, spec.table, *spec.ledger,
                                          fence_sql(job_, spec.lease));
}

std::unique_ptr<RunnerLock> PostgresDatabase::make_runner_lock() const {
  return std::make_unique<PostgresRunnerLock>(url_, job_);
}

std::string PostgresDatabase::server() const { return connection_->server(); }

std::vector<std::string> PostgresDatabase::describe_watch(const WatchSpec& spec) {
  connection_->attempt("ask what may be seen of others");
  const PgResult role = connection_->query(
      "SELECT current_user, pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')");
  std::string seen =
      "others' commits, reads and sessions at work, sessions that wait for a lock of ours, free "
      "connections";
  if (spec.is_written) {
    seen += spec.replicas.empty() ? ", replicas of pg_stat_replication"
                                  : fmt::format(", {} replicas", spec.replicas.size());
    seen += ", the WAL archiver, replication slots";
  }
  if (spec.makes_dead_rows) seen += ", old transactions, dead rows of " + spec.table;
  std::vector<std::string> lines{seen};
  if (!role.boolean(0, 1)) {
    lines.push_back(fmt::format(
        "sessions of other roles are hidden from {0}: who is connected counts as at work, and "
        "replicas are seen only where throttle.replicas names them; GRANT pg_read_all_stats TO {1}",
        role.text(0, 0), quote_identifier(role.text(0, 0))));
  }
  return lines;
}

std::unique_ptr<ForegroundProbe> PostgresDatabase::make_probe(const WatchSpec&) const {
  return std::make_unique<PostgresForegroundProbe>(url_, job_, role_);
}

std::vector<std::unique_ptr<Sensor>> PostgresDatabase::make_sensors(const WatchSpec& spec) const {
  std::vector<std::unique_ptr<Sensor>> sensors;
  std::vector<std::unique_ptr<PostgresGauge>> gauges;
  gauges.push_back(make_lock_wait_gauge(job_));
  gauges.push_back(make_connection_gauge());
  if (spec.is_written) {
    const auto history = std::make_shared<WalHistory>();
    gauges.push_back(make_replication_gauge(history, spec.replica_lag_max, spec.replicas.empty()));
    gauges.push_back(make_archiver_gauge());
    gauges.push_back(make_slot_gauge());
    if (spec.makes_dead_rows) {
      gauges.push_back(make_dead_row_gauge(spec.table));
      gauges.push_back(make_oldest_transaction_gauge());
    }
    for (const std::string& replica : spec.replicas) {
      sensors.push_back(make_replica_sensor(replica, job_, history, spec.replica_lag_max));
    }
  }
  sensors.push_back(std::make_unique<PostgresGauges>(url_, job_, role_, std::move(gauges)));
  return sensors;
}

std::unique_ptr<Sensor> PostgresDatabase::make_query_sensor(const std::string& query,
                                                            double limit) const {
  return std::make_unique<PostgresQuerySensor>(url_, job_, query, limit);
}

}  // namespace backfill
