#include "sqlite/target.h"

#include <random>
#include <set>
#include <thread>

#include "backfill/wire.hpp"
#include "sqlite_file.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

using Rows = std::vector<std::string>;

WriteReport write_once(SqliteTarget& target, const Batch& rows) {
  target.begin(chunk_up_to("1"));
  const WriteReport report = target.write(rows);
  target.commit(chunk_up_to("1"), {});
  return report;
}

void expect_report(const WriteReport& report, std::int64_t written, std::int64_t unchanged) {
  EXPECT_EQ(report.written, written);
  EXPECT_EQ(report.unchanged, unchanged);
  EXPECT_TRUE(report.conflicts.empty());
}

TEST(SqliteTarget, CopiesEveryStorageClassByteForByte) {
  const std::string columns =
      "(id INTEGER PRIMARY KEY, a, b TEXT, c REAL, d BLOB, e INTEGER, f NUMERIC)";
  const SqliteFile from(
      "CREATE TABLE t " + columns +
      "; INSERT INTO t VALUES (1, 1, 'x', 1, X'00ff', -1, 1.0),"
      "(2, 1.0, '', -0.0, X'', 9223372036854775807, '1e400'),"
      "(3, '1', 'it''s', 5e-324, 'text', 'text', 0.1),"
      "(4, CAST(X'610062' AS TEXT), CAST(X'ff' AS TEXT), 9e999, 1.5, 1e300, X'01'),"
      "(5, X'', '😀', -9e999, NULL, NULL, NULL), (-6, NULL, NULL, NULL, 0, 0, '0x10')");
  const SqliteFile into("CREATE TABLE t " + columns);
  SqliteSource source(from.path(), from.read_spec("t"));
  Batch batch;
  source.read(chunk_up_to("5"), batch);
  const std::string all =
      "SELECT id, a, b, c, d, e, f, hex(a), hex(b), typeof(c), typeof(d), typeof(e), typeof(f) "
      "FROM t";

  SqliteTarget target(into.path(), into.write_spec("t", WriteMode::insert_missing));
  expect_report(write_once(target, batch), 6, 0);

  EXPECT_EQ(into.rows(all), from.rows(all));
  SqliteTarget again(into.path(), into.write_spec("t", WriteMode::upsert));
  expect_report(write_once(again, batch), 0, 6);
  SqliteTarget update(into.path(), into.write_spec("t", WriteMode::update));
  expect_report(write_once(update, batch), 0, 6);
}

TEST(SqliteTarget, UpdateWritesRowsThatAreThereAndRepeatsWithoutHarm) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::update));
  const Batch rows = batch_of("VALUES (1, 'A'), (2, 'b'), (3, 'C')");

  expect_report(write_once(target, rows), 1, 2);
  expect_report(write_once(target, rows), 0, 3);

  EXPECT_EQ(file.rows("SELECT * FROM t"), (Rows{"1|'A'", "2|'b'"}));
}

TEST(SqliteTarget, UpdateSeesThroughCollationAndStorageClass) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, c INTEGER);"
      "INSERT INTO t VALUES (1, 'x', 1, 5), (2, 'x', 1, 5), (3, 'x', 1, 5)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::update));

  expect_report(
      write_once(target, batch_of("VALUES (1, 'X', 1, 5), (2, 'x', 1.0, 5), (3, 'x', 1, '5')")), 2,
      1);

  EXPECT_EQ(file.rows("SELECT * FROM t"), (Rows{"1|'X'|1|5", "2|'x'|1.0|5", "3|'x'|1|5"}));
}

