// Every way in which PostgreSQL refuses a row, in every place of a batch: exactly these rows are
// left out, each with its SQLSTATE, and they are found in few writes.

#include <gtest/gtest.h>

#include <set>

#include "job_on_disk.h"
#include "support/postgres_fixture.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

using nlohmann::json;
using Ids = std::set<int>;

constexpr int kRows = 100;  // in batches of 20

// How the target's column `v` refuses `bad`, where it takes `good`.
struct Refusal {
  const char* name;
  const char* column;  // of the target: its type and constraint
  const char* good;    // SQL of the source's text, from the row's id
  const char* bad;
  const char* code;
};

constexpr Refusal kRefusals[] = {
    {"Check", "text CHECK (v <> 'bad')", "'v' || i", "'bad'", "23514"},
    {"NotNull", "text NOT NULL", "'v' || i", "NULL", "23502"},
    {"Unique", "text UNIQUE", "'v' || i", "'taken'", "23505"},
    {"ForeignKey", "text REFERENCES known (v)", "'known'", "'unknown'", "23503"},
    {"TooLong", "varchar(5)", "'v' || i", "repeat('x', 6)", "22001"},
    {"CastToInteger", "integer", "i::text", "'one'", "22P02"},
    {"OutOfRange", "smallint", "i::text", "'40000'", "22003"},
    {"CastToDate", "date", "'2026-11-22'", "'2026-02-30'", "22008"},
    {"CastToJson", "jsonb", "'{}'", "'{'", "22P02"},
    {"NumericOverflow", "numeric(3, 1)", "'1.5'", "'100'", "22003"},
};

void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.name; }

std::string sql_list(const Ids& ids) {
  std::string list;
  for (const int id : ids) list += (list.empty() ? "" : ", ") + std::to_string(id);
  return list;
}

Ids ids_from(int first, int last) {
  Ids ids;
  for (int id = first; id <= last; ++id) ids.insert(id);
  return ids;
}

class BadRowsTest : public PostgresTest, public ::testing::WithParamInterface<Refusal> {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute("CREATE TABLE known (v text PRIMARY KEY); INSERT INTO known VALUES ('known')");
  }

  void make_tables(const Ids& bad) {
    const Refusal& refusal = GetParam();
    execute("DROP TABLE IF EXISTS notes, copies");
    execute(
        "CREATE TABLE notes (id int PRIMARY KEY, v text); CREATE TABLE copies (id int PRIMARY "
        "KEY, v " +
        std::string(refusal.column) + ")");
    if (refusal.name == std::string("Unique")) execute("INSERT INTO copies VALUES (0, 'taken')");
    execute("INSERT INTO notes SELECT i, CASE WHEN i IN (" + sql_list(bad) + ") THEN " +
            refusal.bad + " ELSE " + refusal.good + " END FROM generate_series(1, " +
            std::to_string(kRows) + ") AS i");
  }

  JobOnDisk job(const char* write) {
    return JobOnDisk({{"source.url", toml_string(url())},
                      {"source.table", "\"public.notes\""},
                      {"target.table", "\"public.copies\""},
                      {"target.write", toml_string(write)}});
  }

  void expect_left_out(const JobOnDisk& job, const Ids& bad) {
    EXPECT_EQ(rows("SELECT id FROM notes WHERE id NOT IN (SELECT id FROM copies) ORDER BY id"),
              std::vector<std::string>(texts(bad)));
    const json status = job.status({"--dead-letters"});
    Ids dead;
    for (const json& letter : status["dead_letters"]) {
      dead.insert(std::stoi(letter["key"][0].get<std::string>()));
      EXPECT_EQ(letter["code"], GetParam().code) << letter;
      EXPECT_FALSE(letter["message"].get<std::string>().empty());
    }
    EXPECT_EQ(dead, bad);
    EXPECT_EQ(status["rows"]["read"], kRows);
    EXPECT_EQ(status["rows"]["rejected"], bad.size());
    EXPECT_EQ(status["rows"]["written"], kRows - static_cast<int>(bad.size()));
  }

  static std::vector<std::string> texts(const Ids& ids) {
    std::vector<std::string> list;
    for (const int id : ids) list.push_back(std::to_string(id));
    return list;
  }
};

TEST_P(BadRowsTest, AreLeftOutWhereverTheyStand) {
  const std::vector<Ids> places = {
      {1},                 // the first row of the first batch
      {10},                // in the middle of it
      {20},                // the last of it
      {81, 100},           // both ends of the last batch
      {20, 21},            // on both sides of a border
      {3, 7, 8, 15},       // several in one batch
      ids_from(1, 20),     // all of the first batch
      ids_from(81, 100),   // all of the last batch
      ids_from(1, kRows),  // all there are
  };
  for (const Ids& bad : places) {
    SCOPED_TRACE(sql_list(bad));
    make_tables(bad);
    const JobOnDisk job = this->job("insert_missing");

    const ProgramEnd end = job.run();

    EXPECT_EQ(end.exit_code, 4) << end;
    expect_left_out(job, bad);
  }
}

TEST_P(BadRowsTest, AreLeftOutInEachWriteModeThatInserts) {
  const Ids bad{1, 30, 31, 100};
  for (const char* write : {"insert_missing", "upsert", "insert"}) {
    SCOPED_TRACE(write);
    make_tables(bad);
    const JobOnDisk job = this->job(write);

    const ProgramEnd end = job.run();

    EXPECT_EQ(end.exit_code, 4) << end;
    expect_left_out(job, bad);
  }
}

INSTANTIATE_TEST_SUITE_P(By, BadRowsTest, ::testing::ValuesIn(kRefusals),
                         [](const auto& tested) { return std::string(tested.param.name); });

// 3 bad rows of 1024: each on a path of ten halvings, with two writes a step.
TEST(BadRowsInALargeBatch, AreFoundInFewWrites) {
  PostgresServer server;
  server.execute("ALTER SYSTEM SET log_statement = 'all'");
  server.execute("SELECT pg_reload_conf()");
  server.execute(
      "CREATE TABLE notes (id int PRIMARY KEY, v text); CREATE TABLE copies (id int PRIMARY KEY, "
      "v text CHECK (v <> 'bad')); INSERT INTO notes SELECT i, CASE WHEN i IN (5, 500, 1024) THEN "
      "'bad' ELSE 'good' END FROM generate_series(1, 1024) AS i");
  const JobOnDisk job({{"source.url", toml_string(server.url())},
                       {"source.table", "\"public.notes\""},
                       {"target.table", "\"public.copies\""},
                       {"batch.size", "1024"}});

  const ProgramEnd end = job.run({"--workers=1"});

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_EQ(server.value("SELECT count(*) FROM copies"), "1021");
  const std::string log = read_file(server.folder() + "/server.log");
  int writes = 0;
  for (std::size_t at = log.find("SAVEPOINT part"); at != std::string::npos;
       at = log.find("SAVEPOINT part", at + 1)) {
    // Not those that end one.
    if (log.compare(at - 3, 3, "TO ") != 0 && log.compare(at - 8, 8, "RELEASE ") != 0) ++writes;
  }
  EXPECT_GT(writes, 10);
  EXPECT_LE(writes, 1 + 2 * 3 * 10);
}

}  // namespace
}  // namespace backfill
