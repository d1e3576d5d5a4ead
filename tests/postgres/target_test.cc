#include "postgres/target.h"

#include <random>
#include <set>
#include <thread>

#include "copy_job.h"
#include "expect_error.h"
#include "postgres/ledger.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class TargetTest : public PostgresTest {
 protected:
  void make_tables(int count, const std::string& extra = "") {
    execute(
        "CREATE TABLE a (id int PRIMARY KEY, name text, at int); CREATE TABLE b (id int PRIMARY "
        "KEY, "
        "name text, at int" +
        extra + ")");
    execute("INSERT INTO a SELECT i, 'n' || i, i FROM generate_series(1, " + std::to_string(count) +
            ") i");
  }

  CopyJob job(WriteMode mode) {
    CopyJob made{.source_url = url(), .target_url = url()};
    made.mode = mode;
    return made;
  }

  // An update in place that sets name to its upper case.
  CopyJob in_place() {
    CopyJob made = job(WriteMode::update);
    made.target_table = "a";
    made.columns = {"id", "upper(name) as name"};
    return made;
  }
};

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

// How rows come into table b: `copy` straight, or by `insert` from the stage.
class InsertingTest : public TargetTest {
 protected:
  void SetUp() override {
    TargetTest::SetUp();
    make_tables(40);
    execute(
        "CREATE TABLE said (i serial, way text);"
        "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO said (way) "
        "SELECT CASE WHEN current_query() LIKE '%COPY%' THEN 'copy ' ELSE 'insert ' END "
        "|| count(*) FROM new_rows; RETURN NULL; END $$;"
        "CREATE TRIGGER say AFTER INSERT ON b REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION say()");
  }

  std::string ways() { return value("SELECT string_agg(way, ', ' ORDER BY i) FROM said"); }
};

TEST_F(InsertingTest, CopiesWhatIsMissingAndStagesOnlyWhatIsThere) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    execute("DELETE FROM b; INSERT INTO b VALUES (5, 'mine', 0), (6, 'mine', 0); DELETE FROM said");
    CopyParts parts(job(mode));

    const WriteReport report = parts.copy_all(20);

    const bool leaves = mode == WriteMode::insert_missing;
    EXPECT_EQ(ways(), leaves ? "copy 18, copy 20" : "copy 18, insert 0, copy 20");
    EXPECT_EQ(report.written, leaves ? 38 : 40);
    EXPECT_EQ(report.unchanged, leaves ? 2 : 0);
    EXPECT_EQ(value("SELECT string_agg(name, ' ' ORDER BY id) FROM b WHERE id BETWEEN 5 AND 6"),
              leaves ? "mine mine" : "n5 n6");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "40");
  }
}

TEST_F(InsertingTest, StagesAnUpsertOfRowsThatAreThereForTheMostPart) {
  execute("INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(1, 15) AS i; DELETE FROM said");
  CopyParts parts(job(WriteMode::upsert));

  EXPECT_EQ(parts.copy_all(20).written, 40);
  EXPECT_EQ(ways(), "insert 5, copy 20");
}

TEST_F(InsertingTest, CopiesNothingWhereEverythingIsThere) {
  execute("INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(1, 40) AS i; DELETE FROM said");
  CopyParts parts(job(WriteMode::insert_missing));

  const WriteReport report = parts.copy_all(20);

  EXPECT_EQ(report.written, 0);
  EXPECT_EQ(report.unchanged, 40);
  EXPECT_EQ(value("SELECT count(*) FROM said"), "0");
}

// The first look finds nothing, so the second batch is copied without one and meets a key.
TEST_F(InsertingTest, StagesABatchWithAKeyThatNoLookShowed) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    execute(
        "DELETE FROM b; INSERT INTO b VALUES (15, 'mine', 0), (25, 'mine', 0); DELETE FROM said");
    CopyParts parts(job(mode));

    const WriteReport report = parts.copy_all(10);

    const bool leaves = mode == WriteMode::insert_missing;
    EXPECT_EQ(ways(), leaves ? "copy 10, insert 9, copy 9, copy 10"
                             : "copy 10, insert 9, copy 9, insert 0, copy 10");
    EXPECT_EQ(report.written, leaves ? 38 : 40);
    EXPECT_EQ(value("SELECT name FROM b WHERE id = 15"), leaves ? "mine" : "n15");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "40");
  }
}

// Far more rows of others in the range than in the batch: the look is cut off, the result stays.
TEST_F(InsertingTest, IsRightWhereMostRowsOfTheRangeAreTheTargetsAlone) {
  execute(
      "DELETE FROM a WHERE id NOT IN (1, 40); UPDATE a SET id = 9000 WHERE id = 40;"
      "INSERT INTO b SELECT i, 'mine', 0 FROM generate_series(2, 9000) AS i");
  CopyParts parts(job(WriteMode::insert_missing));

  const WriteReport report = parts.copy_all(10);

  EXPECT_EQ(report.written, 1);
  EXPECT_EQ(report.unchanged, 1);
  EXPECT_EQ(value("SELECT count(*) FROM b"), "9000");
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

TEST_F(TargetTest, WritesAroundBadRowsWhereverTheyStand) {
  make_tables(64);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<std::size_t> some;
  while (some.size() < 5) some.insert(random() % 64);
  std::set<std::size_t> all;
  for (std::size_t i = 0; i < 64; ++i) all.insert(i);
  for (const std::set<std::size_t>& bad :
       {std::set<std::size_t>{}, {0}, {31}, {63}, {0, 63}, some, all}) {
    for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
      execute("TRUNCATE b; UPDATE a SET name = 'n' || id");
      for (const std::size_t row : bad) {
        execute("UPDATE a SET name = NULL WHERE id = " + std::to_string(row + 1));
      }
      execute("ALTER TABLE b ALTER COLUMN name SET NOT NULL");
      CopyParts parts(job(mode));
      const Chunk chunk = parts.plan(100).at(0);
      Batch batch;
      parts.source->read(chunk, batch);
      std::vector<RowReject> rejects;
      parts.target->begin(chunk);

      const WriteReport report =
          parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
      parts.target->commit(chunk, {});

      std::set<std::size_t> named;
      for (const RowReject& reject : rejects) {
        named.insert(reject.row);
        EXPECT_EQ(reject.code, "23502");
      }
      EXPECT_EQ(named, bad);
      EXPECT_EQ(report.written, static_cast<std::int64_t>(64 - bad.size()));
      EXPECT_EQ(value("SELECT count(*) FROM b"), std::to_string(64 - bad.size()));
    }
  }
}

