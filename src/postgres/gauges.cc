#include "postgres/gauges.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/sql.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds statement_timeout{5'000};
constexpr double kShareLeft = 0.25;  // at the limit of what a pause would not end

// One figure against its limit.
Reading budget(const std::string& signal, const std::string& what, double value, double limit,
               const std::string& unit, double share_min = 0) {
  return {.signal = signal,
          .level = value / limit,
          .reason = against_limit(what, value, limit, unit),
          .share_min = share_min};
}

// A wait as short as a batch is nothing; a longer one is not to become long.
class LockWaitGauge : public PostgresGauge {
 public:
  explicit LockWaitGauge(const std::string& job)
      : sql_(fmt::format(
            "SELECT count(*), max(extract(epoch FROM pg_catalog.clock_timestamp() - "
            "w.since)) FROM (SELECT l.pid, min({}) AS since FROM pg_catalog.pg_locks AS l "
            "JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid WHERE NOT l.granted AND "
            "a.application_name NOT LIKE 'backfill:%' GROUP BY l.pid LIMIT 50) AS w WHERE EXISTS "
            "(SELECT FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b(pid) JOIN "
            "pg_catalog.pg_stat_activity AS o ON o.pid = b.pid WHERE o.application_name = {})",
            "{}", quote_literal("backfill:" + job))) {}

  milliseconds interval() const override { return milliseconds(200); }

  std::vector<Reading> read(PgConnection& connection) override {
    // Servers before 14 do not say since when: there every wait that is seen counts.
    const bool tells_since = connection.server_version() >= 140000;
    const PgResult waits = connection.query_prepared(fmt::format(
        fmt::runtime(sql_),
        tells_since ? "l.waitstart" : "pg_catalog.clock_timestamp() - interval '0.25 s'"));
    Reading reading;
    reading.signal = "lock_wait";
    reading.kind = SignalKind::stop;
    if (waits.integer(0, 0) > 0) {
      const double waited = waits.is_null(0, 1) ? 0 : std::stod(waits.text(0, 1));
      reading.level = waited / kWaitMax;
      reading.must_give_way = waited >= kGiveWayAfter;
      reading.reason = fmt::format(
          "{} of others wait for a lock of ours, the longest for {:.1f}s",
          waits.integer(0, 0) == 1 ? "a session" : waits.text(0, 0) + " sessions", waited);
    }
    return {reading};
  }

 private:
  static constexpr double kWaitMax = 0.2;       // seconds
  static constexpr double kGiveWayAfter = 0.4;  // seconds

  const std::string sql_;
};

// GitLab's limit: segments that wait for the archiver.
class ArchiverGauge : public PostgresGauge {
 public:
  milliseconds interval() const override { return milliseconds(2000); }

  std::vector<Reading> read(PgConnection& connection) override {
    const PgResult now = connection.query_prepared(
        "SELECT CASE WHEN pg_catalog.current_setting('archive_mode') = 'off' OR "
        "pg_catalog.pg_is_in_recovery() OR a.last_archived_wal !~ '^[0-9A-F]{24}$' THEN NULL ELSE "
        "pg_catalog.div(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0'), "
        "s.size)::bigint - (('x' || substr(a.last_archived_wal, 9, 8))::bit(32)::bigint * "
        "(4294967296 / s.size) + ('x' || substr(a.last_archived_wal, 17, 8))::bit(32)::bigint) - 1 "
        "END FROM pg_catalog.pg_stat_archiver AS a, (SELECT pg_catalog.pg_size_bytes("
        "pg_catalog.current_setting('wal_segment_size')) AS size) AS s");
    if (now.rows() == 0 || now.is_null(0, 0)) return {};
    const auto waiting = static_cast<double>(std::max<std::int64_t>(0, now.integer(0, 0)));
    return {
        budget("archiver", "WAL segments that wait for the archiver:", waiting, kSegmentsMax, "")};
  }

 private:
  static constexpr double kSegmentsMax = 42;
};

// A slot that falls behind so far that the server drops what it needs. One that is lost already
// is not helped by waiting.
class SlotGauge : public PostgresGauge {
 public:
  milliseconds interval() const override { return milliseconds(2000); }

