// postgres/gauges.h
//
// The signals of a PostgreSQL server that have limits of their own, over one connection: sessions
// that wait for a lock of ours, replicas, the archiver, slots, free connections, dead rows, old
// transactions. What the role may not see is left out: `plan` says so.

#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/sensor.h"
#include "postgres/connection.h"
#include "postgres/wal_history.h"

namespace backfill {

// One question, asked every now and then.
class PostgresGauge {
 public:
  virtual ~PostgresGauge() = default;
  virtual std::chrono::milliseconds interval() const = 0;
  virtual std::vector<Reading> read(PgConnection& connection) = 0;
};

// `6.1s of 10s` below the limit, `12.4s >= 10s` from there on, behind `what`.
std::string against_limit(const std::string& what, double value, double limit,
                          const std::string& unit);

// Sessions of others that wait for a lock of a session called `backfill:JOB`.
std::unique_ptr<PostgresGauge> make_lock_wait_gauge(const std::string& job);
// Keeps `history` up to date, and watches the replicas that pg_stat_replication shows.
std::unique_ptr<PostgresGauge> make_replication_gauge(std::shared_ptr<WalHistory> history,
                                                      const LagLimits& lag_max,
                                                      bool watches_replicas);
std::unique_ptr<PostgresGauge> make_archiver_gauge();
std::unique_ptr<PostgresGauge> make_slot_gauge();
std::unique_ptr<PostgresGauge> make_connection_gauge();
std::unique_ptr<PostgresGauge> make_dead_row_gauge(const std::string& table);
// Dead rows stay as long as somebody may still see them.
std::unique_ptr<PostgresGauge> make_oldest_transaction_gauge();

class PostgresGauges : public Sensor {
 public:
  // `server` says in messages whose gauges they are: `source` or `target`.
  PostgresGauges(std::string url, std::string job, std::string server,
                 std::vector<std::unique_ptr<PostgresGauge>> gauges);

  std::string name() const override { return "gauges of the " + server_; }
  std::chrono::milliseconds interval() const override;
  std::vector<Reading> read() override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  struct Watched {
    std::unique_ptr<PostgresGauge> gauge;
    std::chrono::steady_clock::time_point due;
    std::vector<Reading> readings;
  };

  const std::string url_;
  const std::string job_;
  const std::string server_;
  std::vector<Watched> gauges_;
  std::mutex mutex_;  // guards connection_ against cancel()
  std::unique_ptr<PgConnection> connection_;
};

// Replays of one replica, looked at there.
std::unique_ptr<Sensor> make_replica_sensor(const std::string& url, const std::string& job,
                                            std::shared_ptr<const WalHistory> history,
                                            const LagLimits& lag_max);

}  // namespace backfill
