#include "postgres/query_sensor.h"

#include "core/user_query.h"

namespace backfill {
namespace {

constexpr std::chrono::milliseconds statement_timeout{5'000};

}  // namespace

PostgresQuerySensor::PostgresQuerySensor(std::string url, std::string job, std::string query,
                                         double limit)
    : url_(std::move(url)), job_(std::move(job)), query_(std::move(query)), limit_(limit) {}

void PostgresQuerySensor::reconnect() {
  auto made = std::make_unique<PgConnection>(
      url_, job_, "source", PgSession{.read_only = true, .statement_timeout = statement_timeout});
  const std::lock_guard lock(mutex_);
  connection_ = std::move(made);
}

void PostgresQuerySensor::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (connection_) connection_->cancel();
}

std::vector<Reading> PostgresQuerySensor::read() {
  connection_->attempt("ask throttle.query");
  const PgResult answer = connection_->query(query_, PgParameters());
  if (answer.columns() != 1) refuse_user_query("its answer has not one column");
  if (answer.rows() == 0 || answer.is_null(0, 0)) {
    return {user_query_reading(std::nullopt, limit_)};
  }
  return {user_query_reading(answer.text(0, 0), limit_)};
}

}  // namespace backfill
