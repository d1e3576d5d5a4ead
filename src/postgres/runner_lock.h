// postgres/runner_lock.h
//
// One runner a job: a lease on the target's database, held by a session of its own and let go by
// the server when that session ends, however it ends. The session ends also when its client says
// nothing for a while: the machine is gone, or the process was stopped. What a runner that lost
// its lease may still try, the fence stops (postgres/fence.h).
//
// confirm() is the heartbeat: call it several times within `silence_max`. One thread.

#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/target.h"
#include "postgres/connection.h"

namespace backfill {

struct LeaseTimes {
  // A session that says nothing for so long loses the lease. Keepalives find a dead machine in
  // less.
  std::chrono::milliseconds silence_max{45'000};
  // Who was killed a moment ago may hold it still.
  std::chrono::milliseconds patience{500};
  // The batches of a runner before us may take so long to end, before they are ended.
  std::chrono::milliseconds batch_patience{5'000};
  // And so long in all, before we give up.
  std::chrono::milliseconds batches_max{30'000};
};

class PostgresRunnerLock : public RunnerLock {
 public:
  // Connects; takes nothing yet.
  PostgresRunnerLock(const std::string& url, const std::string& job, LeaseTimes times = {});

  void acquire() override;
  void confirm() override;
  void cancel() noexcept override { connection_.cancel(); }
  std::optional<std::int32_t> lease() const override { return lease_; }

 private:
  void begin_session();
  void take();
  bool waited_for(const std::string& sql);
  bool end_silent_holder();
  bool raise_flag();
  void end_batches();
  std::string holder();

  const std::string job_;
  const LeaseTimes times_;
  const std::int32_t lease_;
  PgConnection connection_;
  std::int64_t session_ = 0;  // the server process that holds the lock; 0: none
  bool flag_is_up_ = false;
  std::chrono::steady_clock::time_point taken_at_;
};

}  // namespace backfill