  std::vector<Reading> read(PgConnection& connection) override {
    if (connection.server_version() < 130000) return {};
    const PgResult slots = connection.query_prepared(
        "SELECT s.slot_name, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), "
        "s.restart_lsn)::bigint, s.safe_wal_size FROM pg_catalog.pg_replication_slots AS s WHERE "
        "NOT pg_catalog.pg_is_in_recovery() AND s.safe_wal_size IS NOT NULL AND s.wal_status <> "
        "'lost'");
    std::vector<Reading> readings;
    for (int row = 0; row < slots.rows(); ++row) {
      const auto kept = static_cast<double>(std::max<std::int64_t>(0, slots.integer(row, 1)));
      const auto left = static_cast<double>(std::max<std::int64_t>(0, slots.integer(row, 2)));
      Reading reading;
      reading.signal = "slot_retention";
      reading.level = kept / std::max(1.0, (kept + left) * kPartMax);
      reading.reason = fmt::format(
          "replication slot {} is {:.0f} MiB behind; {:.0f} MiB more and "
          "the server drops what it needs",
          slots.text(row, 0), kept / (1 << 20), left / (1 << 20));
      readings.push_back(reading);
    }
    return readings;
  }

 private:
  static constexpr double kPartMax = 0.8;  // of what the server keeps for a slot
};

class ConnectionGauge : public PostgresGauge {
 public:
  milliseconds interval() const override { return milliseconds(2000); }

  std::vector<Reading> read(PgConnection& connection) override {
    const PgResult now = connection.query_prepared(
        "SELECT s.most, s.most - pg_catalog.current_setting('superuser_reserved_connections')::int "
        "- (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database) FROM (SELECT "
        "pg_catalog.current_setting('max_connections')::int AS most) AS s");
    const auto all = static_cast<double>(now.integer(0, 0));
    const auto left = static_cast<double>(std::max<std::int64_t>(0, now.integer(0, 1)));
    const double wanted = std::clamp(all / 10, kFreeMin + 1, 10.0);
    Reading reading;
    reading.signal = "connections";
    reading.level = left >= wanted ? 0 : 0.5 + 0.5 * (wanted - left) / (wanted - kFreeMin);
    reading.reason = fmt::format("{:.0f} of {:.0f} connections are free", left, all);
    return {reading};
  }

 private:
  static constexpr double kFreeMin = 3;
};

// Rows that are written again leave dead ones behind. Where autovacuum keeps up with them it is
// given its time; a pause would wait for it for ever where it does not come.
class DeadRowGauge : public PostgresGauge {
 public:
  explicit DeadRowGauge(const std::string& table)
      : sql_(fmt::format(
            "SELECT s.n_dead_tup, coalesce((SELECT o.option_value::float8 FROM "
            "pg_catalog.pg_options_to_table(c.reloptions) AS o WHERE o.option_name = "
            "'autovacuum_vacuum_threshold'), pg_catalog.current_setting("
            "'autovacuum_vacuum_threshold')::float8) + greatest(c.reltuples, 0) * coalesce((SELECT "
            "o.option_value::float8 FROM pg_catalog.pg_options_to_table(c.reloptions) AS o WHERE "
            "o.option_name = 'autovacuum_vacuum_scale_factor'), pg_catalog.current_setting("
            "'autovacuum_vacuum_scale_factor')::float8), pg_catalog.current_setting('autovacuum') "
            "= 'on' AND NOT EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) AS o "
            "WHERE o.option_name = 'autovacuum_enabled' AND o.option_value IN ('false', 'off')) "
            "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = "
            "c.oid WHERE c.oid = {}::regclass",
            quote_literal(table))) {}

  milliseconds interval() const override { return milliseconds(5000); }

  std::vector<Reading> read(PgConnection& connection) override {
    const PgResult now = connection.query_prepared(sql_);
    if (now.rows() == 0 || !now.boolean(0, 2)) return {};
    const auto dead = static_cast<double>(now.integer(0, 0));
    const double limit = std::max(kRowsMin, kTriggersMax * std::stod(now.text(0, 1)));
    return {budget("dead_rows", "dead rows of the target before autovacuum gets to them:", dead,
                   limit, "", kShareLeft)};
  }

