// What replicas are behind: those that the server knows of, and those that are asked themselves.

#include <fmt/format.h>

#include <atomic>
#include <map>

#include "postgres/gauges.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds statement_timeout{5'000};
constexpr double kMebibyte = 1 << 20;
constexpr auto kForgottenAfter = std::chrono::minutes(5);  // a replica that does not come back

double seconds_of(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// By time or by bytes, whichever is nearer to its limit.
Reading lag_reading(const std::string& remark, double lag_s, double lag_bytes,
                    const LagLimits& limits) {
  const double limit_s = seconds_of(limits.time);
  const double by_time = lag_s / limit_s;
  const double by_bytes = lag_bytes / static_cast<double>(limits.bytes);
  Reading reading;
  reading.signal = "replica_lag";
  reading.level = std::max(by_time, by_bytes);
  reading.reason = by_time >= by_bytes
                       ? against_limit("replica lag", lag_s, limit_s, "s")
                       : against_limit("replica lag", lag_bytes / kMebibyte,
                                       static_cast<double>(limits.bytes) / kMebibyte, " MiB");
  if (!remark.empty()) reading.reason += fmt::format(" ({})", remark);
  return reading;
}

// The history knows nothing of what was before it; what a server says of a replica that is not
// late is of the past.
double worst(steady_clock::duration lag, double told) {
  return lag > steady_clock::duration::zero() ? std::max(seconds_of(lag), told) : 0;
}

class ReplicationGauge : public PostgresGauge {
 public:
  ReplicationGauge(std::shared_ptr<WalHistory> history, const LagLimits& lag_max, bool watches)
      : history_(std::move(history)), lag_max_(lag_max), watches_(watches) {}

  milliseconds interval() const override { return milliseconds(250); }

  std::vector<Reading> read(PgConnection& connection) override {
    const PgResult rows = connection.query_prepared(
        "SELECT pg_catalog.pg_wal_lsn_diff(w.now, '0/0')::bigint, r.application_name, "
        "pg_catalog.pg_wal_lsn_diff(coalesce(r.replay_lsn, r.flush_lsn, r.sent_lsn), "
        "'0/0')::bigint, extract(epoch FROM r.replay_lag)::float8 FROM (SELECT CASE WHEN "
        "pg_catalog.pg_is_in_recovery() THEN "
        "pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS now) AS w "
        "LEFT JOIN pg_catalog.pg_stat_replication AS r ON r.state IN ('streaming', 'catchup') AND "
        "r.sent_lsn IS NOT NULL");
    const auto now = steady_clock::now();
    history_->add(rows.integer(0, 0), now);
    if (!watches_) return {};
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.is_null(row, 2)) continue;
      const double told = rows.is_null(row, 3) ? 0 : std::stod(rows.text(row, 3));
      seen_[rows.text(row, 1)] = {rows.integer(row, 2), told, now};
    }
    // One that has gone away is still as far as it was.
    std::erase_if(seen_, [&](const auto& seen) { return now - seen.second.at > kForgottenAfter; });
    std::vector<Reading> readings;
    for (const auto& [replica, seen] : seen_) {
      const auto lag = history_->lag(seen.position, now);
      const auto behind = static_cast<double>(rows.integer(0, 0) - seen.position);
      if (lag) readings.push_back(lag_reading(replica, worst(*lag, seen.told), behind, lag_max_));
    }
    return readings;
  }

 private:
  struct Seen {
    std::int64_t position;
    double told;  // seconds, as the server knows it
    steady_clock::time_point at;
  };

  const std::shared_ptr<WalHistory> history_;
  const LagLimits lag_max_;
  const bool watches_;
  std::map<std::string, Seen> seen_;  // by name
};

// A position that the replica has replayed is looked up in the history of the server it follows.
class ReplicaSensor : public Sensor {
 public:
  ReplicaSensor(std::string url, std::string job, std::shared_ptr<const WalHistory> history,
                const LagLimits& lag_max)
      : url_(std::move(url)),
        job_(std::move(job)),
        history_(std::move(history)),
        lag_max_(lag_max) {}

  std::string name() const override { return "replica_lag"; }
  bool is_required() const override { return true; }
  milliseconds interval() const override { return milliseconds(500); }

  std::vector<Reading> read() override {
    connection_->attempt("look how far a replica of throttle.replicas is");
    const PgResult now = connection_->query(
        "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0')::bigint, "
        "extract(epoch FROM pg_catalog.clock_timestamp() - "
        "pg_catalog.pg_last_xact_replay_timestamp())::float8");
    if (now.is_null(0, 0)) {
      throw Error(ErrorKind::retry,
                  "look how far a replica of throttle.replicas is: it is no replica; name standbys "
                  "of the target there");
    }
    const double told = now.is_null(0, 1) ? 0 : std::stod(now.text(0, 1));
    replayed_ = now.integer(0, 0);
    return readings(replayed_, told, "");
  }

  // One that cannot be asked is still as far as it was.
  std::vector<Reading> presumed() const override {
    const std::int64_t replayed = replayed_;
    if (replayed < 0) return {};
    return readings(replayed, 0, "it does not answer");
  }

  void reconnect() override {
    auto made = std::make_unique<PgConnection>(
        url_, job_, "replica",
        PgSession{.read_only = true, .statement_timeout = statement_timeout});
    const std::lock_guard lock(mutex_);
    connection_ = std::move(made);
  }

  void cancel() noexcept override {
    const std::lock_guard lock(mutex_);
    if (connection_) connection_->cancel();
  }

 private:
  std::vector<Reading> readings(std::int64_t replayed, double told,
                                const std::string& remark) const {
    const auto lag = history_->lag(replayed, steady_clock::now());
    const auto written = history_->position();
    if (!lag || !written) return {};
    const auto behind = static_cast<double>(*written - replayed);
    return {lag_reading(remark, worst(*lag, told), behind, lag_max_)};
  }

  const std::string url_;
  const std::string job_;
  const std::shared_ptr<const WalHistory> history_;
  const LagLimits lag_max_;
  std::atomic<std::int64_t> replayed_ = -1;  // a position; none yet
  std::mutex mutex_;                         // guards connection_ against cancel()
  std::unique_ptr<PgConnection> connection_;
};

}  // namespace

std::unique_ptr<PostgresGauge> make_replication_gauge(std::shared_ptr<WalHistory> history,
                                                      const LagLimits& lag_max,
                                                      bool watches_replicas) {
  return std::make_unique<ReplicationGauge>(std::move(history), lag_max, watches_replicas);
}

std::unique_ptr<Sensor> make_replica_sensor(const std::string& url, const std::string& job,
                                            std::shared_ptr<const WalHistory> history,
                                            const LagLimits& lag_max) {
  return std::make_unique<ReplicaSensor>(url, job, std::move(history), lag_max);
}

}  // namespace backfill
