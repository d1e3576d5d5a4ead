// Chunks that are written by one statement inside the server.

#include "copy_job.h"
#include "expect_error.h"
#include "postgres/ledger.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class Pushdown : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE a (id bigint PRIMARY KEY, name text, n numeric(6,2));"
        "INSERT INTO a SELECT i, 'n' || i, i FROM generate_series(1, 100) AS i;"
        "CREATE TABLE b (id bigint PRIMARY KEY, name varchar(8), n int)");
  }

  // What became of the rows, chunk after chunk.
  RowCounts run(CopyJob job, std::int64_t chunk_keys = 30) {
    job.source_url = job.target_url = url();
    CopyParts parts(job);
    parts.write.from = parts.read;
    PostgresTarget target(url(), "copy", parts.write);
    RowCounts sum;
    for (const Chunk& chunk : parts.plan(chunk_keys)) {
      target.begin(chunk);
      const RowCounts rows = target.write_from_source(chunk).rows;
      target.commit(chunk, rows);
      sum += rows;
    }
    return sum;
  }

  std::string all_of_b() {
    return value("SELECT string_agg(id || name || n, ' ' ORDER BY id) FROM b");
  }
};

TEST_F(Pushdown, InsertsWhatIsMissing) {
  execute("INSERT INTO b VALUES (7, 'mine', 0)");
  const RowCounts rows = run({});
  EXPECT_EQ(rows.read, 100);
  EXPECT_EQ(rows.written, 99);
  EXPECT_EQ(rows.unchanged, 1);
  EXPECT_EQ(value("SELECT name FROM b WHERE id = 7"), "mine");
  EXPECT_EQ(value("SELECT count(*) FROM b JOIN a USING (id, name) WHERE a.n = b.n"), "99");
}

// The first look finds nothing, so the second chunk is inserted without one and meets a key.
TEST_F(Pushdown, GoesOnWhereAKeyIsThereThatNoLookShowed) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    execute("TRUNCATE b; INSERT INTO b VALUES (45, 'mine', 0)");
    CopyJob job;
    job.mode = mode;
    const bool leaves = mode == WriteMode::insert_missing;
    EXPECT_EQ(run(job).written, leaves ? 99 : 100);
    EXPECT_EQ(value("SELECT name FROM b WHERE id = 45"), leaves ? "mine" : "n45");
    EXPECT_EQ(value("SELECT count(*) FROM b"), "100");
  }
}

TEST_F(Pushdown, UpsertsAndLeavesEqualRowsAlone) {
  run({});
  execute("UPDATE b SET name = 'old' WHERE id IN (3, 60)");
  CopyJob job;
  job.mode = WriteMode::upsert;
  const RowCounts rows = run(job);
  EXPECT_EQ(rows.written, 2);
  EXPECT_EQ(rows.unchanged, 98);
  EXPECT_EQ(value("SELECT count(*) FROM b JOIN a USING (id, name)"), "100");
}

TEST_F(Pushdown, UpdatesAnotherTableWhereARowIsThere) {
  execute("INSERT INTO b VALUES (3, 'old', 3), (200, 'old', 0)");
  CopyJob job;
  job.mode = WriteMode::update;
  const RowCounts rows = run(job);
  EXPECT_EQ(rows.read, 100);
  EXPECT_EQ(rows.written, 1);
  EXPECT_EQ(all_of_b(), "3n33 200old0");
}

TEST_F(Pushdown, TakesExpressionsAndWhere) {
  CopyJob job;
  job.columns = {"id", "upper(a.name) -- all of it\nas name", "n * 2 as n"};
  job.where = "id % 2 = 0 -- even";
  const RowCounts rows = run(job);
  EXPECT_EQ(rows.read, 50);
  EXPECT_EQ(rows.written, 50);
  EXPECT_EQ(value("SELECT name || n FROM b WHERE id = 10"), "N1020");
}

TEST_F(Pushdown, SetsColumnsInPlace) {
  execute("ALTER TABLE a ADD first text; UPDATE a SET first = 'N5' WHERE id = 5");
  CopyJob job;
  job.target_table = "a";
  job.mode = WriteMode::update;
  job.columns = {"id", "upper(a.name) as first"};
  job.where = "first IS NULL OR id = 5";

  const RowCounts rows = run(job);

  EXPECT_EQ(rows.read, 100);
  EXPECT_EQ(rows.written, 99);
  EXPECT_EQ(rows.unchanged, 1);
  EXPECT_EQ(value("SELECT count(*) FROM a WHERE first = upper(name)"), "100");
  EXPECT_EQ(run(job).read, 1);
}

TEST_F(Pushdown, CountsRowsThatCameAfterTheChunkWasCut) {
  CopyJob job;
  job.source_url = job.target_url = url();
  CopyParts parts(job);
  parts.write.from = parts.read;
  PostgresTarget target(url(), "copy", parts.write);
  execute("DELETE FROM a WHERE id = 50");
  const Chunk chunk = parts.plan(100).at(0);
  execute("INSERT INTO a VALUES (50, 'new', 1)");

  target.begin(chunk);
  const RowCounts rows = target.write_from_source(chunk).rows;

  EXPECT_EQ(rows.read, 100);
  EXPECT_EQ(rows.written, 100);
}

TEST_F(Pushdown, RefusesARowAsABatchDoes) {
  execute("UPDATE a SET name = 'far too long' WHERE id = 40");
  const Error error = error_of([&] { run({}); });
  EXPECT_EQ(error.kind(), ErrorKind::reject);
  EXPECT_EQ(error.code(), "22001");
  EXPECT_EQ(value("SELECT count(*) FROM b"), "30");
}

TEST_F(Pushdown, NotesTheChunkInTheLedger) {
  CopyJob job;
  job.source_url = job.target_url = url();
  job.mode = WriteMode::insert;
  CopyParts parts(job);
  parts.write.from = parts.read;
  parts.write.ledger = LedgerSpec{"copy", "run-1"};
  PostgresLedger ledger(url(), parts.write.table, *parts.write.ledger);
  ledger.prepare();
  PostgresTarget target(url(), "copy", parts.write);
  const Chunk chunk = parts.plan(100).at(0);

  target.begin(chunk);
  const RowCounts rows = target.write_from_source(chunk).rows;
  target.commit(chunk, rows);

  ASSERT_TRUE(target.recorded(chunk));
  EXPECT_EQ(target.recorded(chunk)->written, 100);
}

}  // namespace
}  // namespace backfill
