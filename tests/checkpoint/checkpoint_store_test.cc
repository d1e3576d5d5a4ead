#include "checkpoint/checkpoint_store.h"

#include <gtest/gtest.h>

#include <future>

#include <set>
#include <thread>

#include "checkpoint/schema.h"
#include "core/error.h"
#include "support/batch_builder.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

using Mode = SqliteConnection::Mode;

class CheckpointStoreTest : public testing::Test {
 protected:
  // What a query of one value gives, as text.
  std::string query(const std::string& sql) const {
    SqliteConnection connection(file_.string(), Mode::read_only);
    SqliteStatement statement = connection.prepare(sql);
    if (!statement.step()) return "no row";
    return statement.is_null(0) ? "NULL" : std::string(statement.bytes(0));
  }

  // Opening fails as a matter of usage, and the file is as before.
  void expect_refused(const std::string& because) const {
    const std::string before = read_file(file_);
    for (const bool existing : {false, true}) {
      try {
        if (existing) {
          CheckpointStore::open_existing(file_);
        } else {
          CheckpointStore::open(file_);
        }
        ADD_FAILURE() << "was opened";
      } catch (const Error& error) {
        EXPECT_EQ(error.exit_code(), ExitCode::usage) << error.what();
        EXPECT_NE(std::string(error.what()).find(because), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(file_.string()), std::string::npos)
            << error.what();
      }
    }
    EXPECT_TRUE(read_file(file_) == before);
  }

  const TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "job.checkpoint.db";
};

SavedRun full_run() {
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
  return run;
}

void expect_equal(const SavedRun& actual, const SavedRun& expected) {
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
}

TEST_F(CheckpointStoreTest, HoldsNoRunAtFirst) {
  EXPECT_EQ(CheckpointStore::open_existing(file_), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(file_));

  CheckpointStore store = CheckpointStore::open(file_);

  EXPECT_FALSE(store.load());
  EXPECT_TRUE(store.fingerprint().empty());
  EXPECT_TRUE(store.dead_letters(10).empty());
}

// As `status` does while a run begins.
TEST_F(CheckpointStoreTest, MayBeLookedAtWhileItIsMade) {
  for (int round = 0; round < 200; ++round) {
    const std::filesystem::path file = folder_ / (std::to_string(round) + ".db");
    std::jthread maker([&] { CheckpointStore::open(file); });
    while (!CheckpointStore::open_existing(file)) {
    }
  }
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

TEST_F(CheckpointStoreTest, MakesAFileOfAnOlderFormatOneOfTodays) {
  CheckpointStore::open(file_).start(full_run(), "users", {{"field", "old"}});
  CheckpointStore::open(file_).save(full_run(), {}, Sample());
  SqliteConnection(file_.string(), SqliteConnection::Mode::read_write)
      .execute(
          "ALTER TABLE run DROP COLUMN signals; ALTER TABLE run DROP COLUMN rested_s; "
          "ALTER TABLE sample DROP COLUMN progress; ALTER TABLE sample DROP COLUMN batches_done; "
          "ALTER TABLE sample DROP COLUMN batches_retried; "
          "ALTER TABLE sample DROP COLUMN rows_conflicts; "
          "ALTER TABLE sample DROP COLUMN rows_rejected; ALTER TABLE sample DROP COLUMN signals; "
          "ALTER TABLE sample DROP COLUMN rested_s; ALTER TABLE sample DROP COLUMN phases_ms; "
          "DROP TABLE in_doubt; PRAGMA user_version = 1");
  SavedRun known = full_run();
  known.signals.clear();
  known.rested_s.clear();

  expect_equal(*CheckpointStore::open_existing(file_)->load(), known);
  CheckpointStore::open_existing(file_)->visit_samples(
      [](const Sample& sample) { EXPECT_EQ(sample, Sample()); });
  CheckpointStore store = CheckpointStore::open(file_);
  expect_equal(*store.load(), known);
  store.save(full_run(), {}, Sample());

  expect_equal(*store.load(), full_run());
  EXPECT_EQ(query("PRAGMA user_version"), std::to_string(kCheckpointFormat));
}

// `set` beside a run that begins.
TEST_F(CheckpointStoreTest, MayBeMadeBySeveralAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const std::filesystem::path file = file_.parent_path() / std::to_string(round);
    std::vector<std::future<void>> openings;
    for (int each = 0; each < 4; ++each) {
      openings.push_back(
          std::async(std::launch::async, [&] { CheckpointStore::open(file).load(); }));
    }
    for (std::future<void>& opening : openings) EXPECT_NO_THROW(opening.get());
  }
}

