#include "sqlite/connection.h"

#include <thread>

#include "sqlite_file.h"

namespace backfill {
namespace {

using Mode = SqliteConnection::Mode;

TEST(SqliteUrl, GivesThePathBehindItsScheme) {
  EXPECT_TRUE(is_sqlite_url("sqlite:shop.db"));
  EXPECT_FALSE(is_sqlite_url("postgresql:///shop"));
  EXPECT_EQ(sqlite_path("sqlite:/var/lib/shop.db"), "/var/lib/shop.db");
  EXPECT_EQ(error_of([] { sqlite_path("sqlite:"); }).exit_code(), ExitCode::usage);
}

TEST(SqliteConnection, NeverMakesAFileUnlessAskedTo) {
  const SqliteFile file;
  const std::string missing = file.path() + ".missing";

  for (const Mode mode : {Mode::read_only, Mode::read_write}) {
    const Error error = error_of([&] { SqliteConnection(missing, mode); });
    EXPECT_EQ(error.kind(), ErrorKind::stop);
    EXPECT_EQ(error.code(), "SQLITE_CANTOPEN");
  }

  EXPECT_FALSE(std::filesystem::exists(missing));
}

TEST(SqliteConnection, RefusesToWriteWhenOpenedToRead) {
  const SqliteFile file("CREATE TABLE t (a)");
  SqliteConnection connection(file.path(), Mode::read_only);

  const Error error = error_of([&] { connection.execute("INSERT INTO t VALUES (1)"); });

  EXPECT_EQ(error.code(), "SQLITE_READONLY");
  EXPECT_EQ(error.kind(), ErrorKind::stop);
}

TEST(SqliteConnection, NamesTheExtendedCodeOfABrokenConstraintAndAsksForAReject) {
  const SqliteFile file(
      "CREATE TABLE t (a UNIQUE, b NOT NULL DEFAULT 0, c CHECK (c > 0)); INSERT INTO t VALUES (1, "
      "1, 1)");
  SqliteConnection connection(file.path(), Mode::read_write);
  const auto code_of = [&](const std::string& sql) {
    const Error error = error_of([&] { connection.execute(sql); });
    EXPECT_EQ(error.kind(), ErrorKind::reject) << sql;
    return error.code();
  };

  EXPECT_EQ(code_of("INSERT INTO t (a) VALUES (1)"), "SQLITE_CONSTRAINT_UNIQUE");
  EXPECT_EQ(code_of("INSERT INTO t (b) VALUES (NULL)"), "SQLITE_CONSTRAINT_NOTNULL");
  EXPECT_EQ(code_of("INSERT INTO t (c) VALUES (-1)"), "SQLITE_CONSTRAINT_CHECK");
}

TEST(SqliteConnection, StopsOnAFileThatIsNoDatabase) {
  const SqliteFile file;
  std::filesystem::resize_file(file.path(), 0);
  FILE* out = fopen(file.path().c_str(), "w");
  fputs("This is a letter, long enough to be looked at, and no database at all.\n", out);
  for (int line = 0; line < 100; ++line) fputs("It goes on and on.\n", out);
  fclose(out);

  const Error error =
      error_of([&] { SqliteConnection(file.path(), Mode::read_only).prepare("SELECT * FROM t"); });

  EXPECT_EQ(error.code(), "SQLITE_NOTADB");
  EXPECT_EQ(error.kind(), ErrorKind::stop);
}

TEST(SqliteConnection, TakesExactlyOneStatement) {
  const SqliteFile file;
  SqliteConnection connection(file.path(), Mode::read_write);

  EXPECT_EQ(error_of([&] { connection.prepare("SELECT 1; SELECT 2"); }).kind(), ErrorKind::stop);
  EXPECT_EQ(error_of([&] { connection.prepare(""); }).kind(), ErrorKind::stop);
  EXPECT_TRUE(connection.prepare("SELECT 1; ").step());
}

TEST(SqliteConnection, KeepsEmptyTextAndEmptyBlobApartFromNull) {
  const SqliteFile file("CREATE TABLE t (a, b)");
  SqliteConnection connection(file.path(), Mode::read_write);
  SqliteStatement insert = connection.prepare("INSERT INTO t VALUES (?, ?)");

  insert.bind_text(1, {});
  insert.bind_blob(2, {});
  insert.run();

  EXPECT_EQ(file.rows("SELECT typeof(a), length(a), typeof(b), length(b) FROM t"),
            std::vector<std::string>{"'text'|0|'blob'|0"});
}

TEST(SqliteConnection, AnInterruptEndsAStatementAsCancelled) {
  const SqliteFile file;
  SqliteConnection connection(file.path(), Mode::read_write);
  SqliteStatement endless = connection.prepare(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n");
  ASSERT_TRUE(endless.step());

  std::thread([&] { connection.interrupt(); }).join();
  const Error error = error_of([&] {
    while (endless.step()) {
    }
  });

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(error.code(), "SQLITE_INTERRUPT");
}

TEST(SqliteConnection, AnInterruptEndsAWaitForALockAsCancelled) {
  const SqliteFile file("CREATE TABLE t (a)");
  SqliteConnection holder(file.path(), Mode::read_write);
  SqliteConnection waiter(file.path(), Mode::read_write);
  const SqliteTransaction held(holder);
  std::atomic<bool> over = false;

  // An interrupt that comes before the wait has begun is lost, so they go on until one is not.
  std::thread interrupter([&] {
    while (!over) waiter.interrupt();
  });
  const Error error = error_of([&] { waiter.execute("BEGIN IMMEDIATE"); });
  over = true;
  interrupter.join();

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

TEST(SqliteConnection, ALockHeldByAnotherIsARetry) {
  const SqliteFile file("CREATE TABLE t (a)");
  SqliteConnection holder(file.path(), Mode::read_write);
  SqliteConnection waiter(file.path(), Mode::read_write, std::chrono::milliseconds(0));
  const SqliteTransaction held(holder);

  const Error error = error_of([&] { SqliteTransaction second(waiter); });

  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(error.code(), "SQLITE_BUSY");
}

TEST(SqliteConnection, WorksAgainAfterReopening) {
  const SqliteFile file("CREATE TABLE t (a); INSERT INTO t VALUES (7)");
  SqliteConnection connection(file.path(), Mode::read_write);

  connection.reopen();

  SqliteStatement statement = connection.prepare("SELECT a FROM t");
  ASSERT_TRUE(statement.step());
  EXPECT_EQ(statement.integer(0), 7);
}

TEST(SqliteTransaction, IsRolledBackUnlessCommitted) {
  const SqliteFile file("CREATE TABLE t (a)");
  SqliteConnection connection(file.path(), Mode::read_write);

  {
    SqliteTransaction transaction(connection);
    connection.execute("INSERT INTO t VALUES (1)");
  }
  {
    SqliteTransaction transaction(connection);
    connection.execute("INSERT INTO t VALUES (2)");
    transaction.commit();
  }

  EXPECT_EQ(file.rows("SELECT a FROM t"), std::vector<std::string>{"2"});
}

TEST(SqliteTimeLimit, EndsAStatementThatTakesTooLong) {
  const SqliteFile file;
  SqliteConnection connection(file.path(), Mode::read_write);
  SqliteStatement endless = connection.prepare(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  const SqliteTimeLimit limit(connection, std::chrono::milliseconds(1));

  EXPECT_EQ(error_of([&] { endless.step(); }).kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace backfill
