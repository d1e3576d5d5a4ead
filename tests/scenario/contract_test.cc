// Promises of the contract that are checked from outside only: what the real program says and
// leaves behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "job_on_disk.h"
#include "playground.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

class Contract : public testing::TestWithParam<Engine> {
 protected:
  Contract() : playground_(make_playground(GetParam())) {
    playground_->execute(
        "CREATE TABLE old (id bigint NOT NULL PRIMARY KEY, name text);"
        "CREATE TABLE new (id bigint NOT NULL PRIMARY KEY, name text)");
    for (int id = 1; id <= 50; ++id) {
      playground_->execute("INSERT INTO old VALUES (" + std::to_string(id) + ", 'a')");
    }
  }

  Keys keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("old"))},
            {"target.table", toml_string(playground_->table("new"))}};
  }

  void refuse_row_42_by_trigger() {
    if (GetParam() == Engine::sqlite) {
      playground_->execute(
          "CREATE TRIGGER no BEFORE INSERT ON new WHEN new.id = 42 "
          "BEGIN SELECT raise(ABORT, 'not this one'); END");
      return;
    }
    playground_->execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF new.id = 42 THEN RAISE EXCEPTION ''not this one''; END IF; RETURN new; END';"
        "CREATE TRIGGER no BEFORE INSERT ON new FOR EACH ROW EXECUTE FUNCTION no()");
  }

  std::unique_ptr<Playground> playground_;
};

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_P(Contract, KeepsTheRowThatATriggerRefusesAndGoesOn) {
  refuse_row_42_by_trigger();
  JobOnDisk job(keys());

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 4) << end.err;
  EXPECT_EQ(playground_->value("SELECT count(*) FROM new"), "49");
  const auto letters = job.status({"--dead-letters"}).at("dead_letters");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].at("key")[0], "42");
  EXPECT_NE(letters[0].at("message").get<std::string>().find("not this one"), std::string::npos);
}

// The cast fails while rows are read, so the whole read fails with it.
TEST(ContractOnPostgres, KeepsTheRowWhoseExpressionFailsAndGoesOn) {
  const auto playground = make_playground(Engine::postgres);
  playground->execute(
      "CREATE TABLE old (id bigint PRIMARY KEY, name text);"
      "CREATE TABLE new (id bigint PRIMARY KEY, name int);"
      "INSERT INTO old SELECT i, i::text FROM generate_series(1, 50) i;"
      "UPDATE old SET name = 'no number' WHERE id IN (1, 42)");
  JobOnDisk job({{"source.url", toml_string(playground->url())},
                 {"source.table", toml_string(playground->table("old"))},
                 {"source.columns", R"(["id", "name::int as name"])"},
                 {"target.table", toml_string(playground->table("new"))}});

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_EQ(playground->value("SELECT count(*) FROM new"), "48");
  EXPECT_EQ(job.status()["rows"]["read"], 50);
  const auto letters = job.status({"--dead-letters"}).at("dead_letters");
  ASSERT_EQ(letters.size(), 2U);
  std::set<std::string> keys;
  for (const auto& letter : letters) {
    keys.insert(letter.at("key")[0].get<std::string>());
    EXPECT_EQ(letter.at("code"), "22P02");
  }
  EXPECT_EQ(keys, (std::set<std::string>{"1", "42"}));
}

TEST_P(Contract, SaysInOneLineWhatIsWrongWithSqlOfSeveralLines) {
  JobOnDisk job(keys());
  job.change({{"source.where", toml_string("id >\n  nowhere\n")}});

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 3) << end.err;
  EXPECT_EQ(lines(end.err), 1U) << end.err;
}

TEST_P(Contract, DoesNotTakeAnotherJobsCheckpointForItsOwn) {
  JobOnDisk job(keys());
  JobOnDisk other(keys());
  other.change({{"name", toml_string("another")}});
  ASSERT_EQ(job.run().exit_code, 0);

  const ProgramEnd end = other.run({"--resume", "--checkpoint", job.checkpoint()});

  EXPECT_EQ(end.exit_code, 2) << end.err;
  EXPECT_NE(end.err.find("name: "), std::string::npos) << end.err;
}

TEST_P(Contract, LeavesNoCheckpointWhenTheCommandLineIsRefused) {
  JobOnDisk job(keys());

  const ProgramEnd end = job.run({"--resume", "--restart"});

  EXPECT_EQ(end.exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(job.checkpoint()));
}

TEST_P(Contract, ShowsInThePlanWhatTheEnvironmentSets) {
  JobOnDisk job(keys());

  const ProgramEnd end = job.call("plan", {}, {{"BACKFILL_WORKERS", "5"}});

  EXPECT_EQ(end.exit_code, 0) << end.err;
  const std::size_t at = end.out.find("run.workers");
  ASSERT_NE(at, std::string::npos);
  const std::string line = end.out.substr(at, end.out.find('\n', at) - at);
  EXPECT_NE(line.find("5"), std::string::npos) << line;
  EXPECT_NE(line.find("environment"), std::string::npos) << line;
}

TEST_P(Contract, RefusesAVersionColumnThatIsNotWritten) {
  playground_->execute("ALTER TABLE old ADD version int; ALTER TABLE new ADD version int");
  JobOnDisk job(keys());
  job.change({{"source.columns", R"(["id", "name"])"},
              {"target.write", toml_string("upsert")},
              {"target.version_column", toml_string("version")}});

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 3) << end.err;
  EXPECT_EQ(lines(end.err), 1U) << end.err;
  EXPECT_EQ(job.call("plan").exit_code, 3);
}

TEST(IdentityContract, NeverUpdatesWhatTheServerAlwaysNumbers) {
  const auto playground = make_playground(Engine::postgres);
  playground->execute(
      "CREATE TABLE old (id bigint PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY, name "
      "text);"
      "CREATE TABLE new (LIKE old INCLUDING ALL);"
      "INSERT INTO old (id, name) SELECT i, 'a' FROM generate_series(1, 50) AS i");
  JobOnDisk job({{"source.url", toml_string(playground->url())},
                 {"source.table", toml_string(playground->table("old"))},
                 {"target.table", toml_string(playground->table("new"))},
                 {"target.write", toml_string("upsert")}});
  ASSERT_EQ(job.run().exit_code, 0);
  playground->execute("UPDATE old SET name = 'b'");

  const ProgramEnd upsert = job.run({"--restart"});
  const std::string after_upsert =
      playground->value("SELECT count(*) FROM old JOIN new USING (id, number, name)");
  playground->execute("UPDATE old SET name = 'c'");
  job.change({{"target.write", toml_string("update")}});
  const ProgramEnd update = job.run({"--restart"});

  EXPECT_EQ(upsert.exit_code, 0) << upsert.err;
  EXPECT_EQ(after_upsert, "50");
  EXPECT_EQ(update.exit_code, 0) << update.err;
  EXPECT_EQ(playground->value("SELECT count(*) FROM old JOIN new USING (id, number, name)"), "50");
}

INSTANTIATE_TEST_SUITE_P(Engines, Contract, testing::Values(Engine::postgres, Engine::sqlite),
                         [](const auto& param) {
                           return param.param == Engine::sqlite ? "Sqlite" : "Postgres";
                         });

}  // namespace
}  // namespace backfill
