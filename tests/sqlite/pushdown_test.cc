// Chunks that are written by one statement inside the file.

#include "pushdown_job.h"
#include "sqlite/ledger.h"

namespace backfill {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTables =
    "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, n);"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100) "
    "INSERT INTO a SELECT i, 'n' || i, i FROM c;"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, name TEXT CHECK (length(name) < 9), n REAL);";

void expect_counts(const RowCounts& rows, std::int64_t read, std::int64_t written) {
  EXPECT_EQ(rows.read, read);
  EXPECT_EQ(rows.written, written);
  EXPECT_EQ(rows.unchanged, read - written);
}

// Runs a job as the program would: pushed down if it may be.
RowCounts run(const SqliteFile& file, const PushdownJob& job) {
  const PushdownRun run(file, job);
  EXPECT_TRUE(run.may_be_pushed_down());
  return run.push_down();
}

TEST(SqlitePushdown, InsertsWhatIsMissing) {
  const SqliteFile file(std::string(kTables) + "INSERT INTO b VALUES (7, 'mine', 0)");
  expect_counts(run(file, {}), 100, 99);
  EXPECT_EQ(file.rows("SELECT name FROM b WHERE id = 7"), Rows{"'mine'"});
  EXPECT_EQ(file.rows("SELECT count(*) FROM b JOIN a USING (id, name) WHERE a.n = b.n"),
            Rows{"99"});
  expect_counts(run(file, {}), 100, 0);
}

TEST(SqlitePushdown, UpsertsWhatDiffersAndIsNewer) {
  const SqliteFile file(kTables);
  run(file, {});
  file.run("UPDATE b SET name = 'old' WHERE id IN (3, 60); UPDATE b SET n = 99 WHERE id = 3");
  PushdownJob job;
  job.mode = WriteMode::upsert;
  job.version_column = "n";
  expect_counts(run(file, job), 100, 0);
  job.version_column = "";
  expect_counts(run(file, job), 100, 2);
  EXPECT_EQ(file.rows("SELECT count(*) FROM b JOIN a USING (id, name, n)"), Rows{"100"});
}

TEST(SqlitePushdown, TakesExpressionsAndWhere) {
  const SqliteFile file(kTables);
  PushdownJob job;
  job.items = {"id", "upper(a.name) -- all of it\nas name", "n * 2 -- twice\nas n"};
  job.where = "id % 2 = 0 -- even";
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert}) {
    job.mode = mode;
    expect_counts(run(file, job), 50, mode == WriteMode::insert_missing ? 50 : 0);
  }
  EXPECT_EQ(file.rows("SELECT * FROM b WHERE id < 3"), Rows{"2|'N2'|4.0"});
}

TEST(SqlitePushdown, SetsColumnsInPlace) {
  const SqliteFile file(std::string(kTables) +
                        "ALTER TABLE a ADD first TEXT; UPDATE a SET first = 'N5' WHERE id = 5");
  PushdownJob job;
  job.target = "a";
  job.mode = WriteMode::update;
  job.items = {"id", "upper(a.name) -- of it\nas first"};
  job.where = "first IS NULL OR id = 5 -- all";

  expect_counts(run(file, job), 100, 99);

  EXPECT_EQ(file.rows("SELECT count(*) FROM a WHERE first = upper(name)"), Rows{"100"});
  expect_counts(run(file, job), 1, 0);
}

// '01' and 1 are not the same text; a comparison of numbers would say so.
TEST(SqlitePushdown, ComparesAsABatchDoes) {
  const SqliteFile file(
      "CREATE TABLE a (id INTEGER PRIMARY KEY, t TEXT, u, v COLLATE NOCASE, w);"
      "INSERT INTO a VALUES (1, '01', 1, 'X', 'X'), (2, '2', 1, 'x', 'x'), (3, '3', 1.0, 'x', "
      "'X')");
  PushdownJob job;
  job.target = "a";
  job.mode = WriteMode::update;
  job.items = {"id", "id as t", "+1.0 as u", "+w as v"};
  expect_counts(run(file, job), 3, 3);
  EXPECT_EQ(file.rows("SELECT t, u, v FROM a"),
            (Rows{"'1'|1.0|'X'", "'2'|1.0|'x'", "'3'|1.0|'X'"}));
  expect_counts(run(file, job), 3, 0);
}

TEST(SqlitePushdown, CountsRowsThatCameAfterTheChunkWasCut) {
  const SqliteFile file(std::string(kTables) + "DELETE FROM a WHERE id = 50");
  const PushdownRun run(file, {});
  SqliteTarget target(file.path(), run.pushed());
  const Chunk chunk = run.plan(100).at(0);
  file.run("INSERT INTO a VALUES (50, 'new', 1)");

  target.begin(chunk);
  expect_counts(target.write_from_source(chunk).rows, 100, 100);
}

