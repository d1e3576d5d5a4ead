// sqlite/query_sensor.h
//
// The user's own query, throttle.query, over a connection that can only read.

#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/sensor.h"
#include "sqlite/connection.h"

namespace backfill {

class SqliteQuerySensor : public Sensor {
 public:
  SqliteQuerySensor(std::string path, std::string query, double limit);

  std::string name() const override { return "query"; }
  bool is_required() const override { return true; }
  std::chrono::milliseconds interval() const override { return std::chrono::milliseconds(500); }
  std::vector<Reading> read() override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  const std::string path_;
  const std::string query_;
  const double limit_;
  std::mutex mutex_;  // guards connection_ against cancel()
  std::unique_ptr<SqliteConnection> connection_;
};

}  // namespace backfill
