#include "postgres/target.h"

#include <thread>

#include "expect_error.h"
#include "target_fixture.h"

namespace backfill {
namespace {

TEST_F(TargetTest, InsertsWhatIsMissingAndLeavesTheRest) {
  make_tables(100);
  execute("INSERT INTO b VALUES (7, 'mine', 0)");
  CopyParts parts(job(WriteMode::insert_missing));

  const WriteReport first = parts.copy_all(30);
  const WriteReport second = parts.copy_all(30);

  EXPECT_EQ(first.written, 99);
  EXPECT_EQ(first.unchanged, 1);
  EXPECT_EQ(second.written, 0);
  EXPECT_EQ(second.unchanged, 100);
  EXPECT_EQ(value("SELECT name FROM b WHERE id = 7"), "mine");
}

TEST_F(TargetTest, UpsertsWithoutTouchingRowsThatAreEqual) {
  make_tables(100);
  CopyParts parts(job(WriteMode::upsert));
  parts.copy_all(30);
  execute("UPDATE b SET name = 'old' WHERE id <= 5");
  const std::string versions =
      value("SELECT string_agg(xmin::text, ',' ORDER BY id) FROM b WHERE id > 5");

  const WriteReport second = parts.copy_all(30);

  EXPECT_EQ(second.written, 5);
  EXPECT_EQ(second.unchanged, 95);
  EXPECT_EQ(value("SELECT string_agg(xmin::text, ',' ORDER BY id) FROM b WHERE id > 5"), versions);
  EXPECT_EQ(rows("TABLE a EXCEPT TABLE b"), std::vector<std::string>{});
}

TEST_F(TargetTest, NeverReplacesANewerVersion) {
  make_tables(3);
  execute("INSERT INTO b VALUES (1, 'newer', 9), (2, 'older', 1), (3, 'none', NULL)");
  CopyJob versioned = job(WriteMode::upsert);
  versioned.version_column = "at";

  const WriteReport report = CopyParts(versioned).copy_all(10);

  EXPECT_EQ(report.written, 2);
  EXPECT_EQ(rows("SELECT * FROM b ORDER BY id"),
            (std::vector<std::string>{"1|newer|9", "2|n2|2", "3|n3|3"}));
}

TEST_F(TargetTest, KeepsAnEqualVersionAsItIs) {
  make_tables(1);
  execute("INSERT INTO b VALUES (1, 'same version', 1)");
  CopyJob versioned = job(WriteMode::upsert);
  versioned.version_column = "at";

  EXPECT_EQ(CopyParts(versioned).copy_all(10).unchanged, 1);
}

TEST_F(TargetTest, UpdatesOnlyRowsThatAreThere) {
  make_tables(100);
  execute("INSERT INTO b SELECT i, 'old', 0 FROM generate_series(1, 50) i");
  CopyParts parts(job(WriteMode::update));

  const WriteReport first = parts.copy_all(30);
  const WriteReport second = parts.copy_all(30);

  EXPECT_EQ(first.written, 50);
  EXPECT_EQ(first.unchanged, 50);
  EXPECT_EQ(second.unchanged, 100);
  EXPECT_EQ(value("SELECT count(*) FROM a NATURAL JOIN b"), "50");
}

TEST_F(TargetTest, InsertsPlainlyAndRefusesWhatIsThere) {
  make_tables(100);
  CopyParts parts(job(WriteMode::insert));

  const WriteReport first = parts.copy_all(30);
  const Error again = error_of([&] { parts.copy_all(30); });

  EXPECT_EQ(first.written, 100);
  EXPECT_EQ(again.code(), "23505");
  EXPECT_EQ(parts.target->statements().at(0).sql,
            "COPY public.b (\"id\", \"name\", \"at\") FROM STDIN (FORMAT binary)");
}

TEST_F(TargetTest, UpdatesInPlaceOnceAndThenFindsNothingToDo) {
  make_tables(100);
  CopyParts parts(in_place());

  const WriteReport first = parts.copy_all(30);
  const WriteReport second = parts.copy_all(30);

  EXPECT_EQ(first.written, 100);
  EXPECT_EQ(second.written, 0);
  EXPECT_EQ(second.unchanged, 100);
  EXPECT_TRUE(second.conflicts.empty());
  EXPECT_EQ(value("SELECT count(*) FROM a WHERE name = upper(name)"), "100");
}

TEST_F(TargetTest, ReportsRowsThatChangedOrWentSinceTheyWereRead) {
  make_tables(10);
  execute("UPDATE a SET name = 'SAME' WHERE id = 9");
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  execute("UPDATE a SET name = 'live' WHERE id = 3");
  execute("DELETE FROM a WHERE id = 5");

  parts.target->begin(chunk);
  const WriteReport report = parts.target->write(parts.transform(batch).rows);
  parts.target->commit(chunk, {});

  EXPECT_EQ(report.written, 7);
  EXPECT_EQ(report.unchanged, 1);
  EXPECT_EQ(report.conflicts, (std::vector<Key>{Key{{"3"}}, Key{{"5"}}}));
  EXPECT_EQ(value("SELECT name FROM a WHERE id = 3"), "live");
  EXPECT_EQ(value("SELECT count(*) FROM a"), "9");
}

TEST_F(TargetTest, CallsARowThatChangedWhileTheWriteWaitedAConflict) {
  make_tables(3);
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  PgConnection live(url(), "app", "application");
  live.command("BEGIN; UPDATE a SET name = 'live' WHERE id = 2");
  std::jthread application([&](const std::stop_token& stop) {
    while (!stop.stop_requested() &&
           value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "1") {
    }
    live.command("COMMIT");
  });

  parts.target->begin(chunk);
  const WriteReport report = parts.target->write(parts.transform(batch).rows);
  parts.target->commit(chunk, {});
  application.join();

  EXPECT_EQ(report.written, 2);
  EXPECT_EQ(report.conflicts, (std::vector<Key>{Key{{"2"}}}));
  EXPECT_EQ(rows("SELECT name FROM a ORDER BY id"), (std::vector<std::string>{"N1", "live", "N3"}));
}

TEST_F(TargetTest, GivesConflictsInTheOrderOfTheSourceKey) {
  execute(
      "CREATE TABLE a (x text, y int, name text, PRIMARY KEY (y, x)); INSERT INTO a VALUES ('k', "
      "1, 'n')");
  CopyJob made = job(WriteMode::update);
  made.target_table = "a";
  made.columns = {"x", "y", "upper(name) as name"};
  CopyParts parts(made);
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  execute("UPDATE a SET name = 'live'");

  parts.target->begin(chunk);
  const WriteReport report = parts.target->write(parts.transform(batch).rows);

  EXPECT_EQ(report.conflicts, (std::vector<Key>{Key{{"1", "k"}}}));
}

TEST_F(TargetTest, LocksRowsUntilTheEnd) {
  make_tables(3);
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(10).at(0);
  parts.target->begin(chunk);

  parts.target->lock({Key{{"2"}}, Key{{"77"}}});

  EXPECT_EQ(rows("SELECT id FROM a ORDER BY id FOR UPDATE SKIP LOCKED"),
            (std::vector<std::string>{"1", "3"}));
  parts.target->rollback();
  EXPECT_EQ(rows("SELECT id FROM a FOR UPDATE SKIP LOCKED").size(), 3u);
}

TEST_F(TargetTest, WritesSeveralTimesInOneTransaction) {
  make_tables(10);
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  execute("UPDATE a SET name = 'live' WHERE id = 3");
  parts.target->begin(chunk);
  const WriteReport first = parts.target->write(parts.transform(batch).rows);
  parts.target->lock(first.conflicts);
  parts.source->read_keys(first.conflicts, batch);

  const WriteReport second = parts.target->write(parts.transform(batch).rows);
  parts.target->commit(chunk, {});

  EXPECT_EQ(second.written, 1);
  EXPECT_TRUE(second.conflicts.empty());
  EXPECT_EQ(value("SELECT name FROM a WHERE id = 3"), "LIVE");
}

TEST_F(TargetTest, LeavesNothingBehindWhenAWriteFails) {
  make_tables(10, " CHECK (at <> 7)");
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
    CopyParts parts(job(mode));
    const Chunk chunk = parts.plan(10).at(0);
    Batch batch;
    parts.source->read(chunk, batch);
    parts.target->begin(chunk);

    const Error error = error_of([&] { parts.target->write(parts.transform(batch).rows); });

    EXPECT_EQ(error.kind(), ErrorKind::reject);
    EXPECT_EQ(error.code(), "23514");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "0");
  }
}

TEST_F(TargetTest, GoesOnAfterItsSessionWasTerminated) {
  make_tables(10);
  CopyParts parts(job(WriteMode::insert_missing));
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  parts.target->begin(chunk);
  parts.target->lock({chunk.upto});
  execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' "
      "AND datname = current_database()");

  const Error error = error_of([&] { parts.target->write(parts.transform(batch).rows); });
  parts.target->rollback();
  parts.target->reconnect();
  parts.copy(chunk);

  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(value("SELECT count(*) FROM b"), "10");
}

TEST_F(TargetTest, NeverCommitsWhatWasRolledBack) {
  make_tables(10);
  CopyParts parts(job(WriteMode::insert_missing));
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  parts.target->begin(chunk);
  parts.target->write(parts.transform(batch).rows);
  parts.target->rollback();

  const Error error = error_of([&] { parts.target->commit(chunk, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::stop);
  EXPECT_EQ(value("SELECT count(*) FROM b"), "0");
}

}  // namespace
}  // namespace backfill
