// What makes a run slow down or pause, on real servers, with its reason in words.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "scenario/job_on_disk.h"
#include "scenario/playground.h"
#include "sqlite/connection.h"
#include "support/postgres_server.h"
#include "support/program.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

using Json = nlohmann::json;

constexpr const char* kRows =
    "CREATE TABLE users (id int PRIMARY KEY, name text); "
    "CREATE TABLE people (id int PRIMARY KEY, name text);";

class ThrottleTest : public ::testing::TestWithParam<Engine> {
 protected:
  ThrottleTest() {
    playground_->execute(kRows);
    playground_->execute(
        "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
        "< 2000) SELECT i, 'name ' || i FROM n");
  }

  JobOnDisk job(std::map<std::string, std::string> keys) {
    keys.insert({{"source.url", toml_string(playground_->url())},
                 {"source.table", toml_string(playground_->table("users"))},
                 {"target.table", toml_string(playground_->table("people"))}});
    return JobOnDisk(keys);
  }

  std::string copied() { return playground_->value("SELECT count(*) FROM people"); }

  const std::unique_ptr<Playground> playground_ = make_playground(GetParam());
};

bool is_paused(const JobOnDisk& job, const std::string& reason) {
  const Json status = job.status();
  return status["state"] == "paused" && status["reason"] == reason;
}

TEST_P(ThrottleTest, PausesWhileThePauseFileExists) {
  const TempFolder folder;
  const std::filesystem::path file = folder / "pause";
  std::ofstream(file) << "";
  const JobOnDisk job = this->job({{"throttle.pause_file", toml_string(file.string())}});

  Program run = job.start();
  ASSERT_TRUE(
      wait_until([&] { return is_paused(job, "pause file " + file.string() + " exists"); }));
  const std::string while_paused = copied();
  EXPECT_EQ(job.status()["pressure"]["signal"], "pause_file");
  std::filesystem::remove(file);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(while_paused, "0") << "the file was there before the first batch";
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(copied(), "2000");
  EXPECT_NE(end.err.find("paused"), std::string::npos) << end;
}

TEST_P(ThrottleTest, PausesWhileTheUsersQueryIsOverItsLimit) {
  playground_->execute("CREATE TABLE jobs (state text); INSERT INTO jobs VALUES ('ready')");
  const JobOnDisk job = this->job(
      {{"throttle.query", toml_string("SELECT count(*) FROM " + playground_->table("jobs"))},
       {"throttle.query_limit", "1"}});

  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return is_paused(job, "throttle.query 1 >= 1"); }));
  playground_->execute("DELETE FROM jobs");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(ThrottleTest, RefusesAQueryThatAnswersNoNumber) {
  const JobOnDisk job =
      this->job({{"throttle.query", "\"SELECT 'many'\""}, {"throttle.query_limit", "1"}});

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 3) << end;
  EXPECT_NE(end.err.find("throttle.query"), std::string::npos) << end;
  EXPECT_EQ(copied(), "0");
}

TEST_P(ThrottleTest, StopsAtOnceInAPause) {
  const TempFolder folder;
  std::ofstream(folder / "pause") << "";
  const JobOnDisk job =
      this->job({{"throttle.pause_file", toml_string((folder / "pause").string())}});
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return job.state() == "paused"; }));

  run.send(SIGTERM);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_EQ(job.state(), "stopped");
}

TEST_P(ThrottleTest, SaysOfOneThatWasKilledInAPauseThatItIsGone) {
  const TempFolder folder;
  std::ofstream(folder / "pause") << "";
  const JobOnDisk job =
      this->job({{"throttle.pause_file", toml_string((folder / "pause").string())}});
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return job.state() == "paused"; }));

  run.send(SIGKILL);
  run.wait();

  EXPECT_EQ(job.state(), "stopped");
  std::filesystem::remove(folder / "pause");
  EXPECT_EQ(job.run({"--resume"}).exit_code, 0);
  EXPECT_EQ(copied(), "2000");
}