TEST(SqliteTarget, AGuardThatNoLongerHoldsIsAConflict) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v, name TEXT COLLATE NOCASE);"
      "INSERT INTO t VALUES (1, 'old', 'ann'), (2, 'old', 'BOB'), (3, 'new', 'cy'), (4, 'old', "
      "NULL), (6, 'old', 7)");
  WriteSpec spec = file.write_spec("t", WriteMode::update, {"name"});
  spec.columns.erase(spec.columns.begin() + 2);
  SqliteTarget target(file.path(), spec);

  const WriteReport report =
      write_once(target, batch_of("VALUES (1, 'new', 'ann'), (2, 'new', 'bob'), (3, 'new', 'cy'), "
                                  "(4, 'new', NULL), (5, 'new', 'x'), "
                                  "(6, 'new', 7)"));

  EXPECT_EQ(report.written, 2);
  EXPECT_EQ(report.unchanged, 1);
  EXPECT_EQ(report.conflicts, (std::vector<Key>{key_of({"2"}), key_of({"5"}), key_of({"6"})}));
  EXPECT_EQ(file.rows("SELECT id, v FROM t"),
            (Rows{"1|'new'", "2|'old'", "3|'new'", "4|'new'", "6|'old'"}));
}

TEST(SqliteTarget, InsertMissingLeavesRowsThatAreThere) {
  const SqliteFile file(
      "CREATE TABLE t (a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID;"
      "INSERT INTO t VALUES ('x', 1, 'newer')");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert_missing));
  const Batch rows = batch_of("VALUES ('x', 1, 'older'), ('x', 2, 'v')");

  expect_report(write_once(target, rows), 1, 1);
  expect_report(write_once(target, rows), 0, 2);

  EXPECT_EQ(file.rows("SELECT * FROM t"), (Rows{"'x'|1|'newer'", "'x'|2|'v'"}));
}

TEST(SqliteTarget, UpsertOverwritesWhatDiffersOnly) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v, r REAL); INSERT INTO t VALUES (1, 'a', 1), (2, "
      "1, 2)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::upsert));
  const Batch rows = batch_of("VALUES (1, 'a', 1), (2, 1.0, 2), (3, NULL, NULL)");

  expect_report(write_once(target, rows), 2, 1);
  expect_report(write_once(target, rows), 0, 3);

  EXPECT_EQ(file.rows("SELECT * FROM t"), (Rows{"1|'a'|1.0", "2|1.0|2.0", "3|NULL|NULL"}));
}

TEST(SqliteTarget, UpsertWithAVersionNeverTakesAnOlderRow) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v, at TEXT);"
      "INSERT INTO t VALUES (1, 'x', '2026-02'), (2, 'x', '2026-02'), (3, 'x', '2026-02'), (4, "
      "'x', NULL)");
  WriteSpec spec = file.write_spec("t", WriteMode::upsert);
  spec.version_column = "AT";
  SqliteTarget target(file.path(), spec);

  write_once(target,
             batch_of("VALUES (1, 'y', '2026-01'), (2, 'y', '2026-02'), (3, 'y', '2026-03'), "
                      "(4, 'y', '2026-01'), (5, 'y', '2026-01')"));

  EXPECT_EQ(file.rows("SELECT id, v FROM t"), (Rows{"1|'x'", "2|'x'", "3|'y'", "4|'y'", "5|'y'"}));
  spec.version_column = "missing";
  EXPECT_EQ(error_of([&] { SqliteTarget(file.path(), spec); }).exit_code(), ExitCode::unsafe);
}

TEST(SqliteTarget, InsertRefusesARowThatIsThereAndUndoesTheBatch) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (2, 'x')");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));
  target.begin(chunk_up_to("2"));

  const Error error = error_of([&] { target.write(batch_of("VALUES (1, 'a'), (2, 'b')")); });

  EXPECT_EQ(error.kind(), ErrorKind::reject);
  EXPECT_EQ(error.code(), "SQLITE_CONSTRAINT_PRIMARYKEY");
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{"2|'x'"});
  EXPECT_EQ(error_of([&] { target.commit(chunk_up_to("2"), {}); }).kind(), ErrorKind::stop);
}

