#include "postgres/runner_lock.h"

#include "expect_error.h"
#include "postgres/fence.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;

constexpr const char* held_locks =
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())";

class RunnerLockTest : public PostgresTest {
 protected:
  void terminate(const std::string& job) {
    execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
        "'backfill:" +
        job + "' AND datname = current_database()");
  }

  std::string holder() {
    return value("SELECT pid FROM pg_locks AS l WHERE " + is_lock(runner_lock_key("job")));
  }
};

TEST_F(RunnerLockTest, LetsOneRunnerIn) {
  PostgresRunnerLock first(url(), "job");
  PostgresRunnerLock second(url(), "job");
  PostgresRunnerLock other(url(), "other-job");
  first.acquire();

  const Error error = error_of([&] { second.acquire(); });

  EXPECT_EQ(error.exit_code(), ExitCode::other_runner);
  EXPECT_TRUE(says(error, "(pid " + holder() + ", local, backfill:job, heard of "));
  EXPECT_NO_THROW(other.acquire());
  EXPECT_NO_THROW(first.confirm());
}

TEST_F(RunnerLockTest, IsFreeWhenItsHolderIsGone) {
  PostgresRunnerLock second(url(), "job", {.patience = 5s});
  {
    PostgresRunnerLock first(url(), "job");
    first.acquire();
  }

  EXPECT_NO_THROW(second.acquire());
}

TEST_F(RunnerLockTest, IsTakenAgainAfterALostConnection) {
  PostgresRunnerLock lock(url(), "job");
  lock.acquire();
  terminate("job");

  lock.confirm();

  // The runner's lock and its flag.
  EXPECT_EQ(value(held_locks), "2");
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

TEST_F(RunnerLockTest, IsLostByARunnerThatSaysNothing) {
  PostgresRunnerLock silent(url(), "job", {.silence_max = 300ms});
  silent.acquire();
  const std::string session = holder();
  PostgresRunnerLock next(url(), "job", {.patience = 5s});

  next.acquire();

  EXPECT_NE(holder(), session);
}

TEST_F(RunnerLockTest, IsKeptByAHeartbeat) {
  PostgresRunnerLock lock(url(), "job", {.silence_max = 500ms});
  lock.acquire();
  const std::string session = holder();

  const auto began = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - began < 1500ms) lock.confirm();

  EXPECT_EQ(holder(), session);
}

// A server before 14 has no limit of its own for a session that says nothing.
TEST_F(RunnerLockTest, IsTakenFromASilentRunnerWhoseSessionTheServerKeeps) {
  PostgresRunnerLock silent(url(), "job", {.silence_max = 1h});
  silent.acquire();
  const std::string session = holder();
  PostgresRunnerLock next(url(), "job", {.silence_max = 100ms});

  next.acquire();

  EXPECT_NE(holder(), session);
}

// A cut that only the client noticed.
TEST_F(RunnerLockTest, IsTakenFromASessionOfOnesOwn) {
  PostgresRunnerLock lock(url(), "job");
  PgConnection cut_off(url(), "job", "target");
  cut_off.command("SELECT pg_advisory_lock(" + runner_lock_key("job") + "), pg_advisory_lock(" +
                  flag_key("job", *lock.lease()) + ")");

  EXPECT_NO_THROW(lock.acquire());

  EXPECT_EQ(value(held_locks), "2");
}

class BatchesOfBefore : public RunnerLockTest {
 protected:
  void SetUp() override {
    RunnerLockTest::SetUp();
    batch_ = std::make_unique<PgConnection>(url(), "job", "target");
    batch_->command("BEGIN; " + fence_sql("job", std::nullopt));
  }

  PgConnection& batch() { return *batch_; }

 private:
  std::unique_ptr<PgConnection> batch_;
};

TEST_F(BatchesOfBefore, AreWaitedFor) {
  PostgresRunnerLock lock(url(), "job",
                          {.patience = 50ms, .batch_patience = 1h, .batches_max = 200ms});

  const Error error = error_of([&] { lock.acquire(); });

  EXPECT_EQ(error.exit_code(), ExitCode::other_runner);
  EXPECT_TRUE(says(error, "batches of an earlier runner are still under way"));
  batch().command("COMMIT");
  EXPECT_NO_THROW(lock.acquire());
}

TEST_F(BatchesOfBefore, AreEndedWhenTheyTakeTooLong) {
  PostgresRunnerLock lock(url(), "job", {.patience = 50ms, .batch_patience = 200ms});

  EXPECT_NO_THROW(lock.acquire());

  EXPECT_EQ(error_of([&] { batch().command("COMMIT"); }).kind(), ErrorKind::retry);
}

TEST_F(BatchesOfBefore, HoldUpARunnerThatTakesItsOwnLockAgain) {
  PostgresRunnerLock lock(url(), "job", {.patience = 50ms, .batch_patience = 1h});

  EXPECT_EQ(error_of([&] { lock.confirm(); }).kind(), ErrorKind::retry);
  EXPECT_EQ(error_of([&] { lock.confirm(); }).kind(), ErrorKind::retry);
  batch().command("COMMIT");

  EXPECT_NO_THROW(lock.confirm());
}

}  // namespace
}  // namespace backfill
