// Sessions in trouble: ended, locked out, in a deadlock, out of time. The same run goes on and
// completes.

#include <gtest/gtest.h>

#include "gate.h"
#include "job_on_disk.h"
#include "people.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr const char* kCreate =
    "CREATE TABLE users (id int PRIMARY KEY, full_name text, first_name text, last_name text); "
    "INSERT INTO users SELECT i, 'Ann' || i || ' Lee' || i FROM generate_series(1, 300) AS i";
constexpr const char* kNotDone =
    "SELECT count(*) FROM users WHERE first_name IS DISTINCT FROM 'Ann' || id OR last_name IS "
    "DISTINCT FROM 'Lee' || id";

Keys keys_for(const std::string& url) {
  return {{"source.url", toml_string(url)},
          {"source.table", "\"public.users\""},
          {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
}

class SessionInTrouble : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(kCreate);
  }
};

TEST_F(SessionInTrouble, MayBeTerminatedAgainAndAgain) {
  const JobOnDisk job(keys_for(url()));
  const Gate first(job, "first");
  const Gate second(job, "second");
  Program run = job.start({"--workers=2"},
                          first.at("chunk.after_read", 4) + "," + second.at("chunk.after_read", 8));
  for (const Gate* gate : {&first, &second}) {
    ASSERT_TRUE(gate->is_reached()) << run.err();
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'backfill:job'");
    gate->open();
  }
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(value(kNotDone), "0");
  EXPECT_GT(job.status()["batches"]["retried"], 0);
}

TEST_F(SessionInTrouble, WaitsForALockThatIsHeldLongerThanItsLimit) {
  const JobOnDisk job(keys_for(url()));
  PgConnection other(url(), "application", "application");
  other.command("BEGIN; UPDATE users SET full_name = 'New Name' WHERE id = 150");

  Program run = job.start({"--workers=1"});
  ASSERT_TRUE(wait_until([&] { return run.err().find("will try again") != std::string::npos; }));
  other.command("COMMIT");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("55P03"), std::string::npos) << end;
  EXPECT_EQ(rows("SELECT first_name, last_name FROM users WHERE id = 150"),
            std::vector<std::string>{"New|Name"});
  EXPECT_EQ(value(kNotDone), "1");
}

TEST_F(SessionInTrouble, CutsAChunkThatTakesLongerThanTheStatementTimeout) {
  execute(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END'; CREATE TRIGGER slow BEFORE UPDATE ON "
      "users FOR EACH ROW WHEN (NEW.id <= 20) EXECUTE FUNCTION slow()");
  const JobOnDisk job(keys_for(url() + "&options=-c%20statement_timeout%3D200ms"));

  const ProgramEnd end = job.run({"--workers=1"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(value(kNotDone), "0");
  EXPECT_GT(job.status()["batches"]["split"], 0);
}

// The application holds a row that our batch will want, and wants one that our batch has by then.
// Whoever finds the deadlock ends; the application looks for none, so that it is us.
TEST_F(SessionInTrouble, IsTheVictimOfADeadlock) {
  const JobOnDisk job(keys_for(url() + "&options=-c%20lock_timeout%3D30s"));
  PgConnection other(url(), "application", "application");
  other.command("SET deadlock_timeout = '1h'; SET lock_timeout = 0");
  other.command("BEGIN; UPDATE users SET full_name = 'New Name' WHERE id = 20");
  Program run = job.start({"--workers=1"});
  ASSERT_TRUE(wait_until([&] {
    return value(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "application_name = 'backfill:job'") == "1";
  }));

  other.command("UPDATE users SET full_name = 'Other Name' WHERE id = 1; COMMIT");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("40P01"), std::string::npos) << end;
  EXPECT_EQ(rows("SELECT first_name, last_name FROM users WHERE id IN (1, 20) ORDER BY id"),
            (std::vector<std::string>{"Other|Name", "New|Name"}));
  EXPECT_EQ(value(kNotDone), "2");
}

// Codes that a server gives once and not again, raised by a trigger at the third batch.
class PassingTrouble : public SessionInTrouble,
                       public ::testing::WithParamInterface<const char*> {};

TEST_P(PassingTrouble, IsTriedAgain) {
  execute(
      "CREATE SEQUENCE times; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN IF nextval(''times'') = 1 THEN RAISE EXCEPTION ''passing trouble'' USING ERRCODE = "
      "''" +
      std::string(GetParam()) +
      "''; END IF; RETURN NEW; END'; CREATE TRIGGER fail_once BEFORE UPDATE ON users FOR EACH ROW "
      "WHEN (NEW.id = 50) EXECUTE FUNCTION fail_once()");
  const JobOnDisk job(keys_for(url()));

  const ProgramEnd end = job.run({"--workers=2"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find(std::string("passing trouble (SQLSTATE ") + GetParam()), std::string::npos)
      << end;
  EXPECT_EQ(value(kNotDone), "0");
  EXPECT_EQ(job.status()["batches"]["retried"], 1);
  EXPECT_EQ(job.status()["rows"]["rejected"], 0);
}

INSTANTIATE_TEST_SUITE_P(Sqlstate, PassingTrouble,
                         ::testing::Values("40001", "40P01", "53100", "53200", "53300", "55P03",
                                           "57P01", "57P02", "08006", "25006"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace backfill