TEST_F(TargetTest, KeepsConflictsApartFromRejectsInPlace) {
  make_tables(16);
  execute("ALTER TABLE a ADD CHECK (name <> 'N4')");
  CopyParts parts(in_place());
  const Chunk chunk = parts.plan(100).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  execute("UPDATE a SET name = 'live' WHERE id IN (3, 16)");
  std::vector<RowReject> rejects;
  parts.target->begin(chunk);

  const WriteReport report =
      parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
  parts.target->commit(chunk, {});

  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].row, 3u);
  EXPECT_EQ(report.conflicts, (std::vector<Key>{Key{{"3"}}, Key{{"16"}}}));
  EXPECT_EQ(report.written, 13);
}

TEST_F(TargetTest, RejectsARowThatBreaksADeferredConstraint) {
  make_tables(5);
  execute(
      "CREATE TABLE parent (at int PRIMARY KEY); INSERT INTO parent VALUES (1), (2), (4), (5); "
      "ALTER TABLE b ADD FOREIGN KEY (at) REFERENCES parent DEFERRABLE INITIALLY DEFERRED");
  CopyParts parts(job(WriteMode::insert));
  const Chunk chunk = parts.plan(10).at(0);
  Batch batch;
  parts.source->read(chunk, batch);
  std::vector<RowReject> rejects;
  parts.target->begin(chunk);

  parts.target->write_around_rejects(parts.transform(batch).rows, rejects);
  parts.target->commit(chunk, {});

  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].row, 2u);
  EXPECT_EQ(rejects[0].code, "23503");
  EXPECT_EQ(value("SELECT count(*) FROM b"), "4");
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

TEST_F(TargetTest, NotesAChunkInTheLedgerTogetherWithItsRows) {
  make_tables(10);
  CopyParts parts(job(WriteMode::insert));
  parts.write.ledger = LedgerSpec{"split", "run-1"};
  PostgresLedger ledger(url(), parts.write.table, *parts.write.ledger);
  ledger.prepare();
  ledger.prepare();
  PostgresTarget target(url(), "split", parts.write);
  const std::vector<Chunk> chunks = parts.plan(5);
  RowCounts counts;
  counts.read = 5;
  counts.written = 4;
  counts.skipped = 1;
  Batch batch;

  for (const Chunk& chunk : chunks) {
    parts.source->read(chunk, batch);
    target.begin(chunk);
    target.write(batch);
    if (chunk.ordinal == 0) target.commit(chunk, counts);
  }
  target.rollback();

  EXPECT_EQ(target.recorded(chunks[0]), counts);
  EXPECT_FALSE(target.recorded(chunks[1]));
  Chunk other = chunks[0];
  other.after = Key{{"3"}};
  EXPECT_FALSE(target.recorded(other));
  ASSERT_EQ(ledger.ranges().size(), 1u);
  EXPECT_EQ(ledger.ranges()[0].upto, chunks[0].upto);
  EXPECT_FALSE(ledger.ranges()[0].after);
  EXPECT_EQ(ledger.ranges()[0].rows, counts);
  ledger.prune({chunks[1].upto});
  EXPECT_EQ(ledger.ranges().size(), 1u);
  ledger.prune({chunks[0].upto});
  EXPECT_TRUE(ledger.ranges().empty());
}

TEST_F(TargetTest, ForgetsOnlyItsOwnJobsLedger) {
  make_tables(1);
  PostgresLedger mine(url(), "public.b", {"mine", "r"});
  PostgresLedger theirs(url(), "public.b", {"theirs", "r"});
  mine.prepare();
  execute(
      "INSERT INTO backfill_ledger SELECT j, '[\"1\"]', NULL, 'r', now(), 0, 0, 0, 0, 0, 0 "
      "FROM (VALUES ('mine'), ('theirs')) AS x(j)");

  mine.clear();

  EXPECT_TRUE(mine.ranges().empty());
  EXPECT_EQ(theirs.ranges().size(), 1u);
}

TEST_F(TargetTest, TellsADbaHowToMakeTheLedger) {
  make_tables(1);
  execute(
      "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; REVOKE CREATE ON SCHEMA public FROM "
      "public");
  PostgresLedger ledger(url("writer"), "public.b", {"job", "run"});

  const Error error = error_of([&] { ledger.prepare(); });

  EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
  const std::string text = error.what();
  const auto sql = text.find("CREATE TABLE");
  ASSERT_NE(sql, std::string::npos) << text;
  execute(text.substr(sql));
  EXPECT_NO_THROW(ledger.prepare());
  execute("DROP OWNED BY writer; DROP ROLE writer");
}

}  // namespace
}  // namespace backfill
