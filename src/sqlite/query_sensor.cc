#include "sqlite/query_sensor.h"

#include <fmt/format.h>

#include "core/user_query.h"

namespace backfill {

SqliteQuerySensor::SqliteQuerySensor(std::string path, std::string query, double limit)
    : path_(std::move(path)), query_(std::move(query)), limit_(limit) {}

void SqliteQuerySensor::reconnect() {
  auto made = std::make_unique<SqliteConnection>(path_, SqliteConnection::Mode::read_only);
  const std::lock_guard lock(mutex_);
  connection_ = std::move(made);
}

void SqliteQuerySensor::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (connection_) connection_->interrupt();
}

std::vector<Reading> SqliteQuerySensor::read() {
  SqliteStatement statement = connection_->prepare(query_);
  if (statement.columns() != 1) refuse_user_query("its answer has not one column");
  if (!statement.step() || statement.is_null(0)) return {user_query_reading(std::nullopt, limit_)};
  switch (statement.storage_class(0)) {
    case StorageClass::integer:
      return {user_query_reading(std::to_string(statement.integer(0)), limit_)};
    case StorageClass::real:
      return {user_query_reading(fmt::format("{}", statement.real(0)), limit_)};
    default:
      return {user_query_reading(std::string(statement.bytes(0)), limit_)};
  }
}

}  // namespace backfill
