#include "engine/run_fixture.h"

#include <algorithm>
#include <random>

namespace backfill {
namespace {

TEST_F(RunTest, CompletesAnEmptyTable) {
  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::complete);
  EXPECT_EQ(outcome.exit_code, ExitCode::done);
  EXPECT_EQ(outcome.run.progress, 1);
  EXPECT_TRUE(saved().all_visited);
}

TEST_F(RunTest, WritesEveryRowWithAnyNumberOfWorkers) {
  put_rows(237);
  for (int workers = 1; workers <= 8; ++workers) {
    options_.workers = workers;

    const RunOutcome outcome = start();

    EXPECT_EQ(outcome.state, RunState::complete);
    EXPECT_EQ(outcome.exit_code, ExitCode::done);
    EXPECT_EQ(target_.values(), transformed_source());
    EXPECT_EQ(outcome.run.rows, (RowCounts{237, 237, 0, 0, 0, 0}));
    EXPECT_EQ(outcome.run.batches.done, 24);
    EXPECT_EQ(saved().watermark, key_of(237));
    EXPECT_EQ(saved().state, RunState::complete);
    for (const auto& [id, row] : target_.rows()) EXPECT_EQ(row.times_written, workers);
  }
}

TEST_F(RunTest, LeavesRowsInsertedAboveTheEndKeyAlone) {
  put_rows(20);
  script_.on("source.read", 1, [&] { source_.put(21, "later"); });

  start();

  EXPECT_FALSE(target_.row(21));
  EXPECT_TRUE(target_.row(20));
}

TEST_F(RunTest, IsVisitedButFailedWhenTooManyRowsWereRejected) {
  put_rows(30);
  target_options_.refused = {5, 25};
  options_.rejected_max = 1;

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::rejected);
  EXPECT_EQ(outcome.reason, "2 rows rejected, limits.max_rejected allows 1");
  EXPECT_TRUE(saved().all_visited);
  EXPECT_EQ(saved().watermark, key_of(30));
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(RunTest, CompletesWithAsManyRejectsAsAllowed) {
  put_rows(30);
  target_options_.refused = {5, 25};
  options_.rejected_max = 2;

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::complete);
  EXPECT_EQ(outcome.run.rows, (RowCounts{30, 28, 0, 2, 0, 0}));
  EXPECT_EQ(CheckpointStore::open(file_).dead_letters(10).size(), 2U);
}

TEST_F(RunTest, StopsWithWorkLeftAndGoesOnFromThere) {
  put_rows(200);
  options_.workers = 1;
  script_.on("target.commit", 5, [&] { running_->stop("stopped by SIGTERM"); });

  const RunOutcome stopped = start();

  EXPECT_EQ(stopped.state, RunState::stopped);
  EXPECT_EQ(stopped.exit_code, ExitCode::stopped);
  EXPECT_EQ(stopped.reason, "stopped by SIGTERM");
  EXPECT_EQ(saved().watermark, key_of(50));
  EXPECT_FALSE(saved().all_visited);
  EXPECT_EQ(target_.rows().size(), 50U);

  const RunOutcome resumed = resume();

  EXPECT_EQ(resumed.state, RunState::complete);
  EXPECT_EQ(resumed.run.rows.read, 200);
  for (const auto& [id, row] : target_.rows()) EXPECT_EQ(row.times_written, 1) << id;
}

TEST_F(RunTest, DoesNoWorkWhenItWasStoppedBefore) {
  put_rows(200);
  script_.on("make_source", 1, [&] { running_->stop("stopped by SIGINT"); });

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.exit_code, ExitCode::stopped);
  EXPECT_TRUE(target_.rows().empty());
}

