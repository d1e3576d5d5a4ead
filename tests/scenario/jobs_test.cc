// The job files of this repository, run as they are; only their databases come from outside.

#include <gtest/gtest.h>

#include "sqlite/connection.h"
#include "support/postgres_fixture.h"
#include "support/program.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

class JobsTest : public PostgresTest {
 protected:
  ProgramEnd run(const std::string& job, const Program::Environment& environment) {
    return run_program({BACKFILL_PROGRAM, "run", BACKFILL_JOBS "/" + job + "/job.toml",
                        "--checkpoint", (folder_ / "checkpoint.db").string()},
                       environment);
  }

  std::string make_sqlite(const std::string& sql) {
    const std::string path = (folder_ / "packages.db").string();
    SqliteConnection(path, SqliteConnection::Mode::create).execute(sql);
    return "sqlite:" + path;
  }

  TempFolder folder_;
};

TEST_F(JobsTest, SplitFullNameFillsTheNewColumnsInPlace) {
  execute(
      "CREATE TABLE users (id bigint PRIMARY KEY, full_name text, first_name text, last_name text);"
      "INSERT INTO users VALUES (1, 'Ada King Lovelace'), (2, 'Plato'), (3, NULL), (4, '  '), "
      "(5, 'Søren Kierkegaard')");

  const ProgramEnd end = run("split_full_name", {{"SHOP_URL", url()}});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(rows("SELECT id, first_name, last_name FROM users ORDER BY id"),
            (std::vector<std::string>{"1|Ada King|Lovelace", "2|Plato|", "3|NULL|NULL", "4||",
                                      "5|Søren|Kierkegaard"}));
}

TEST_F(JobsTest, SplitMaintainerKeepsWhatItCannotSplit) {
  const std::string source = make_sqlite(
      "CREATE TABLE packages (id INTEGER PRIMARY KEY, maintainer TEXT, maintainer_name TEXT, "
      "maintainer_email TEXT);"
      "INSERT INTO packages (maintainer) SELECT 'Perl Group <perl@example.org>' FROM "
      "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199) "
      "SELECT i FROM n); INSERT INTO packages (maintainer) VALUES ('nobody')");

  const ProgramEnd end = run("split_maintainer", {{"BACKFILL_DEMO_URL", source}});

  EXPECT_EQ(end.exit_code, 0) << end;
  SqliteConnection connection(sqlite_path(source), SqliteConnection::Mode::read_only);
  SqliteStatement split = connection.prepare(
      "SELECT count(*) FROM packages WHERE maintainer_name = 'Perl Group' AND "
      "maintainer_email = 'perl@example.org'");
  split.step();
  EXPECT_EQ(split.integer(0), 199);
  EXPECT_NE(end.err.find("rejected=1"), std::string::npos) << end;
}

TEST_F(JobsTest, CopyTableTakesASqliteTableToPostgres) {
  const std::string source = make_sqlite(
      "CREATE TABLE packages (id INTEGER PRIMARY KEY, name TEXT, essential INTEGER, size REAL, "
      "added TEXT, digest BLOB); INSERT INTO packages VALUES "
      "(1, 'dash', 1, 191.5, '2026-11-22 10:00:00', X'00ff'), (2, NULL, 0, NULL, NULL, NULL)");
  execute(
      "CREATE TABLE packages (id int PRIMARY KEY, name varchar(20), essential boolean, "
      "size numeric(8,2), added timestamptz, digest bytea)");

  const ProgramEnd end =
      run("copy_table", {{"COPY_SOURCE_URL", source}, {"COPY_TARGET_URL", url()}});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(rows("SELECT * FROM packages ORDER BY id"),
            (std::vector<std::string>{"1|dash|t|191.50|2026-11-22 10:00:00+00|\\x00ff",
                                      "2|NULL|f|NULL|NULL|NULL"}));
}

}  // namespace
}  // namespace backfill
