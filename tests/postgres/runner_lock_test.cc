#include "postgres/runner_lock.h"

#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class RunnerLockTest : public PostgresTest {
 protected:
  void terminate(const std::string& job) {
    execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
        "'backfill:" +
        job + "' AND datname = current_database()");
  }
};

TEST_F(RunnerLockTest, LetsOneRunnerIn) {
  PostgresRunnerLock first(url(), "job");
  PostgresRunnerLock second(url(), "job");
  PostgresRunnerLock other(url(), "other-job");
  first.acquire();

  const Error error = error_of([&] { second.acquire(); });

  EXPECT_EQ(error.exit_code(), ExitCode::other_runner);
  EXPECT_TRUE(says(error, "local, backfill:job"));
  EXPECT_NO_THROW(other.acquire());
  EXPECT_NO_THROW(first.confirm());
}

TEST_F(RunnerLockTest, IsFreeWhenItsHolderIsGone) {
  PostgresRunnerLock second(url(), "job");
  {
    PostgresRunnerLock first(url(), "job");
    first.acquire();
  }
  // The server ends a session a moment after its client has gone.
  while (value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0") {
  }

  EXPECT_NO_THROW(second.acquire());
}

TEST_F(RunnerLockTest, IsTakenAgainAfterALostConnection) {
  PostgresRunnerLock lock(url(), "job");
  lock.acquire();
  terminate("job");

  lock.confirm();

  EXPECT_EQ(value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "1");
}

TEST_F(RunnerLockTest, IsLostToWhoeverTookItMeanwhile) {
  PostgresRunnerLock lock(url(), "job");
  lock.acquire();
  terminate("job");
  PostgresRunnerLock thief(url(), "job");
  thief.acquire();

  const Error error = error_of([&] { lock.confirm(); });

  EXPECT_EQ(error.exit_code(), ExitCode::other_runner);
}

}  // namespace
}  // namespace backfill