TEST_F(RunTest, CancelsABatchThatOutlivesTheGrace) {
  put_rows(20);
  script_.hold("target.write");
  bool was_stopped = false;
  on_tick_ = [&](const SavedRun&) {
    if (was_stopped || script_.calls("target.write") == 0) return;
    was_stopped = true;
    running_->stop("stopped by SIGTERM");
    clock_.advance(options_.grace);
  };

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::stopped);
  EXPECT_EQ(outcome.exit_code, ExitCode::stopped);
  EXPECT_TRUE(target_.rows().empty());
  EXPECT_EQ(saved().watermark, std::nullopt);
}

TEST_F(RunTest, PausesWhenItsTimeIsOver) {
  put_rows(1000);
  options_.workers = 1;
  options_.runtime_max = hours(2);
  int ticks = 0;
  std::mutex mutex;
  std::condition_variable ticked;
  on_tick_ = [&](const SavedRun&) {
    const std::lock_guard lock(mutex);
    ++ticks;
    ticked.notify_all();
  };
  // Holds the worker back until the main thread has looked at the time, before and after.
  script_.on("target.commit", 3, [&] {
    std::unique_lock lock(mutex);
    ticked.wait(lock, [&] { return ticks >= 1; });
    clock_.advance(hours(3));
    const int seen = ticks;
    ticked.wait(lock, [&] { return ticks >= seen + 2; });
  });

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::paused);
  EXPECT_EQ(outcome.exit_code, ExitCode::done);
  EXPECT_EQ(outcome.reason, "max_runtime is over");
  EXPECT_FALSE(saved().all_visited);
  EXPECT_EQ(resume().state, RunState::complete);
}

TEST_F(RunTest, FailsAsSourceUnreachableAndGoesOnLater) {
  put_rows(100);
  options_.workers = 1;
  script_.on("source.read", 3,
             [&] { script_.fail("source.read", 0, connection_lost("source is down")); });

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::source_unreachable);
  EXPECT_NE(outcome.reason.find("source is down"), std::string::npos);
  EXPECT_EQ(saved().state, RunState::failed);
  EXPECT_EQ(saved().watermark, key_of(30));
}

TEST_F(RunTest, FailsAsTargetUnreachable) {
  put_rows(10);
  script_.fail("target.begin", 0, connection_lost());

  EXPECT_EQ(start().exit_code, ExitCode::target_unreachable);
}

// A server that died while a worker, or the planner, was connecting ended the whole run.
TEST_F(RunTest, TriesAgainWhereTheConnectionIsLostAtTheStart) {
  put_rows(100);
  script_.fail("make_source", 1, connection_lost());
  script_.fail("make_runner_parts", 1, connection_lost());
  script_.fail("make_runner_parts", 3, connection_lost());

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::complete) << outcome.reason;
  EXPECT_EQ(target_.values(), transformed_source());
}

// Half of two workers' time is one worker's.
TEST_F(RunTest, ConnectsNoWorkerThatThereIsNoWorkFor) {
  put_rows(100);
  options_.workers = 2;
  options_.throttle.share_max = 0.5;

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::complete) << outcome.reason;
  EXPECT_EQ(script_.calls("make_runner_parts"), 1);
}

TEST_F(RunTest, FailsWhenAWorkerCannotStart) {
  put_rows(100);
  options_.workers = 1;
  script_.fail("make_runner_parts", 1, Error(ExitCode::unsafe, "no privilege"));

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::unsafe);
  EXPECT_EQ(outcome.reason, "no privilege");
}

TEST_F(RunTest, FailsWhenThePlannerCannotGoOn) {
  put_rows(100);
  script_.fail("source.cut", 4, Error(ErrorKind::stop, "relation does not exist"));

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::failed);
  EXPECT_FALSE(saved().all_visited);
}

TEST_F(RunTest, FailsWhenTheCheckpointCannotBeWritten) {
  put_rows(100);
  set_failpoints("checkpoint.before_commit=error(XX000)");

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::failed);
  EXPECT_EQ(outcome.reason, "failpoint checkpoint.before_commit");
  EXPECT_EQ(saved().state, RunState::running);
}