TEST_F(CheckpointStoreTest, IsReadableByItsOwnerOnly) {
  CheckpointStore store = CheckpointStore::open(file_);
  store.start(full_run(), "users", {});

  for (const auto& entry : std::filesystem::directory_iterator(file_.parent_path())) {
    EXPECT_EQ(entry.status().permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << entry.path();
  }
}

TEST_F(CheckpointStoreTest, IsMarkedAndHasTheTablesThatTheReadmeNames) {
  CheckpointStore::open(file_).start(full_run(), "users", {{"source.table", "public.users"}});

  EXPECT_EQ(query("PRAGMA application_id"), std::to_string(kCheckpointApplicationId));
  EXPECT_EQ(query("PRAGMA user_version"), std::to_string(kCheckpointFormat));
  EXPECT_EQ(query("PRAGMA journal_mode"), "wal");
  for (const char* table : {"job", "run", "watermark", "dead_letter", "sample", "control"}) {
    EXPECT_NE(query(std::string("SELECT count(*) FROM ") + table), "no row") << table;
  }
  EXPECT_EQ(query("SELECT value FROM job WHERE name = 'users' AND field = 'source.table'"),
            "public.users");
  EXPECT_EQ(query("SELECT key FROM watermark"), "[\"eu\",\"81\\\"23\"]");
  EXPECT_EQ(query("SELECT end_key FROM watermark"), "[\"us\",\"99999\"]");
  EXPECT_EQ(query("SELECT rows_read FROM run"), "1");
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

TEST_F(CheckpointStoreTest, MakesACheckpointOfAnEmptyFile) {
  write_file(file_, "");

  EXPECT_FALSE(CheckpointStore::open_existing(file_));
  EXPECT_EQ(read_file(file_), "");
  EXPECT_FALSE(CheckpointStore::open(file_).load());
}

TEST_F(CheckpointStoreTest, LeavesANewerFormatAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute("PRAGMA user_version = " + std::to_string(kCheckpointFormat + 1));

  expect_refused("is newer than this program's");
}

TEST_F(CheckpointStoreTest, LeavesTheDatabaseOfAnotherProgramAsItIs) {
  SqliteConnection(file_.string(), Mode::create)
      .execute("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
  expect_refused("of another program");

  SqliteConnection(file_.string(), Mode::read_write).execute("PRAGMA application_id = 7");
  expect_refused("of another program");
}

TEST_F(CheckpointStoreTest, LeavesAFileThatIsNoDatabaseAsItIs) {
  write_file(file_, std::string(5000, 'x'));
  expect_refused("left as it is");

  for (const char* text : {"\n", "xy", "some longer text that is no database either"}) {
    write_file(file_, text);
    expect_refused("left as it is");
  }
}

TEST_F(CheckpointStoreTest, LeavesACutCheckpointAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  const std::string whole = read_file(file_);
  ASSERT_GT(whole.size(), 3000U);
  write_file(file_, whole.substr(0, 3000));

  expect_refused("left as it is");
}

TEST_F(CheckpointStoreTest, RefusesAFolder) {
  std::filesystem::create_directory(file_);

  expect_refused("left as it is");
  EXPECT_TRUE(std::filesystem::is_directory(file_));
}

TEST_F(CheckpointStoreTest, RefusesAPathWhereNoFileCanBe) {
  write_file(folder_ / "file", "");
  for (const std::filesystem::path& path : {folder_ / "none" / "c.db", folder_ / "file" / "c.db"}) {
    try {
      CheckpointStore::open(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage);
      EXPECT_NE(std::string(error.what()).find("its folder must exist and be writable"),
                std::string::npos);
    }
  }
}

TEST_F(CheckpointStoreTest, LeavesARunInAStateItDoesNotKnowAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write).execute("UPDATE run SET state = 'dreaming'");

  expect_refused("unknown state: dreaming");
}

// Steps would be written beside the run that is read.
TEST_F(CheckpointStoreTest, LeavesARunWithoutAnIdAndASecondRunAsTheyAre) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write).execute("UPDATE run SET run_id = ''");
  expect_refused("a run without a run_id");

  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "CREATE TEMP TABLE copy AS SELECT * FROM run; UPDATE copy SET run_id = 'run-2'; "
          "UPDATE run SET run_id = 'run-1'; INSERT INTO run SELECT * FROM copy");
  expect_refused("more than one run");
}

// A file that was edited by hand was once opened, turned to WAL, and only then found unreadable.
TEST_F(CheckpointStoreTest, LeavesAKeyThatIsNoneAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute("PRAGMA journal_mode = DELETE; UPDATE watermark SET key = 'not json'");

  expect_refused("not a JSON array of strings: not json");
}

// The end of a done range, or of one in doubt, was once taken for granted.
TEST_F(CheckpointStoreTest, LeavesARangeWithoutAnEndAsItIs) {
  CheckpointStore::open(file_).start(full_run(), "users", {});
  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "DROP TABLE done_range; CREATE TABLE done_range (upto, after, place); "
          "INSERT INTO done_range VALUES (NULL, NULL, 0)");

  expect_refused("not a JSON array of strings");

  SqliteConnection(file_.string(), Mode::read_write)
      .execute(
          "DELETE FROM done_range; DROP TABLE in_doubt; CREATE TABLE in_doubt (upto, after, mark); "
          "INSERT INTO in_doubt VALUES (NULL, NULL, '7')");
  expect_refused("not a JSON array of strings");
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