TEST(SqlitePushdown, RefusesARowAsABatchDoesAndUndoesTheChunk) {
  for (const WriteMode mode : {WriteMode::insert, WriteMode::upsert}) {
    const SqliteFile file(std::string(kTables) +
                          "UPDATE a SET name = 'far too long' WHERE id = 40");
    PushdownJob job;
    job.mode = mode;
    const Error error = error_of([&] { run(file, job); });
    EXPECT_EQ(error.kind(), ErrorKind::reject);
    EXPECT_EQ(error.code(), "SQLITE_CONSTRAINT_CHECK");
    const Error of_rows = error_of([&] { PushdownRun(file, job).carry_rows(); });
    if (mode == WriteMode::upsert) {
      EXPECT_STREQ(error.what(), of_rows.what());
    }
    EXPECT_EQ(file.rows("SELECT count(*) FROM b"), Rows{"30"});
  }
}

TEST(SqlitePushdown, NotesTheChunkInTheLedger) {
  const SqliteFile file(kTables);
  SqliteLedger ledger(file.path(), "copy");
  ledger.prepare();
  PushdownJob job;
  job.mode = WriteMode::insert;
  const PushdownRun run(file, job);
  WriteSpec spec = run.pushed();
  spec.ledger = LedgerSpec{"copy", "run-1"};
  SqliteTarget target(file.path(), spec);
  const Chunk chunk = run.plan(100).at(0);

  target.begin(chunk);
  const RowCounts rows = target.write_from_source(chunk).rows;
  target.commit(chunk, rows);

  ASSERT_TRUE(target.recorded(chunk));
  EXPECT_EQ(target.recorded(chunk)->written, 100);
  EXPECT_EQ(target.statements().at(0).purpose, "write a chunk");
}

TEST(SqlitePushdown, WritesNothingOutsideATransaction) {
  const SqliteFile file(kTables);
  const PushdownRun run(file, {});
  SqliteTarget target(file.path(), run.pushed());
  EXPECT_EQ(error_of([&] { target.write_from_source(run.plan(9).at(0)); }).kind(), ErrorKind::stop);
  EXPECT_EQ(file.rows("SELECT count(*) FROM b"), Rows{"0"});
}

TEST(SqlitePushdown, GoesOnAfterAReconnect) {
  const SqliteFile file(kTables);
  const PushdownRun run(file, {});
  SqliteTarget target(file.path(), run.pushed());
  const Chunk chunk = run.plan(100).at(0);
  target.begin(chunk);
  target.reconnect();
  target.begin(chunk);
  expect_counts(target.write_from_source(chunk).rows, 100, 100);
}

// A subquery sees the target as it was before the chunk.
TEST(SqlitePushdown, ReadsTheTargetBeforeItWrites) {
  const SqliteFile file(kTables);
  PushdownJob job;
  job.items = {"id", "name", "(SELECT count(*) FROM b) as n"};
  run(file, job);
  EXPECT_EQ(file.rows("SELECT n, count(*) FROM b GROUP BY n"),
            (Rows{"0.0|30", "30.0|30", "60.0|30", "90.0|10"}));
}

TEST(SqlitePushdown, LeavesUpdatesToRowsWhereItWouldDoOtherwise) {
  const SqliteFile file(
      "CREATE TABLE a (id INTEGER PRIMARY KEY, v, w UNIQUE);"
      "CREATE TABLE b (id INTEGER PRIMARY KEY, v);"
      "CREATE TRIGGER t AFTER UPDATE ON b BEGIN DELETE FROM b WHERE id > NEW.id; END");
  const auto pushes = [&file](const std::string& from, const std::string& to, WriteMode mode,
                              const std::string& item, const std::string& where = "") {
    PushdownJob job;
    job.source = from;
    job.target = to;
    job.mode = mode;
    job.items = {"id", item};
    job.where = where;
    return PushdownRun(file, job).may_be_pushed_down();
  };

  EXPECT_TRUE(pushes("a", "a", WriteMode::update, "lower(v) as w"));
  EXPECT_FALSE(pushes("a", "a", WriteMode::update, "(SELECT max(v) FROM a) as v"));
  EXPECT_FALSE(pushes("a", "a", WriteMode::update, "lower(v) as w", "id IN (SELECT v FROM a)"));
  EXPECT_FALSE(pushes("b", "b", WriteMode::update, "lower(v) as v"));
  EXPECT_FALSE(pushes("a", "b", WriteMode::update, "v"));
  EXPECT_TRUE(pushes("a", "b", WriteMode::upsert, "(SELECT max(v) FROM b) as v"));
}

TEST(SqlitePushdown, KnowsASubqueryByItsWords) {
  for (const char* sql : {"(select 1)", "x IN t", "x in\"t\"", "EXISTS(SELECT 1)", "x IN -- (\nt"})
    EXPECT_TRUE(may_read_a_table(sql)) << sql;
  for (const char* sql :
       {"", "selected", "x IN (1, 2)", "within + inner_in", "x in\n(1)", "lower(x)"})
    EXPECT_FALSE(may_read_a_table(sql)) << sql;
}

}  // namespace
}  // namespace backfill