TEST(SqliteTarget, AbsorbsConflictsOnTheKeyOnlyWhateverTheTableDeclares) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, email UNIQUE ON CONFLICT "
      "REPLACE,"
      "name NOT NULL ON CONFLICT IGNORE); INSERT INTO t VALUES (1, 'a', 'n'), (2, 'b', 'n')");
  const Batch same_email = batch_of("VALUES (3, 'a', 'n')");
  const Batch no_name = batch_of("VALUES (3, 'c', NULL)");
  const Batch same_key = batch_of("VALUES (1, 'z', 'm')");

  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
    SqliteTarget target(file.path(), file.write_spec("t", mode));
    for (const Batch* rows : {&same_email, &no_name}) {
      target.begin(chunk_up_to("3"));
      EXPECT_EQ(error_of([&] { target.write(*rows); }).kind(), ErrorKind::reject);
    }
  }
  SqliteTarget insert_missing(file.path(), file.write_spec("t", WriteMode::insert_missing));
  expect_report(write_once(insert_missing, same_key), 0, 1);
  SqliteTarget update(file.path(), file.write_spec("t", WriteMode::update));
  update.begin(chunk_up_to("3"));
  EXPECT_EQ(error_of([&] { update.write(batch_of("VALUES (1, 'b', 'n')")); }).code(),
            "SQLITE_CONSTRAINT_UNIQUE");

  EXPECT_EQ(file.rows("SELECT * FROM t"), (Rows{"1|'a'|'n'", "2|'b'|'n'"}));
}

TEST(SqliteTarget, FindsTheRowByTheKeysOwnCollation) {
  const SqliteFile file(
      "CREATE TABLE t (a TEXT NOT NULL, v); CREATE UNIQUE INDEX t_a ON t (a COLLATE NOCASE);"
      "INSERT INTO t VALUES ('Ann', 1)");
  SqliteConnection connection = file.connect();
  const TableFacts facts = inspect_table(connection, "t", {"a"}, "");
  WriteSpec spec;
  spec.table = "t";
  spec.columns = {{facts.columns[0], facts.columns[0], WriteColumn::Role::key, 0, -1},
                  {facts.columns[1], facts.columns[1], WriteColumn::Role::value, 1, -1}};

  for (const WriteMode mode : {WriteMode::update, WriteMode::upsert, WriteMode::insert_missing}) {
    spec.mode = mode;
    SqliteTarget target(file.path(), spec);
    write_once(target, batch_of("VALUES ('ANN', 2)"));
    EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{"'Ann'|2"});
  }
}

TEST(SqliteTarget, WritesPostgresValuesAsPostgresPrintsThem) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  const auto with_kind = [&](Kind kind, std::string bytes) {
    file.run("DELETE FROM t");
    WriteSpec spec = file.write_spec("t", WriteMode::insert);
    spec.columns[0].column.dynamic = false;
    spec.columns[1].column.dynamic = false;
    spec.columns[1].column.kind = kind;
    char id[8];
    wire::write_int64(id, 1);
    Batch batch;
    batch.begin_tuple(2);
    batch.append_field({id, 8});
    batch.append_field(bytes);
    SqliteTarget target(file.path(), spec);
    write_once(target, batch);
    return file.rows("SELECT v FROM t").at(0);
  };
  const auto big_endian = [](auto value) {
    std::string bytes(sizeof value, '\0');
    wire::store_big_endian(
        bytes.data(),
        std::bit_cast<std::conditional_t<
            sizeof value == 8, std::uint64_t,
            std::conditional_t<sizeof value == 4, std::uint32_t, std::uint16_t>>>(value));
    return bytes;
  };

  EXPECT_EQ(with_kind(Kind::boolean, "\x01"), "1");
  EXPECT_EQ(with_kind(Kind::int16, big_endian(std::int16_t{-2})), "-2");
  EXPECT_EQ(with_kind(Kind::int32, big_endian(std::int32_t{-2})), "-2");
  EXPECT_EQ(with_kind(Kind::float32, big_endian(0.5F)), "0.5");
  EXPECT_EQ(with_kind(Kind::float64, big_endian(0.1)), "0.1");
  EXPECT_EQ(with_kind(Kind::text, "it's"), "'it''s'");
  EXPECT_EQ(with_kind(Kind::jsonb, "\x01{}"), "'{}'");
  EXPECT_EQ(with_kind(Kind::bytes, "\xff"), "X'ff'");
  EXPECT_EQ(with_kind(Kind::date, big_endian(std::int32_t{31})), "'2000-02-01'");
  EXPECT_EQ(with_kind(Kind::timestamp, big_endian(std::int64_t{1'500'000})),
            "'2000-01-01 00:00:01.5'");
  EXPECT_EQ(with_kind(Kind::timestamptz, big_endian(std::int64_t{0})), "'2000-01-01 00:00:00+00'");
  EXPECT_EQ(with_kind(Kind::numeric, wire::numeric_bytes("-12.50")), "'-12.50'");
  EXPECT_EQ(with_kind(Kind::uuid, std::string(16, '\x11')),
            "'11111111-1111-1111-1111-111111111111'");
  EXPECT_EQ(error_of([&] { with_kind(Kind::int32, "abc"); }).kind(), ErrorKind::stop);
  EXPECT_EQ(error_of([&] { with_kind(Kind::other, "abc"); }).kind(), ErrorKind::stop);
}

