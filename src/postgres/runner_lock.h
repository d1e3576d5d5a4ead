// postgres/runner_lock.h
//
// One runner a job: an advisory lock in the target's database, held by a session of its own
// and let go by the server when that session ends, however it ends. One thread.

#pragma once

#include <string>

#include "core/target.h"
#include "postgres/connection.h"

namespace backfill {

class PostgresRunnerLock : public RunnerLock {
 public:
  // Connects; takes nothing yet.
  PostgresRunnerLock(const std::string& url, const std::string& job);

  void acquire() override;
  void confirm() override;
  void cancel() noexcept override { connection_.cancel(); }

 private:
  std::string holder();

  const std::string job_;
  PgConnection connection_;
  std::int64_t session_ = 0;  // the server process that holds the lock; 0: none
};

}  // namespace backfill