INSTANTIATE_TEST_SUITE_P(On, ThrottleTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

// An application writes to the file all the time; the backfill slows down for it.
TEST(SqliteOthersTest, AreLeftTheFileForMostOfTheTime) {
  const auto playground = make_playground(Engine::sqlite);
  playground->execute(kRows);
  playground->execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)");
  playground->execute(
      "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
      "200000) SELECT i, 'name ' || i FROM n");
  const JobOnDisk job({{"source.url", toml_string(playground->url())},
                       {"source.table", "\"users\""},
                       {"target.table", "\"people\""},
                       {"batch.size", "50"}});
  const std::jthread application([&](const std::stop_token& stop) {
    SqliteConnection orders(sqlite_path(playground->url()), SqliteConnection::Mode::read_write);
    while (!stop.stop_requested()) {
      orders.execute("BEGIN IMMEDIATE; INSERT INTO orders DEFAULT VALUES");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      orders.execute("COMMIT");
      std::this_thread::sleep_for(std::chrono::milliseconds(8));
    }
  });

  Program run = job.start();
  const bool slowed_down = wait_until([&] {
    const Json status = job.status();
    return status["share"].is_number() && status["share"] < 0.2 &&
           status.value("signals", Json::object()).contains("commit_latency");
  });
  run.send(SIGTERM);

  EXPECT_TRUE(slowed_down);
  EXPECT_EQ(run.wait().exit_code, 75);
}

// A server of its own and what replicates it, streaming.
class ReplicaTest : public ::testing::Test {
 protected:
  ReplicaTest() {
    primary_.execute(kRows);
    primary_.execute(
        "INSERT INTO users SELECT i, 'name ' || i FROM generate_series(1, 20000) AS i");
    standby_ = primary_.start_standby();
    // A standby answers before it streams.
    EXPECT_TRUE(wait_until([&] {
      return primary_.value(
                 "SELECT count(*) FROM pg_stat_replication WHERE state = "
                 "'streaming'") == "1";
    }));
  }

  JobOnDisk job(std::map<std::string, std::string> keys) {
    keys.insert({{"source.url", toml_string(primary_.url())},
                 {"source.table", "\"users\""},
                 {"target.table", "\"people\""},
                 {"throttle.max_replica_lag", "\"2s\""},
                 {"throttle.share", "0.02"}});  // it lasts until something is seen
    return JobOnDisk(keys);
  }

  static ProgramEnd end_of(const JobOnDisk& job, Program& run) {
    EXPECT_EQ(job.call("set", {"throttle.share=1"}).exit_code, 0);
    return run.wait();
  }

  static bool is_paused_for_lag(const JobOnDisk& job, const std::string& words = "replica lag ") {
    const Json status = job.status();
    return status["state"] == "paused" && status["pressure"]["signal"] == "replica_lag" &&
           status["reason"].get<std::string>().find(words) != std::string::npos;
  }

  // Replays nothing until the run has paused for it, then everything.
  void expect_pause(const JobOnDisk& job, const std::string& words = "s >= 2s") {
    standby_->execute("SELECT pg_wal_replay_pause()");
    Program run = job.start();
    ASSERT_TRUE(wait_until([&] { return is_paused_for_lag(job, words); }));
    const std::string paused_at = primary_.value("SELECT count(*) FROM people");

    standby_->execute("SELECT pg_wal_replay_resume()");
    const ProgramEnd end = end_of(job, run);

    EXPECT_LT(std::stoi(paused_at), 20000);
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(primary_.value("SELECT count(*) FROM people"), "20000");
  }

  PostgresServer primary_;
  std::unique_ptr<PostgresServer> standby_;
};

TEST_F(ReplicaTest, PausesForAReplicaThatTheServerKnowsOf) { expect_pause(job({})); }

TEST_F(ReplicaTest, PausesForAReplicaThatTheJobNames) {
  expect_pause(job({{"throttle.replicas", "[" + toml_string(standby_->url()) + "]"}}));
}

TEST_F(ReplicaTest, PausesForAReplicaThatIsManyBytesBehind) {
  const std::map<std::string, std::string> far_in_time{
      {"throttle.max_replica_lag", "\"1h\""}, {"throttle.max_replica_lag_bytes", "\"128KiB\""}};
  expect_pause(job(far_in_time), " MiB >= 0.1 MiB");
}

TEST_F(ReplicaTest, PausesForAReplicaThatIsGone) {
  const JobOnDisk job = this->job({});
  Program run = job.start();
  // One that the run has never seen is nobody's.
  ASSERT_TRUE(wait_until(
      [&] { return job.status().value("signals", Json::object()).contains("replica_lag"); }));

  standby_->stop("immediate");
  ASSERT_TRUE(wait_until([&] {
    const Json status = job.status();
    return status["state"] == "paused" && status["pressure"]["signal"] == "replica_lag";
  }));
  standby_->start();

  EXPECT_EQ(end_of(job, run).exit_code, 0);
}

TEST_F(ReplicaTest, PausesWhileANamedReplicaCannotBeAsked) {
  standby_->stop("fast");
  const JobOnDisk job =
      this->job({{"throttle.replicas", "[" + toml_string(standby_->url()) + "]"}});
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] {
    const Json status = job.status();
    return status["state"] == "paused" &&
           status["reason"].get<std::string>().starts_with("replica_lag is not known for ");
  }));
  standby_->start();

  EXPECT_EQ(end_of(job, run).exit_code, 0);
}

