// A transform that reads what it writes: `balance = balance * 2`, in place. Done twice to a row
// it is wrong, so the ledger is what makes a crash safe.

#include <gtest/gtest.h>

#include <csignal>

#include "job_on_disk.h"
#include "playground.h"
#include "support/failpoint.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

constexpr const char* kCreate =
    "CREATE TABLE accounts (id integer NOT NULL PRIMARY KEY, balance bigint NOT NULL)";
constexpr const char* kNotDoubledOnce =
    "SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)";

// Account i holds i * 3 + 1.
std::string insert_accounts(int count) {
  std::string values;
  for (int i = 0; i < count; ++i) {
    values += i == 0 ? "" : ", ";
    values += "(" + std::to_string(i) + ", " + std::to_string(i * 3 + 1) + ")";
  }
  return "INSERT INTO accounts VALUES " + values;
}

std::map<std::string, std::string> doubling(const std::string& url, const std::string& table) {
  return {{"source.url", toml_string(url)},
          {"source.table", toml_string(table)},
          {"transform.plugin", toml_string(plugin_path("double_balance"))}};
}

class LedgerTest : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    playground_ = make_playground(GetParam());
    playground_->execute(std::string(kCreate) + "; " + insert_accounts(200));
  }

  Playground& playground() { return *playground_; }
  std::map<std::string, std::string> keys() const {
    return doubling(playground_->url(), playground_->table("accounts"));
  }
  void start_anew() {
    playground_->execute("DROP TABLE IF EXISTS backfill_ledger; DELETE FROM accounts; " +
                         insert_accounts(200));
  }

 private:
  std::unique_ptr<Playground> playground_;
};

TEST_P(LedgerTest, TurnsItselfOnForATransformThatReadsWhatItWrites) {
  const JobOnDisk job(keys());

  const ProgramEnd plan = job.call("plan");
  const ProgramEnd run = job.run();

  EXPECT_NE(plan.out.find("ledger: on: the plugin reads column balance"), std::string::npos)
      << plan;
  EXPECT_EQ(run.exit_code, 0) << run;
  EXPECT_TRUE(playground().has_table("backfill_ledger"));
}

TEST_P(LedgerTest, DoublesOnceWhateverTheFailpointOfTheCrash) {
  for (const std::string_view name : failpoint_names()) {
    for (const char* hit : {"1", "5"}) {
      start_anew();
      const JobOnDisk job(keys());
      const std::string failpoint = std::string(name) + "=crash@" + hit;
      SCOPED_TRACE(failpoint);

      job.run({"--workers=3"}, failpoint);
      job.run({"--resume", "--batch-size=13"}, "target.after_commit=crash@3");
      const ProgramEnd last = job.run({"--resume"});

      ASSERT_EQ(last.exit_code, 0) << last;
      ASSERT_EQ(playground().value(kNotDoubledOnce), "0");
      ASSERT_EQ(playground().value("SELECT count(*) FROM backfill_ledger"), "0");
      ASSERT_EQ(job.status()["rows"]["read"], 200);
    }
  }
}

TEST_P(LedgerTest, DoublesOnceWhenAnAnswerToACommitIsLost) {
  const JobOnDisk job(keys());

  const ProgramEnd run = job.run({"--workers=2"}, "target.after_commit=error(08006)@3");

  EXPECT_EQ(run.exit_code, 0) << run;
  EXPECT_EQ(playground().value(kNotDoubledOnce), "0");
  EXPECT_EQ(job.status()["batches"]["retried"], 1);
}

// The last save is done, the ledger is not cleared yet: nobody else would ever clear it.
TEST_P(LedgerTest, IsForgottenAlsoWhenTheRunDiedRightAfterItsEnd) {
  const JobOnDisk job(keys());
  const ProgramEnd end = job.run({"--batch-size=1000"}, "ledger.before_clear=crash");
  ASSERT_EQ(end.signal, SIGKILL) << end;
  ASSERT_EQ(job.state(), "complete");
  ASSERT_EQ(playground().value("SELECT count(*) FROM backfill_ledger"), "1");

  const ProgramEnd again = job.run({"--resume"});

  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(playground().value("SELECT count(*) FROM backfill_ledger"), "0");
  EXPECT_EQ(playground().value(kNotDoubledOnce), "0");
}

// The proof that the tests above can fail.
TEST_P(LedgerTest, WithoutItACrashAfterACommitDoublesTwice) {
  const JobOnDisk job(keys());

  job.run({"--set", "target.ledger=off", "--workers=1"}, "target.after_commit=crash@1");
  const ProgramEnd last = job.run({"--set", "target.ledger=off", "--resume"});

  EXPECT_EQ(last.exit_code, 0) << last;
  EXPECT_EQ(playground().value(kNotDoubledOnce), "20");
}

INSTANTIATE_TEST_SUITE_P(On, LedgerTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

// A server goes on with a COMMIT whose client is dead. A resume that reads the ledger meanwhile
// would not see that batch and do it again. Here the COMMIT waits for a standby that never comes;
// with a throttle the first ones might leave that to others.
TEST(OrphanedCommit, IsWaitedForByTheNextRunner) {
  PostgresServer server;
  server.execute(std::string(kCreate) + "; " + insert_accounts(200));
  const JobOnDisk job(doubling(server.url(), "accounts"));
  const auto standby = [&](const std::string& names) {
    server.execute("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'");
    server.execute("SELECT pg_reload_conf()");
    return wait_until([&] { return server.value("SHOW synchronous_standby_names") == names; });
  };
  // Sessions keep the setting that they begin with.
  server.execute("ALTER SYSTEM SET synchronous_commit = on");
  server.execute("SELECT pg_reload_conf()");
  const std::string conf = "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'";
  ASSERT_TRUE(wait_until([&] { return server.value(conf) == "on"; }));
  const std::string go = (job.folder() / "go").string();
  Program first =
      job.start({"--workers=1", "--no-throttle"}, "target.before_commit=wait(" + go + ")@2");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));
  ASSERT_TRUE(standby("nobody"));
  write_file(go, "");
  ASSERT_TRUE(wait_until([&] {
    return server.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") ==
           "1";
  }));

  first.send(SIGKILL);
  EXPECT_EQ(first.wait().signal, SIGKILL);
  Program second = job.start({"--resume", "--workers=1"});
  const bool waits = wait_until(
      [&] { return server.value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; });
  ASSERT_TRUE(standby(""));
  const ProgramEnd end = second.wait();

  EXPECT_TRUE(waits);
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(server.value(kNotDoubledOnce), "0");
}

}  // namespace
}  // namespace backfill
