// checkpoint/checkpoint_fixture.h
//
// What the tests of a checkpoint file begin with: a file, a run to put into it, and a look at
// what is there.

#pragma once

#include <gtest/gtest.h>

#include "checkpoint/checkpoint_store.h"
#include "support/temp_folder.h"

namespace backfill {

// A checkpoint file in a folder of its own.
class CheckpointTest : public testing::Test {
 protected:
  // What a query of one value gives, as text.
  std::string query(const std::string& sql) const {
    SqliteConnection connection(file_.string(), SqliteConnection::Mode::read_only);
    SqliteStatement statement = connection.prepare(sql);
    if (!statement.step()) return "no row";
    return statement.is_null(0) ? "NULL" : std::string(statement.bytes(0));
  }

  const TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "job.checkpoint.db";
};

// With something in every field.
inline SavedRun full_run() {
  SavedRun run;
  run.run_id = "run-1";
  run.state = RunState::paused;
  run.reason = "replica lag 12.4s >= 10s";
  run.started_at = "2026-11-22T13:05:00.123Z";
  run.updated_at = "2026-11-22T13:06:00.123Z";
  run.elapsed_s = 60.5;
  run.throttled_s = 12.25;
  run.rows = {1, 2, 3, 4, 5, 6};
  run.batches = {7, 8, 9};
  run.estimated_total = 1000;
  run.progress = 0.41;
  run.rate_rows_per_s = 123.5;
  run.eta_low_s = 10.5;
  run.eta_high_s = 20.5;
  run.batch_size = 500;
  run.workers = 3;
  run.share = 0.8;
  run.pressure = 0.62;
  run.pressure_signal = "replica_lag";
  run.signals = {{"replica_lag", 0.62}, {"archiver", 0}};
  run.rested_s = {{"share", 1.5}};
  run.all_visited = true;
  run.forced = "source.where";
  run.watermark = Key{{"eu", "81\"23"}};
  run.end_key = Key{{"us", "99999"}};
  run.done_ahead = {{Key{{"eu", "9"}}, Key{{"eu", "10"}}}, {Key{{"eu", "11"}}, Key{{"eu", "12"}}}};
  run.in_doubt = {{Key{{"eu", "11"}}, Key{{"eu", "12"}}, "734"},
                  {std::nullopt, Key{{"eu", "5"}}, "7"}};
  return run;
}

inline void expect_equal(const SavedRun& actual, const SavedRun& expected) {
  EXPECT_EQ(actual.run_id, expected.run_id);
  EXPECT_EQ(actual.state, expected.state);
  EXPECT_EQ(actual.reason, expected.reason);
  EXPECT_EQ(actual.started_at, expected.started_at);
  EXPECT_EQ(actual.updated_at, expected.updated_at);
  EXPECT_EQ(actual.elapsed_s, expected.elapsed_s);
  EXPECT_EQ(actual.throttled_s, expected.throttled_s);
  EXPECT_EQ(actual.rows, expected.rows);
  EXPECT_EQ(actual.batches.done, expected.batches.done);
  EXPECT_EQ(actual.batches.retried, expected.batches.retried);
  EXPECT_EQ(actual.batches.split, expected.batches.split);
  EXPECT_EQ(actual.estimated_total, expected.estimated_total);
  EXPECT_EQ(actual.progress, expected.progress);
  EXPECT_EQ(actual.rate_rows_per_s, expected.rate_rows_per_s);
  EXPECT_EQ(actual.eta_low_s, expected.eta_low_s);
  EXPECT_EQ(actual.eta_high_s, expected.eta_high_s);
  EXPECT_EQ(actual.batch_size, expected.batch_size);
  EXPECT_EQ(actual.workers, expected.workers);
  EXPECT_EQ(actual.share, expected.share);
  EXPECT_EQ(actual.pressure, expected.pressure);
  EXPECT_EQ(actual.pressure_signal, expected.pressure_signal);
  EXPECT_EQ(actual.signals, expected.signals);
  EXPECT_EQ(actual.rested_s, expected.rested_s);
  EXPECT_EQ(actual.all_visited, expected.all_visited);
  EXPECT_EQ(actual.forced, expected.forced);
  EXPECT_EQ(actual.watermark, expected.watermark);
  EXPECT_EQ(actual.end_key, expected.end_key);
  EXPECT_EQ(actual.done_ahead, expected.done_ahead);
  EXPECT_EQ(actual.in_doubt, expected.in_doubt);
}

}  // namespace backfill
