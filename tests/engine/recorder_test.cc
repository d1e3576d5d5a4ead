#include "engine/recorder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "core/error.h"
#include "support/batch_builder.h"
#include "support/failpoint.h"
#include "support/manual_clock.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() : store_(CheckpointStore::open(file_)) { run_.run_id = "run-1"; }
  ~RecorderTest() override { set_failpoints(""); }

  // A recorder that goes on from `run_`.
  std::unique_ptr<Recorder> make_recorder() {
    store_.start(run_, "users", {});
    return std::make_unique<Recorder>(
        run_, 8,
        Recorder::Wiring{store_, throttle_, clock_, [] { return std::int64_t{500}; },
                         [this](std::exception_ptr failure) {
                           ++failures_;
                           failure_ = std::move(failure);
                         },
                         [this](const std::vector<Key>& keys) {
                           durable_.insert(durable_.end(), keys.begin(), keys.end());
                         }});
  }

  // Chunk n is (10n, 10n + 10], with ten rows written.
  static ChunkReport report(std::uint64_t ordinal) {
    ChunkReport report;
    const auto after = static_cast<std::int64_t>(ordinal) * 10;
    report.chunk = make_chunk(after, after + 10, 10);
    report.chunk.ordinal = ordinal;
    report.rows.read = report.rows.written = 10;
    report.times.write = milliseconds(20);
    return report;
  }

  SavedRun saved() const { return *CheckpointStore::open(file_).load(); }

  std::vector<double> samples(const std::string& column) const {
    SqliteConnection connection(file_.string(), SqliteConnection::Mode::read_only);
    SqliteStatement statement = connection.prepare("SELECT " + column + " FROM sample");
    std::vector<double> values;
    while (statement.step()) values.push_back(statement.real(0));
    return values;
  }

  const TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "checkpoint.db";
  CheckpointStore store_;
  SavedRun run_;
  Throttle throttle_{1};
  ManualClock clock_;
  std::atomic<int> failures_ = 0;
  std::exception_ptr failure_;
  std::vector<Key> durable_;
};

TEST_F(RecorderTest, AddsUpTheCounts) {
  const auto recorder = make_recorder();
  ChunkReport first = report(0);
  first.rows = {10, 5, 2, 1, 2, 7};
  first.retries = 2;
  ChunkReport second = report(1);
  second.splits = 3;

  recorder->record(first);
  recorder->record(second);
  const SavedRun run = recorder->drain();

  EXPECT_EQ(run.rows, (RowCounts{20, 15, 2, 1, 2, 7}));
  EXPECT_EQ(run.batches.done, 2);
  EXPECT_EQ(run.batches.retried, 2);
  EXPECT_EQ(run.batches.split, 3);
  EXPECT_EQ(run.batch_size, 500);
}

TEST_F(RecorderTest, MakesTheWatermarkDurable) {
  const auto recorder = make_recorder();

  recorder->record(report(0));
  recorder->record(report(2));
  recorder->drain();

  EXPECT_EQ(saved().watermark, key_of(10));
  EXPECT_EQ(saved().done_ahead, (std::vector<DoneRange>{{key_of(20), key_of(30)}}));
  EXPECT_EQ(saved().rows.read, 20);
}

TEST_F(RecorderTest, TellsWhatIsDurableOnlyOnceItIsSaved) {
  const auto recorder = make_recorder();

  recorder->record(report(1));
  recorder->record(report(0));
  recorder->drain();

  EXPECT_EQ(durable_, (std::vector<Key>{key_of(20), key_of(10)}));

  set_failpoints("checkpoint.before_commit=error(XX000)");
  durable_.clear();
  run_.run_id = "run-2";
  const auto failing = make_recorder();
  failing->record(report(0));
  failing->drain();
  EXPECT_TRUE(durable_.empty());
}

TEST_F(RecorderTest, KeepsRangesOfAnEarlierProcessUntilTheyAreRecordedAgain) {
  run_.watermark = key_of(100);
  run_.rows.read = 130;
  run_.done_ahead = {{key_of(110), key_of(120)}, {key_of(150), key_of(160)}};
  const auto recorder = make_recorder();
  ChunkReport first = report(0);
  first.chunk = make_chunk(100, 110, 10);
  ChunkReport done;
  done.chunk = make_chunk(110, 120, 0);
  done.chunk.ordinal = 1;

  recorder->record(done);
  recorder->record(first);
  const SavedRun run = recorder->drain();

  EXPECT_EQ(saved().watermark, key_of(120));
  EXPECT_EQ(saved().done_ahead, (std::vector<DoneRange>{{key_of(150), key_of(160)}}));
  EXPECT_EQ(run.rows.read, 140);
  EXPECT_EQ(run.batches.done, 1);
}

TEST_F(RecorderTest, SavesDeadLettersTogetherWithTheirChunk) {
  const auto recorder = make_recorder();
  ChunkReport bad = report(0);
  bad.rows = {10, 9, 0, 1, 0, 0};
  bad.dead_letters = {{"[\"4\"]", "23505", "duplicate", "{}"}};

  recorder->record(bad);
  recorder->drain();

  EXPECT_EQ(saved().rows.rejected, 1);
  const auto letters = CheckpointStore::open(file_).dead_letters(10);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "[\"4\"]");
}