// The failure of the last step once left execute() as an exception.
TEST_F(RunTest, FailsWhenOnlyTheLastCheckpointCannotBeWritten) {
  CheckpointStore::open(file_);
  SqliteConnection(file_.string(), SqliteConnection::Mode::read_write)
      .execute(
          "CREATE TRIGGER full BEFORE INSERT ON run WHEN NEW.state = 'complete' "
          "BEGIN SELECT raise(ABORT, 'disk full'); END");
  put_rows(10);

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::failed);
  EXPECT_FALSE(saved().all_visited);
}

TEST_F(RunTest, FailsWhenSomebodyElseHasTheLock) {
  put_rows(100);
  script_.fail("lock.confirm", 1, Error(ExitCode::other_runner, "another runner holds this job"));
  // The write in progress is cancelled by the run itself, once its grace is over.
  script_.hold("target.write");
  options_.grace = seconds(0);
  on_tick_ = [&](const SavedRun&) {
    const bool is_writing = script_.calls("target.write") > 0;
    if (is_writing && script_.calls("lock.confirm") == 0) clock_.advance(seconds(1));
  };

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::failed);
  EXPECT_EQ(outcome.exit_code, ExitCode::other_runner);
  EXPECT_TRUE(target_.rows().empty());
}

TEST_F(RunTest, ForgetsTheLedgerOnceEverythingIsDone) {
  put_rows(100);
  target_options_.keeps_ledger = true;

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.state, RunState::complete);
  EXPECT_TRUE(target_.ledger().empty());
}

TEST_F(RunTest, CompletesAlsoWhenTheLedgerCannotBeCleared) {
  put_rows(10);
  target_options_.keeps_ledger = true;
  script_.fail("ledger.clear", 1, Error(ErrorKind::stop, "no privilege"));

  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_EQ(log_.count("warning rows of this job stay in backfill_ledger reason=no privilege"), 1);
}

TEST_F(RunTest, ClearsTheLedgerAlsoWhenItsConnectionWasLost) {
  put_rows(10);
  target_options_.keeps_ledger = true;
  script_.fail("ledger.clear", 1, Error(ErrorKind::retry, "connection lost", "08006"));

  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_EQ(log_.count("warning rows of this job stay in backfill_ledger"), 0);
  EXPECT_TRUE(target_.ledger().empty());
}

TEST_F(RunTest, CountsWhatOnlyTheLedgerKnowsAndWritesItNoMore) {
  put_rows(50);
  target_options_.keeps_ledger = true;
  // As after a crash between the target's commit and the checkpoint's.
  for (const std::int64_t after : {0, 20}) {
    std::map<std::int64_t, std::string> rows;
    for (std::int64_t id = after + 1; id <= after + 10; ++id)
      rows[id] = fake_transformed("v" + std::to_string(id));
    const Chunk chunk = make_chunk(after, after + 10, 10);
    target_.commit(rows, LedgerRange{chunk.after, chunk.upto, RowCounts{10, 10, 0, 0, 0, 0}});
  }

  const RunOutcome outcome = start();

  EXPECT_EQ(outcome.run.rows, (RowCounts{50, 50, 0, 0, 0, 0}));
  for (const auto& [id, row] : target_.rows()) EXPECT_EQ(row.times_written, 1) << id;
  EXPECT_EQ(target_.values(), transformed_source());
}

TEST_F(RunTest, KeepsTheLedgerSmallWhileItRuns) {
  put_rows(100);
  target_options_.keeps_ledger = true;
  options_.workers = 1;
  // The sixth chunk waits until the ledger has forgotten what the checkpoint knows.
  script_.on("target.commit", 6, [&] { script_.await("ledger.prune", 1); });
  on_tick_ = [&](const SavedRun& now) {
    if (now.watermark) clock_.advance(seconds(1));
  };

  EXPECT_EQ(start().state, RunState::complete);
  EXPECT_GE(script_.calls("ledger.prune"), 1);
}

