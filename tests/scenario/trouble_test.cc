// A server in trouble: killed and restarted, sessions ended, time limits passed, rows locked. The
// same run goes on and completes.

#include <gtest/gtest.h>

#include <csignal>

#include "job_on_disk.h"
#include "people.h"
#include "support/postgres_fixture.h"
#include "support/postgres_server.h"

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

TEST(ServerInTrouble, MayBeKilledAndStartAgainWithinTheRun) {
  PostgresServer server;
  // What was committed must be there after a crash of the server, or it would be no fair test.
  server.execute("ALTER SYSTEM SET synchronous_commit = on");
  server.execute("SELECT pg_reload_conf()");
  server.execute(kCreate);
  const JobOnDisk job(keys_for(server.url()));
  Program run = job.start({"--workers=2"}, "chunk.after_read=delay(30ms)");
  ASSERT_TRUE(wait_until([&] { return job.status()["rows"]["read"] >= 60; }));

  server.kill();
  ASSERT_TRUE(wait_until([&] { return run.err().find("will try again") != std::string::npos; }));
  server.start();
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(server.value(kNotDone), "0");
  EXPECT_GT(job.status()["batches"]["retried"], 0);
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
  Program run = job.start({"--workers=2"}, "chunk.after_read=delay(30ms)");
  for (int time = 1; time <= 2; ++time) {
    ASSERT_TRUE(wait_until([&] { return job.status()["rows"]["read"] >= 40 * time; }));
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'backfill:job'");
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

}  // namespace
}  // namespace backfill