TEST(SqliteTarget, WritesAroundExactlyTheRowsThatAreRefused) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<std::set<std::size_t>> cases{{0}, {31}, {62}, {0, 31, 62}, {4, 5, 6, 7}};
  cases.emplace_back();
  for (int i = 0; i < 5; ++i) cases.back().insert(random() % 63);

  for (const auto& bad : cases) {
    const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (v > 0))");
    SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert_missing));
    std::string sql = "VALUES ";
    for (std::size_t row = 0; row < 63; ++row)
      sql += (row == 0 ? "(" : ", (") + std::to_string(row) + (bad.count(row) ? ", -1)" : ", 1)");
    std::vector<RowReject> rejects;

    target.begin(chunk_up_to("62"));
    const WriteReport report = target.write_around_rejects(batch_of(sql), rejects);
    target.commit(chunk_up_to("62"), {});

    std::set<std::size_t> found;
    for (const RowReject& reject : rejects) {
      found.insert(reject.row);
      EXPECT_EQ(reject.code, "SQLITE_CONSTRAINT_CHECK");
      EXPECT_NE(reject.message.find("CHECK constraint failed"), std::string::npos);
    }
    EXPECT_EQ(found, bad);
    EXPECT_EQ(report.written, static_cast<std::int64_t>(63 - bad.size()));
    EXPECT_EQ(file.rows("SELECT count(*) FROM t"), Rows{std::to_string(63 - bad.size())});
  }
}

TEST(SqliteTarget, StopsWhenATriggerRollsTheBatchBack) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.v "
      "= 0 "
      "BEGIN SELECT RAISE(ROLLBACK, 'no zeros'); END");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert_missing));
  std::vector<RowReject> rejects;
  target.begin(chunk_up_to("3"));

  const Error error = error_of(
      [&] { target.write_around_rejects(batch_of("VALUES (1, 1), (2, 0), (3, 1)"), rejects); });

  EXPECT_EQ(error.kind(), ErrorKind::stop);
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{});
}

TEST(SqliteTarget, NothingIsVisibleBeforeTheCommitOrAfterARollback) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));
  const Batch rows = batch_of("VALUES (1, 'a')");

  target.begin(chunk_up_to("1"));
  target.write(rows);
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{});
  target.rollback();
  target.rollback();
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{});

  write_once(target, rows);
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{"1|'a'"});
}