TEST_F(RecorderTest, KeepsDeadLettersAheadOfTheirChunk) {
  const auto recorder = make_recorder();

  recorder->keep({{"[\"4\"]", "23505", "duplicate", "{}"}});

  EXPECT_EQ(CheckpointStore::open(file_).dead_letters(10).size(), 1U);
  EXPECT_EQ(saved().watermark, std::nullopt);
  recorder->drain();
}

TEST_F(RecorderTest, SaysSoWhenDeadLettersCannotBeKept) {
  set_failpoints("checkpoint.before_commit=error(XX000)");
  const auto recorder = make_recorder();

  for (int i = 0; i < 3; ++i) EXPECT_THROW(recorder->keep({{"[\"4\"]", "", "", "{}"}}), Error);
}

TEST_F(RecorderTest, ReportsAFailureOfTheStoreOnceAndWritesNoMore) {
  const auto recorder = make_recorder();
  set_failpoints("checkpoint.before_commit=error(XX000)");

  for (std::uint64_t ordinal = 0; ordinal < 100; ++ordinal) recorder->record(report(ordinal));
  recorder->drain();
  recorder->finish(RunState::complete, "", true);

  EXPECT_EQ(failures_, 1);
  EXPECT_THROW(std::rethrow_exception(failure_), Error);
  EXPECT_EQ(saved().state, RunState::running);
  EXPECT_EQ(saved().watermark, std::nullopt);
}

TEST_F(RecorderTest, SavesHowTheRunEnded) {
  const auto recorder = make_recorder();
  recorder->record(report(0));
  recorder->drain();

  recorder->finish(RunState::stopped, "stopped by SIGTERM", false);

  EXPECT_EQ(saved().state, RunState::stopped);
  EXPECT_EQ(saved().reason, "stopped by SIGTERM");
  EXPECT_FALSE(saved().all_visited);
  EXPECT_EQ(recorder->snapshot().state, RunState::stopped);
}

TEST_F(RecorderTest, ShowsTheThrottleAsItIs) {
  Decision decision;
  decision.share = 0.25;
  decision.pressure = {0.9, "replica_lag", "replica lag 9s"};
  decision.levels = {{"archiver", 0.1}, {"replica_lag", 0.9}};
  decision.reason = "replica lag 9s of 10s";
  throttle_.follow(decision);
  run_.throttled_s = 100;
  const auto recorder = make_recorder();

  recorder->record(report(0));
  const SavedRun run = recorder->drain();

  EXPECT_EQ(run.share, 0.25);
  EXPECT_EQ(run.pressure, 0.9);
  EXPECT_EQ(run.pressure_signal, "replica_lag");
  EXPECT_EQ(run.signals, (Figures{{"archiver", 0.1}, {"replica_lag", 0.9}}));
  EXPECT_EQ(run.reason, "replica lag 9s of 10s");
  EXPECT_GE(run.throttled_s, 100);

  recorder->finish(RunState::complete, "", true);
  EXPECT_EQ(saved().reason, "");
  EXPECT_TRUE(saved().signals.empty());
}

TEST_F(RecorderTest, AddsRestsToThoseOfEarlierProcesses) {
  Decision decision;
  decision.share = 0.5;
  decision.cause = "replica_lag";
  throttle_.follow(decision);
  run_.rested_s = {{"pause", 3}, {"replica_lag", 2}};
  throttle_.rest_after(milliseconds(1), {});
  const auto recorder = make_recorder();

  recorder->record(report(0));
  const SavedRun run = recorder->drain();

  EXPECT_EQ(run.rested_s.at("pause"), 3);
  EXPECT_GT(run.rested_s.at("replica_lag"), 2);
}

TEST_F(RecorderTest, SamplesTheWorkSinceTheSampleBefore) {
  const auto recorder = make_recorder();
  ChunkReport slow = report(1);
  slow.times.write = milliseconds(40);
  recorder->record(report(0));
  recorder->record(slow);
  recorder->drain();

  clock_.advance(seconds(6));
  recorder->finish(RunState::complete, "", true);

  EXPECT_EQ(samples("batch_ms"), std::vector<double>{30});
  EXPECT_EQ(samples("rows_read"), std::vector<double>{20});
  EXPECT_EQ(samples("elapsed_s"), std::vector<double>{6});
  EXPECT_EQ(samples("json_extract(phases_ms, '$.write')"), std::vector<double>{60});
  EXPECT_EQ(samples("batches_done"), std::vector<double>{2});
}

TEST_F(RecorderTest, SavesTheSameWhateverTheOrder) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> order(200);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  const auto recorder = make_recorder();

  {
    std::vector<std::jthread> workers;
    for (std::size_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        for (std::size_t i = worker; i < order.size(); i += 4) recorder->record(report(order[i]));
      });
    }
  }
  recorder->drain();

  EXPECT_EQ(saved().watermark, key_of(2000));
  EXPECT_EQ(saved().rows.read, 2000);
  EXPECT_TRUE(saved().done_ahead.empty());
  EXPECT_EQ(durable_.size(), 200U);
}

}  // namespace
}  // namespace backfill