// What it lags is known from where it was, before the pause for what is not known at all.
TEST_F(ReplicaTest, PausesAtTheLimitOfOneThatDoesNotAnswerAnyMore) {
  const JobOnDisk job =
      this->job({{"throttle.replicas", "[" + toml_string(standby_->url()) + "]"}});
  Program run = job.start();
  ASSERT_TRUE(wait_until(
      [&] { return job.status().value("signals", Json::object()).contains("replica_lag"); }));

  standby_->stop("immediate");
  ASSERT_TRUE(wait_until([&] { return job.state() == "paused"; }));
  EXPECT_TRUE(is_paused_for_lag(job, "s >= 2s (it does not answer)"))
      << job.status()["reason"].get<std::string>();
  standby_->start();

  EXPECT_EQ(end_of(job, run).exit_code, 0);
}

// Each batch waits a little, so that there is time to change it.
constexpr const char* kSlowly = "chunk.after_read=delay(50ms)";

TEST_F(ReplicaTest, HeedsALimitOfTheLagThatIsSetInARun) {
  standby_->execute("SELECT pg_wal_replay_pause()");
  const JobOnDisk job = this->job({{"throttle.max_replica_lag", "\"1h\""},
                                   {"throttle.share", "1.0"},
                                   {"batch.adaptive", "false"}});
  Program run = job.start({"--workers=1"}, kSlowly);
  ASSERT_TRUE(wait_until(
      [&] { return job.status().value("signals", Json::object()).contains("replica_lag"); }));
  ASSERT_NE(job.state(), "paused");

  job.call("set", {"throttle.max_replica_lag=1s"});
  ASSERT_TRUE(wait_until([&] { return is_paused_for_lag(job); })) << run.err();
  job.call("set", {"throttle.max_replica_lag=1h", "batch.size=10000"});
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(primary_.value("SELECT count(*) FROM people"), "20000");
}

TEST_F(ReplicaTest, AsksAReplicaThatIsNamedInARun) {
  const JobOnDisk job = this->job({{"throttle.share", "1.0"}, {"batch.adaptive", "false"}});
  Program run = job.start({"--workers=1"}, kSlowly);
  ASSERT_TRUE(wait_until(
      [&] { return job.status().value("signals", Json::object()).contains("replica_lag"); }));
  ASSERT_NE(job.state(), "paused");

  // Nobody is there to be asked.
  job.call("set", {"throttle.replicas=[\"postgresql://%2Fno%2Fsuch/d\"]"});
  ASSERT_TRUE(wait_until([&] {
    const Json status = job.status();
    return status["state"] == "paused" &&
           status["reason"].get<std::string>().starts_with("replica_lag is not known for ");
  })) << run.err();
  job.call("set", {"--unset", "throttle.replicas"});
  job.call("set", {"batch.size=10000"});
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(primary_.value("SELECT count(*) FROM people"), "20000");
}

// In place, a batch that waits for one row keeps the others locked.
TEST(LockWaitTest, LetsASessionGoOnThatWaitsForALockOfOurs) {
  const auto playground = make_playground(Engine::postgres);
  playground->execute(
      "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT i, 'name' FROM "
      "generate_series(1, 40) AS i");
  const JobOnDisk job({{"source.url", toml_string(playground->url())},
                       {"source.table", toml_string(playground->table("users"))},
                       {"source.columns", "[\"id\", \"upper(name) AS name\"]"},
                       {"run.workers", "1"}});
  const auto other = make_playground(Engine::postgres);
  const std::string users = playground->table("users");
  // Sessions called as ours are would be no others.
  playground->execute("SET application_name = 'app'");
  other->execute("SET application_name = 'app'");
  other->execute("BEGIN; SELECT 1 FROM " + users + " WHERE id = 20 FOR UPDATE");
  Program run = job.start();
  // The batch has rows 1 to 19, and waits for 20.
  ASSERT_TRUE(wait_until(
      [&] { return playground->value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; }));

  playground->execute(
      "SET statement_timeout = '1500ms'; UPDATE users SET name = 'mine' WHERE id = "
      "5; RESET statement_timeout");
  other->execute("COMMIT");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground->value("SELECT name FROM users WHERE id = 5"), "MINE");
  EXPECT_NE(end.err.find("lock of ours"), std::string::npos) << end;
}

}  // namespace
}  // namespace backfill
