#include "checkpoint/checkpoint_store.h"

#include "checkpoint/checkpoint_fixture.h"
#include "core/error.h"
#include "support/batch_builder.h"

namespace backfill {
namespace {

using Mode = SqliteConnection::Mode;

class CheckpointStoreTest : public CheckpointTest {};

TEST_F(CheckpointStoreTest, HoldsNoRunAtFirst) {
  EXPECT_EQ(CheckpointStore::open_existing(file_), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(file_));

  CheckpointStore store = CheckpointStore::open(file_);

  EXPECT_FALSE(store.load());
  EXPECT_TRUE(store.fingerprint().empty());
  EXPECT_TRUE(store.dead_letters(10).empty());
}

TEST_F(CheckpointStoreTest, RoundTripsEveryField) {
  const FingerprintFields fields = {{"source.table", "public.users"}, {"source.where", ""}};
  CheckpointStore::open(file_).start(full_run(), "users", fields);

  CheckpointStore store = CheckpointStore::open(file_);

  expect_equal(*store.load(), full_run());
  EXPECT_EQ(store.fingerprint(), fields);
}

TEST_F(CheckpointStoreTest, RoundTripsWhatIsUnknown) {
  SavedRun run;
  run.run_id = "run-1";
  CheckpointStore::open(file_).start(run, "users", {});

  expect_equal(*CheckpointStore::open(file_).load(), run);
}

TEST_F(CheckpointStoreTest, RoundTripsEveryState) {
  CheckpointStore store = CheckpointStore::open(file_);
  for (const RunState state : {RunState::running, RunState::paused, RunState::stopped,
                               RunState::complete, RunState::failed}) {
    SavedRun run = full_run();
    run.state = state;

    store.start(run, "users", {});

    EXPECT_EQ(store.load()->state, state);
    EXPECT_EQ(query("SELECT state FROM run"), run_state_name(state));
  }
}

TEST_F(CheckpointStoreTest, SavesTheRunAsItIsNow) {
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = full_run();
  store.start(run, "users", {{"a", "b"}});
  run.rows.read = 77;
  run.watermark = key_of(50);
  run.done_ahead = {{key_of(60), key_of(70)}};
  run.state = RunState::running;

  store.save(run, {}, std::nullopt);

  expect_equal(*store.load(), run);
  EXPECT_EQ(query("SELECT count(*) FROM run"), "1");
  EXPECT_EQ(query("SELECT job FROM run"), "users");
}

TEST_F(CheckpointStoreTest, ForgetsRangesThatTheWatermarkHasPassed) {
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = full_run();
  store.start(run, "users", {});

  run.done_ahead.clear();
  store.save(run, {}, std::nullopt);

  EXPECT_TRUE(store.load()->done_ahead.empty());
}

// A process that resumed and was done with the old ranges at its first step once left them in
// the file, below the watermark.
TEST_F(CheckpointStoreTest, ForgetsTheRangesOfAnEarlierProcessToo) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = *store.load();
  store.go_on(run, "users", {});

  run.watermark = Key{{"us", "99999"}};
  run.done_ahead.clear();
  store.save(run, {}, std::nullopt);

  EXPECT_TRUE(CheckpointStore::open(file_).load()->done_ahead.empty());
}

TEST_F(CheckpointStoreTest, GoesOnWithRangesAndDeadLettersKept) {
  CheckpointStore::open(file_).start(full_run(), "users", {{"field", "old"}});
  CheckpointStore::open(file_).save(full_run(), {{"[\"1\"]", "23505", "duplicate", "{}"}},
                                    std::nullopt);
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = full_run();
  run.state = RunState::running;
  run.workers = 9;

  store.go_on(run, "users", {{"field", "new"}});

  expect_equal(*store.load(), run);
  EXPECT_EQ(store.fingerprint(), (FingerprintFields{{"field", "new"}}));
  EXPECT_EQ(store.dead_letters(10).size(), 1U);
}

TEST_F(CheckpointStoreTest, StartForgetsEverythingOfTheRunBefore) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {{"old", "field"}});
  Sample sample;
  sample.taken_at = "2026-11-22T13:05:00.123Z";
  store.save(full_run(), {{"[\"1\"]", "23505", "duplicate", "{}"}}, sample);
  SavedRun run;
  run.run_id = "run-2";

  store.start(run, "users", {});

  expect_equal(*store.load(), run);
  EXPECT_TRUE(store.fingerprint().empty());
  EXPECT_TRUE(store.dead_letters(10).empty());
  EXPECT_EQ(query("SELECT count(*) FROM sample"), "0");
  EXPECT_EQ(query("SELECT count(*) FROM done_range"), "0");
}

TEST_F(CheckpointStoreTest, KeepsEachDeadLetterOnce) {
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = full_run();
  store.start(run, "users", {});
  store.save(
      run,
      {{"[\"1\"]", "23505", "duplicate", "{\"id\":\"1\"}"}, {"[\"2\"]", "22003", "range", "{}"}},
      std::nullopt);

  run.updated_at = "2026-11-22T13:07:00.123Z";
  store.save(run, {{"[\"1\"]", "23514", "check", "{\"id\":\"1\"}"}}, std::nullopt);

  const std::vector<DeadLetter> letters = store.dead_letters(10);
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_EQ(letters[0].key, "[\"2\"]");
  EXPECT_EQ(letters[1].key, "[\"1\"]");
  EXPECT_EQ(letters[1].code, "23514");
  EXPECT_EQ(letters[1].message, "check");
  EXPECT_EQ(letters[1].values, "{\"id\":\"1\"}");
  EXPECT_EQ(store.dead_letters(1).size(), 1U);
}