TEST(SqliteTarget, ACancelEndsTheWaitForAnotherWriter) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));
  SqliteConnection other = file.connect();
  {
    const SqliteTransaction held(other);
    std::atomic<bool> over = false;
    std::thread canceller([&] {
      while (!over) target.cancel();
    });
    EXPECT_EQ(error_of([&] { target.begin(chunk_up_to("1")); }).kind(), ErrorKind::cancelled);
    over = true;
    canceller.join();
  }

  EXPECT_EQ(write_once(target, batch_of("VALUES (1, 'a')")).written, 1);
}

TEST(SqliteTarget, WaitsForItsTurnAmongTheTargetsOfTheProcess) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  const auto work = [&file](int first) {
    SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));
    for (int id = first; id < first + 50; ++id)
      write_once(target, batch_of("VALUES (" + std::to_string(id) + ", 'a')"));
  };
  {
    std::jthread first([&] { work(0); });
    std::jthread second([&] { work(100); });
    std::jthread third([&] { work(200); });
  }

  EXPECT_EQ(file.rows("SELECT count(*) FROM t"), Rows{"150"});
}

TEST(SqliteTarget, GivesItsTurnBackHoweverABatchEnds) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));
  SqliteTarget other(file.path(), file.write_spec("t", WriteMode::insert_missing));
  const Batch rows = batch_of("VALUES (1, 'a')");

  EXPECT_EQ(error_of([&] { write_once(target, rows); }).kind(), ErrorKind::reject);
  expect_report(write_once(other, rows), 0, 1);

  target.begin(chunk_up_to("1"));
  target.rollback();
  expect_report(write_once(other, rows), 0, 1);

  {
    SqliteConnection holder = file.connect();
    const SqliteTransaction held(holder);
    std::jthread canceller([&target](std::stop_token stop) {
      while (!stop.stop_requested()) target.cancel();
    });
    EXPECT_EQ(error_of([&] { target.begin(chunk_up_to("1")); }).kind(), ErrorKind::cancelled);
  }
  expect_report(write_once(other, rows), 0, 1);

  {
    SqliteTarget left(file.path(), file.write_spec("t", WriteMode::insert));
    left.begin(chunk_up_to("1"));
  }
  expect_report(write_once(other, rows), 0, 1);
}

TEST(SqliteTarget, CountsARowThatATriggerPassesOverAsUnchanged) {
  const SqliteFile file(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE log (id); CREATE TRIGGER odd "
      "BEFORE "
      "INSERT ON t WHEN NEW.id % 2 BEGIN SELECT RAISE(IGNORE); END; CREATE TRIGGER noted AFTER "
      "INSERT ON t BEGIN INSERT INTO log VALUES (NEW.id); END");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert_missing));

  expect_report(write_once(target, batch_of("VALUES (1, 1), (2, 2), (3, 3), (4, 4)")), 2, 2);

  EXPECT_EQ(file.rows("SELECT id FROM log"), (Rows{"2", "4"}));
}

TEST(SqliteTarget, AFaultBeforeTheCommitLeavesNothingAndOneAfterItLeavesAll) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert_missing));
  const Batch rows = batch_of("VALUES (1, 'a')");

  set_failpoints("target.before_commit=error");
  EXPECT_EQ(error_of([&] { write_once(target, rows); }).kind(), ErrorKind::retry);
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{});
  set_failpoints("target.after_commit=error");
  EXPECT_EQ(error_of([&] { write_once(target, rows); }).kind(), ErrorKind::retry);
  set_failpoints("");

  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{"1|'a'"});
  target.reconnect();
  expect_report(write_once(target, rows), 0, 1);
}

TEST(SqliteTarget, WritesNothingOutsideATransaction) {
  const SqliteFile file("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  SqliteTarget target(file.path(), file.write_spec("t", WriteMode::insert));

  EXPECT_EQ(error_of([&] { target.write(batch_of("VALUES (1, 'a')")); }).kind(), ErrorKind::stop);
  EXPECT_EQ(error_of([&] { target.lock({key_of({"1"})}); }).kind(), ErrorKind::stop);
  EXPECT_EQ(file.rows("SELECT * FROM t"), Rows{});
}

}  // namespace
}  // namespace backfill