 private:
  static constexpr double kTriggersMax = 3;    // times what autovacuum starts at
  static constexpr double kRowsMin = 100'000;  // of a small table nobody minds

  const std::string sql_;
};

// While a transaction is open, what was dead when it began or died since is kept for it: rows that
// are written again pile up. Its end is not ours to wait for.
class OldestTransactionGauge : public PostgresGauge {
 public:
  milliseconds interval() const override { return milliseconds(5000); }

  std::vector<Reading> read(PgConnection& connection) override {
    const PgResult oldest = connection.query_prepared(
        "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - min(a.xact_start))::float8 FROM "
        "pg_catalog.pg_stat_activity AS a WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS "
        "NOT NULL) AND a.application_name NOT LIKE 'backfill:%' AND coalesce(a.backend_type, "
        "'client backend') = 'client backend'");
    if (oldest.is_null(0, 0)) return {};
    const double minutes = std::stod(oldest.text(0, 0)) / 60;
    return {budget("oldest_transaction", "a transaction that keeps dead rows alive is open for",
                   minutes, kMinutesMax, " min", kShareLeft)};
  }

 private:
  static constexpr double kMinutesMax = 30;
};

}  // namespace

std::string against_limit(const std::string& what, double value, double limit,
                          const std::string& unit) {
  const auto number = [](double shown) {
    return shown < 100 && shown != static_cast<double>(static_cast<long>(shown))
               ? fmt::format("{:.1f}", shown)
               : fmt::format("{:.0f}", shown);
  };
  return fmt::format("{} {}{} {} {}{}", what, number(value), unit,
                     value < limit ? "of" : ">=", number(limit), unit);
}

std::unique_ptr<PostgresGauge> make_lock_wait_gauge(const std::string& job) {
  return std::make_unique<LockWaitGauge>(job);
}
std::unique_ptr<PostgresGauge> make_archiver_gauge() { return std::make_unique<ArchiverGauge>(); }
std::unique_ptr<PostgresGauge> make_slot_gauge() { return std::make_unique<SlotGauge>(); }
std::unique_ptr<PostgresGauge> make_connection_gauge() {
  return std::make_unique<ConnectionGauge>();
}
std::unique_ptr<PostgresGauge> make_dead_row_gauge(const std::string& table) {
  return std::make_unique<DeadRowGauge>(table);
}

std::unique_ptr<PostgresGauge> make_oldest_transaction_gauge() {
  return std::make_unique<OldestTransactionGauge>();
}

PostgresGauges::PostgresGauges(std::string url, std::string job, std::string server,
                               std::vector<std::unique_ptr<PostgresGauge>> gauges)
    : url_(std::move(url)), job_(std::move(job)), server_(std::move(server)) {
  for (auto& gauge : gauges) gauges_.push_back({std::move(gauge), {}, {}});
}

milliseconds PostgresGauges::interval() const {
  milliseconds shortest{1000};
  for (const Watched& watched : gauges_) shortest = std::min(shortest, watched.gauge->interval());
  return shortest;
}

void PostgresGauges::reconnect() {
  auto made = std::make_unique<PgConnection>(url_, job_, server_,
                                             PgSession{.statement_timeout = statement_timeout});
  const std::lock_guard lock(mutex_);
  connection_ = std::move(made);
}

void PostgresGauges::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (connection_) connection_->cancel();
}

std::vector<Reading> PostgresGauges::read() {
  std::vector<Reading> all;
  for (auto watched = gauges_.begin(); watched != gauges_.end();) {
    const auto now = steady_clock::now();
    if (now >= watched->due) {
      connection_->attempt("look at the load of the " + server_);
      try {
        watched->readings = watched->gauge->read(*connection_);
      } catch (const Error& error) {
        // What this role or this server does not answer is done without.
        if (error.kind() != ErrorKind::stop && error.kind() != ErrorKind::reject) throw;
        watched = gauges_.erase(watched);
        continue;
      }
      watched->due = now + watched->gauge->interval();
    }
    all.insert(all.end(), watched->readings.begin(), watched->readings.end());
    ++watched;
  }
  return all;
}

}  // namespace backfill