TEST_F(CheckpointStoreTest, KeepsSamples) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});
  const Sample sample{.taken_at = "2026-11-22T13:05:00.123Z",
                      .elapsed_s = 1.5,
                      .rows_read = 10,
                      .rows_written = 9,
                      .rate_rows_per_s = 6.5,
                      .batch_size = 100,
                      .batch_ms = 12.5,
                      .share = 0.75,
                      .pressure = std::nullopt,
                      .reason = "lag",
                      .progress = 0.25,
                      .batches_done = 4,
                      .batches_retried = 3,
                      .rows_conflicts = 2,
                      .rows_rejected = 1,
                      .signals = {{"replica_lag", 0.5}},
                      .rested_s = {{"share", 1.5}},
                      .phases_ms = {{"write", 20}}};

  store.save(full_run(), {}, sample);

  EXPECT_EQ(query("SELECT taken_at||' '||elapsed_s||' '||rows_read||' '||rows_written||' "
                  "'||rate_rows_per_s||' '"
                  "||batch_size||' '||batch_ms||' '||share||' '||ifnull(pressure,'none')||' "
                  "'||reason FROM sample"),
            "2026-11-22T13:05:00.123Z 1.5 10 9 6.5 100 12.5 0.75 none lag");
  EXPECT_EQ(
      query("SELECT progress||' '||batches_done||' '||batches_retried||' '||rows_conflicts||' "
            "'||rows_rejected||' '||signals||' '||rested_s||' '||phases_ms FROM sample"),
      R"(0.25 4 3 2 1 {"replica_lag":0.5} {"share":1.5} {"write":20.0})");
}

TEST_F(CheckpointStoreTest, GivesBackSamplesInTheirOrder) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});
  Sample first;
  first.taken_at = "2026-11-22T13:05:00.123Z";
  first.reason = "lag";
  first.signals = {{"replica_lag", 0.5}};
  first.rested_s = {{"share", 1.5}};
  first.phases_ms = {{"write", 20}};
  first.rows_conflicts = 2;
  first.pressure = 0.5;
  Sample second = first;
  second.elapsed_s = 1.5;
  second.pressure.reset();
  store.save(full_run(), {}, first);
  store.save(full_run(), {}, second);

  std::vector<Sample> samples;
  store.visit_samples([&](const Sample& sample) { samples.push_back(sample); });

  EXPECT_EQ(store.sample_count(), 2);
  EXPECT_EQ(samples, (std::vector<Sample>{first, second}));
}

TEST_F(CheckpointStoreTest, ReadsAtOnceWhatIsOfOneMoment) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});
  store.save(full_run(), {}, Sample());
  std::optional<CheckpointStore> reader = CheckpointStore::open_existing(file_);
  std::int64_t before = 0;
  std::int64_t then = 0;

  reader->read_at_once([&] {
    before = reader->sample_count();
    store.save(full_run(), {{"[\"1\"]", "23505", "duplicate", "{}"}}, Sample());
    then = reader->sample_count();
    EXPECT_EQ(reader->dead_letter_count(), 0);
  });

  EXPECT_EQ(before, 1);
  EXPECT_EQ(then, 1);
  EXPECT_EQ(reader->sample_count(), 2);
  EXPECT_EQ(reader->dead_letter_count(), 1);
}

TEST_F(CheckpointStoreTest, CanBeReadWhileARunWrites) {
  CheckpointStore writer = CheckpointStore::open(file_);
  SavedRun run = full_run();
  writer.start(run, "users", {});
  auto reader = CheckpointStore::open_existing(file_);

  run.rows.read = 1234;
  writer.save(run, {}, std::nullopt);

  EXPECT_EQ(reader->load()->rows.read, 1234);
}

TEST_F(CheckpointStoreTest, RefusesADeadLetterWithoutAKey) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});
  store.save(full_run(), {{"[1]", "23505", "duplicate", "{}"}}, std::nullopt);

  try {
    store.dead_letters(10);
    ADD_FAILURE() << "was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::usage) << error.what();
  }
}

TEST_F(CheckpointStoreTest, WritesAStepAsAWholeOrNotAtAll) {
  CheckpointStore store = CheckpointStore::open(file_);
  SavedRun run = full_run();
  store.start(run, "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "CREATE TRIGGER full BEFORE INSERT ON dead_letter BEGIN SELECT raise(ABORT, 'disk "
          "full'); END");
  SavedRun next = run;
  next.rows.read = 999;
  next.watermark = key_of(999);

  EXPECT_THROW(store.save(next, {{"[\"1\"]", "23505", "duplicate", "{}"}}, std::nullopt), Error);

  expect_equal(*CheckpointStore::open(file_).load(), run);
}

}  // namespace
}  // namespace backfill
