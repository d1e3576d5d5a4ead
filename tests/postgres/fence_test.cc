#include "postgres/fence.h"

#include "copy_job.h"
#include "expect_error.h"
#include "postgres/ledger.h"
#include "postgres/runner_lock.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;

constexpr const char* job = "copy";

// A source of ten rows, a target whose first five are there and old, and a runner.
class FenceTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE a (id int PRIMARY KEY, name text); "
        "CREATE TABLE b (id int PRIMARY KEY, name text); "
        "INSERT INTO a SELECT i, 'new' FROM generate_series(1, 10) AS i; "
        "INSERT INTO b SELECT i, 'old' FROM generate_series(1, 5) AS i");
    lock_ = std::make_unique<PostgresRunnerLock>(url(), job);
  }

  PostgresRunnerLock& lock() { return *lock_; }

  // Reads everything and writes it as one batch, up to the commit.
  void write(CopyParts& parts, Target& target) {
    chunk_ = parts.plan(100).at(0);
    Batch batch;
    parts.source->read(chunk_, batch);
    target.begin(chunk_);
    target.write(parts.transform(batch).rows);
  }

  void write_and_commit(CopyParts& parts, Target& target) {
    write(parts, target);
    target.commit(chunk_, {});
  }

  std::unique_ptr<Target> fenced_target(CopyParts& parts) {
    parts.write.lease = lock().lease();
    return parts.target_database.make_target(parts.write);
  }

  const Chunk& chunk() const { return chunk_; }
  std::string new_rows() { return value("SELECT count(*) FROM b WHERE name = 'new'"); }

  void end_lease() {
    execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks AS l WHERE " +
            is_flag(job, *lock().lease()));
  }

 private:
  std::unique_ptr<PostgresRunnerLock> lock_;
  Chunk chunk_;
};

class EveryModeFenceTest : public FenceTest, public ::testing::WithParamInterface<WriteMode> {};

TEST_P(EveryModeFenceTest, NothingIsWrittenButUnderTheLease) {
  const WriteMode mode = GetParam();
  if (mode == WriteMode::insert) execute("DELETE FROM b");
  CopyParts parts({.source_url = url(), .target_url = url(), .mode = mode});
  const auto target = fenced_target(parts);
  const std::string before = value("SELECT string_agg(b::text, ' ' ORDER BY id) FROM b");

  const auto expect_refused = [&] {
    const Error error = error_of([&] { write_and_commit(parts, *target); });
    EXPECT_EQ(error.kind(), ErrorKind::retry);
    EXPECT_TRUE(says(error, "the lease on the job is lost"));
    EXPECT_EQ(value("SELECT string_agg(b::text, ' ' ORDER BY id) FROM b"), before);
  };
  expect_refused();
  lock().acquire();
  end_lease();
  expect_refused();
  lock().confirm();
  write_and_commit(parts, *target);

  const bool inserts = mode == WriteMode::insert || mode == WriteMode::insert_missing;
  EXPECT_EQ(new_rows(), mode == WriteMode::insert              ? "10"
                        : inserts || mode == WriteMode::update ? "5"
                                                               : "10");
}

INSTANTIATE_TEST_SUITE_P(Modes, EveryModeFenceTest,
                         ::testing::Values(WriteMode::insert, WriteMode::insert_missing,
                                           WriteMode::upsert, WriteMode::update));

TEST_F(FenceTest, StopsAPushdownToo) {
  CopyParts parts({.source_url = url(), .target_url = url(), .mode = WriteMode::upsert});
  parts.write.from = parts.read;
  const auto target = fenced_target(parts);
  const Chunk chunk = parts.plan(100).at(0);

  target->begin(chunk);
  const Error error = error_of([&] { target->write_from_source(chunk); });

  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(new_rows(), "0");
}

TEST_F(FenceTest, LetsABatchEndThatBeganUnderTheLeaseButNobodyElseBeginMeanwhile) {
  CopyParts parts({.source_url = url(), .target_url = url(), .mode = WriteMode::upsert});
  const auto target = fenced_target(parts);
  PostgresRunnerLock next(url(), job,
                          {.patience = 50ms, .batch_patience = 1h, .batches_max = 200ms});
  lock().acquire();
  write(parts, *target);
  end_lease();

  EXPECT_EQ(error_of([&] { next.acquire(); }).exit_code(), ExitCode::other_runner);
  target->commit(chunk(), {});
  EXPECT_EQ(new_rows(), "10");

  EXPECT_NO_THROW(next.acquire());
}

TEST_F(FenceTest, StopsARunnerWhoseLeaseWentToAnother) {
  CopyParts parts({.source_url = url(), .target_url = url(), .mode = WriteMode::upsert});
  const auto target = fenced_target(parts);
  PostgresRunnerLock next(url(), job);
  lock().acquire();
  end_lease();
  next.acquire();

  const Error error = error_of([&] { write_and_commit(parts, *target); });

  EXPECT_TRUE(says(error, "the lease on the job is lost"));
  EXPECT_EQ(new_rows(), "0");
}

TEST_F(FenceTest, KeepsTheLedgerFromALoser) {
  PostgresLedger ledger(url(), "public.b", {job, "run-1"}, fence_sql(job, lock().lease()));
  lock().acquire();
  ledger.prepare();
  execute(
      "INSERT INTO backfill_ledger SELECT 'copy', '[\"1\"]', NULL, 'r', now(), 0, 0, 0, 0, 0, 0");
  end_lease();

  EXPECT_EQ(error_of([&] { ledger.prune({Key{{"1"}}}); }).kind(), ErrorKind::retry);
  EXPECT_EQ(error_of([&] { ledger.clear(); }).kind(), ErrorKind::retry);

  EXPECT_EQ(ledger.ranges().size(), 1u);
  lock().confirm();
  ledger.prune({Key{{"1"}}});
  EXPECT_TRUE(ledger.ranges().empty());
}

// Numbers from below zero and above, in both halves of a key.
TEST_F(FenceTest, IsFoundAmongTheLocksForAnyJobAndLease) {
  for (int i = 0; i < 50; ++i) {
    const std::string name = "job-" + std::to_string(i);
    PgConnection holder(url(), name, "target");
    const std::int32_t lease = new_lease();
    holder.command("SELECT pg_advisory_lock(" + runner_lock_key(name) + "), pg_advisory_lock(" +
                   flag_key(name, lease) + ")");
    const std::string count = "SELECT count(*) FROM pg_locks AS l WHERE ";

    EXPECT_EQ(value(count + is_lock(runner_lock_key(name))), "1") << name;
    EXPECT_EQ(value(count + is_any_flag(name)), "1") << name;
    EXPECT_EQ(value(count + is_flag(name, lease)), "1") << name << ' ' << lease;
  }
}

}  // namespace
}  // namespace backfill
