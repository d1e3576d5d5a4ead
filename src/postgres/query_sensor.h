// postgres/query_sensor.h
//
// The user's own query, throttle.query, in a session that can only read.

#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/sensor.h"
#include "postgres/connection.h"

namespace backfill {

class PostgresQuerySensor : public Sensor {
 public:
  PostgresQuerySensor(std::string url, std::string job, std::string query, double limit);

  std::string name() const override { return "query"; }
  bool is_required() const override { return true; }
  std::chrono::milliseconds interval() const override { return std::chrono::milliseconds(500); }
  std::vector<Reading> read() override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  const std::string url_;
  const std::string job_;
  const std::string query_;
  const double limit_;
  std::mutex mutex_;  // guards connection_ against cancel()
  std::unique_ptr<PgConnection> connection_;
};

}  // namespace backfill