TEST_F(RunTest, MatchesTheModelWhateverFailsAndWheneverItIsStopped) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) {
    return static_cast<std::int64_t>(random() % bound);
  };
  for (int turn = 0; turn < 40; ++turn) {
    SCOPED_TRACE("turn " + std::to_string(turn));
    for (const auto& [id, row] : source_.rows()) source_.erase(id);
    for (const auto& [id, row] : target_.rows()) target_.erase(id);
    target_.clear_ledger();
    const std::int64_t keys = below(300);
    RowCounts expected;
    target_options_.refused.clear();
    for (std::int64_t id = 1; id <= keys; ++id) {
      static constexpr const char* kKinds[] = {"",  "v", "v",    "v",      "v",
                                               "v", "v", "skip", "reject", "refused"};
      const std::string kind = kKinds[below(10)];
      if (kind.empty()) continue;  // a gap
      source_.put(id, kind + std::to_string(id));
      ++expected.read;
      if (kind == "v") ++expected.written;
      if (kind == "skip") ++expected.skipped;
      if (kind == "reject" || kind == "refused") ++expected.rejected;
      if (kind == "refused") target_options_.refused.insert(id);
    }
    target_options_.keeps_ledger = below(2) == 0;
    options_.workers = static_cast<int>(1 + below(8));
    options_.sizer.size = 1 + below(40);
    options_.sizer.size_min = 1;
    options_.sizer.adaptive = below(2) == 0;
    options_.backoff.retries = 100;
    options_.rejected_max = 1000;
    source_options_.bytes_max = static_cast<std::size_t>(100 + below(2000));
    script_.fail_randomly(below(2) == 0 ? 0 : 0.03, random());

    int processes = 0;
    RunOutcome outcome;
    do {
      const std::int64_t stop_at =
          below(2) == 0 ? 0 : script_.calls("target.commit") + 1 + below(15);
      on_tick_ = nullptr;
      if (stop_at > 0) {
        script_.on("target.commit", static_cast<int>(stop_at) - script_.calls("target.commit"),
                   [&] {
                     if (running_ != nullptr) running_->stop("stopped by the test");
                   });
      }
      outcome = processes == 0 ? start() : resume();
      // Connecting may fail for good; the next process tries again.
      ASSERT_LT(++processes, 200);
    } while (outcome.state != RunState::complete);

    ASSERT_EQ(target_.values(), transformed_source());
    ASSERT_EQ(outcome.run.rows, expected);
    ASSERT_EQ(CheckpointStore::open(file_).dead_letters(1000).size(),
              static_cast<std::size_t>(expected.rejected));
    ASSERT_TRUE(saved().done_ahead.empty());
    if (!target_options_.keeps_ledger) continue;
    for (const auto& [id, row] : target_.rows()) ASSERT_EQ(row.times_written, 1) << id;
  }
}

TEST(RejectedLimit, CountsRowsOrTheirShareOfTheRowsRead) {
  SavedRun run;
  run.rows.read = 200;
  run.rows.rejected = 2;
  RunOptions none;
  RunOptions two;
  two.rejected_max = 2;
  RunOptions one_percent;
  one_percent.rejected_share_max = 0.01;

  EXPECT_EQ(over_rejected_limit(run, none), "2 rows rejected, limits.max_rejected allows 0");
  EXPECT_EQ(over_rejected_limit(run, two), std::nullopt);
  EXPECT_EQ(over_rejected_limit(run, one_percent), std::nullopt);

  run.rows.rejected = 3;
  EXPECT_EQ(over_rejected_limit(run, one_percent), "3 rows rejected, limits.max_rejected allows 2");
  EXPECT_EQ(over_rejected_limit(SavedRun(), none), std::nullopt);
}

}  // namespace
}  // namespace backfill
