// `run --retry-rejected`: rows that were refused are tried again after somebody has mended them,
// their table or the plugin.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <ctime>

#include "gate.h"
#include "job_on_disk.h"
#include "playground.h"

namespace backfill {
namespace {

using nlohmann::json;
using Keys = std::map<std::string, std::string>;
using Lines = std::vector<std::string>;

constexpr int kPeople = 100;

// People 1 to 100, of whom some have the name `bad`, which people copied must not have.
class RetryTest : public ::testing::TestWithParam<Engine> {
 protected:
  RetryTest() : playground_(make_playground(GetParam())) {
    playground_->execute("CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, full_name text)");
    std::string values;
    for (int id = 1; id <= kPeople; ++id) {
      values +=
          (id == 1 ? "" : ", ") + ("(" + std::to_string(id)) + ", 'Ann" + std::to_string(id) + "')";
    }
    playground_->execute("INSERT INTO users VALUES " + values);
    playground_->execute(
        "CREATE TABLE people (id bigint NOT NULL PRIMARY KEY, "
        "full_name text CHECK (full_name NOT LIKE 'bad%'), first_name text)");
  }

  Keys keys(const std::string& plugin = "") {
    Keys keys = {{"source.url", toml_string(playground_->url())},
                 {"source.table", toml_string(playground_->table("users"))},
                 {"target.table", toml_string(playground_->table("people"))},
                 {"target.write", "\"upsert\""}};
    if (!plugin.empty()) keys["transform.plugin"] = toml_string(plugin_path(plugin));
    return keys;
  }

  void set_name(const std::string& ids, const std::string& name) {
    playground_->execute("UPDATE users SET full_name = '" + name + "' WHERE id IN (" + ids + ")");
  }

  Lines copied(const std::string& ids) {
    return playground_->rows("SELECT id, full_name FROM people WHERE id IN (" + ids +
                             ") ORDER BY id");
  }

  static Lines dead(const JobOnDisk& job) {
    Lines keys;
    const json status = job.status({"--dead-letters"});
    for (const json& letter : status["dead_letters"]) {
      keys.push_back(letter["key"][0]);
    }
    std::sort(keys.begin(), keys.end());
    return keys;
  }

  // Every row is counted once, whatever became of it.
  static void expect_counts(const JobOnDisk& job, int written, int rejected) {
    const json status = job.status();
    const json& rows = status["rows"];
    EXPECT_EQ(rows["read"], kPeople) << status;
    EXPECT_EQ(rows["written"], written) << status;
    EXPECT_EQ(rows["rejected"], rejected) << status;
    EXPECT_EQ(rows["written"].get<int>() + rows["unchanged"].get<int>() +
                  rows["skipped"].get<int>() + rows["rejected"].get<int>(),
              kPeople)
        << status;
  }

  std::unique_ptr<Playground> playground_;
};

TEST_P(RetryTest, WritesTheRowsThatWereMendedAndKeepsTheOthers) {
  set_name("1, 2, 50, 99, 100", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  ASSERT_EQ(dead(job), (Lines{"1", "100", "2", "50", "99"}));
  set_name("1, 50", "Good Name");
  set_name("2", "bad again");
  playground_->execute("DELETE FROM users WHERE id = 100");

  const ProgramEnd end = job.run({"--retry-rejected"});

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_NE(end.out.find("5 rejected rows tried again: 2 written, 0 unchanged, 0 skipped, 1 gone "
                         "from the source, 2 rejected again"),
            std::string::npos)
      << end;
  EXPECT_EQ(dead(job), (Lines{"2", "99"}));
  EXPECT_EQ(copied("1, 2, 50, 99, 100"), (Lines{"1|Good Name", "50|Good Name"}));
  expect_counts(job, kPeople - 3, 2);
  EXPECT_EQ(job.state(), "failed");
  const json status = job.status({"--dead-letters"});
  for (const json& letter : status["dead_letters"]) {
    EXPECT_EQ(letter["values"]["full_name"], letter["key"][0] == "2" ? "bad again" : "bad");
  }
}

TEST_P(RetryTest, MakesAFailedRunComplete) {
  set_name("3, 60", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  set_name("3, 60", "Good Name");

  const ProgramEnd end = job.run({"--retry-rejected"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.state(), "complete");
  EXPECT_TRUE(job.status()["reason"].is_null());
  EXPECT_EQ(dead(job), Lines());
  expect_counts(job, kPeople, 0);
  const ProgramEnd again = job.run({"--retry-rejected"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_NE(again.out.find("0 rejected rows tried again"), std::string::npos) << again;
}

TEST_P(RetryTest, LeavesACompleteRunComplete) {
  set_name("3, 60", "bad");
  const JobOnDisk job(keys());
  const Lines limit{"--set", "limits.max_rejected=2"};
  ASSERT_EQ(job.run(limit).exit_code, 0);
  set_name("60", "Good Name");

  const ProgramEnd end = job.run({"--retry-rejected", "--set", "limits.max_rejected=2"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.state(), "complete");
  EXPECT_EQ(dead(job), (Lines{"3"}));
}

TEST_P(RetryTest, AsksThePluginAgain) {
  playground_->execute(
      "DROP TABLE people; CREATE TABLE people (id bigint NOT NULL PRIMARY KEY, "
      "first_name text)");
  set_name("1, 20, 21", "bad");
  const JobOnDisk job(keys("picky_copy"));
  ASSERT_EQ(job.run().exit_code, 4);
  set_name("20", "Good Name");
  playground_->execute("UPDATE users SET full_name = NULL WHERE id = 21");

  const ProgramEnd end = job.run({"--retry-rejected"});

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_EQ(dead(job), (Lines{"1"}));
  EXPECT_EQ(job.status()["rows"]["skipped"], 1);
  expect_counts(job, kPeople - 2, 1);
}

TEST_P(RetryTest, OfAnUnfinishedRunComesAfterItsResume) {
  set_name("3, 60", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run({"--workers=1"}, "target.after_commit=crash@2").signal, SIGKILL);

  const ProgramEnd refused = job.run({"--retry-rejected"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_NE(refused.err.find("unfinished run"), std::string::npos) << refused;
  set_name("60", "Good Name");
  const ProgramEnd end = job.run({"--resume", "--retry-rejected"});

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_EQ(dead(job), (Lines{"3"}));
  EXPECT_EQ(copied("3, 60"), (Lines{"60|Good Name"}));
}

TEST_P(RetryTest, IsRefusedWhereThereIsNothingToRetry) {
  const JobOnDisk job(keys());

  const ProgramEnd none = job.run({"--retry-rejected"});
  EXPECT_EQ(none.exit_code, 2) << none;
  EXPECT_NE(none.err.find("no row was rejected"), std::string::npos) << none;
  const ProgramEnd both = job.run({"--restart", "--retry-rejected"});
  EXPECT_EQ(both.exit_code, 2) << both;
}

TEST_P(RetryTest, DoesNotRunBesideAnotherRunner) {
  set_name("3", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  const JobOnDisk same_job_elsewhere(keys());
  const std::string go = (job.folder() / "go").string();
  Program other =
      same_job_elsewhere.start({"--workers=1"}, "chunk.after_transform=wait(" + go + ")@2");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  const ProgramEnd end = job.run({"--retry-rejected"});

  EXPECT_EQ(end.exit_code, 8) << end;
  EXPECT_EQ(dead(job), (Lines{"3"}));
}

TEST_P(RetryTest, EndsOnASignalAndGoesOnLater) {
  set_name("3, 60, 61", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  set_name("3, 60, 61", "Good Name");
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--retry-rejected"}, "target.before_commit=wait(" + go + ")@2");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  run.send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return run.err().find("stop requested") != std::string::npos; }));
  write_file(go, "");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_EQ(dead(job).size(), 1U);
  const ProgramEnd rest = job.run({"--retry-rejected"});
  EXPECT_EQ(rest.exit_code, 0) << rest;
  expect_counts(job, kPeople, 0);
}

TEST_P(RetryTest, WaitsWhileThereIsAPauseOrNoWindowIsOpen) {
  set_name("3, 60, 61", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  set_name("3, 60, 61", "Good Name");
  job.call("pause");
  Program run = job.start({"--retry-rejected"});
  const auto says = [&](const std::string& words) {
    return wait_until([&] { return run.err().find(words) != std::string::npos; });
  };
  ASSERT_TRUE(says("paused by `backfill pause`")) << run.err();

  // A day that is not today, whenever the test runs.
  const std::time_t day_after_tomorrow = std::time(nullptr) + 48L * 3600;
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const std::string day = kDays[std::gmtime(&day_after_tomorrow)->tm_wday];
  job.call("set", {"schedule.window=" + day + " 10:00-11:00"});
  job.call("resume");
  ASSERT_TRUE(says("outside schedule.window")) << run.err();
  const Lines while_waiting = copied("3, 60, 61");
  job.call("set", {"--unset", "schedule.window"});
  const ProgramEnd end = run.wait();

  EXPECT_EQ(while_waiting, Lines());
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(copied("3, 60, 61").size(), 3U);
  expect_counts(job, kPeople, 0);
}

TEST_P(RetryTest, StopsAtOnceInAPause) {
  set_name("3", "bad");
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 4);
  job.call("pause");
  Program run = job.start({"--retry-rejected"});
  ASSERT_TRUE(wait_until([&] { return run.err().find("paused") != std::string::npos; }));

  run.send(SIGTERM);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_EQ(dead(job).size(), 1U);
}

// In place, by a plugin that reads what it writes: a row done twice would show.
TEST_P(RetryTest, DoublesOnceWhateverTheFailpointOfTheCrash) {
  for (const std::string_view failpoint :
       {"chunk.after_transform", "target.before_commit", "target.after_commit"}) {
    SCOPED_TRACE(failpoint);
    playground_->execute(
        "DROP TABLE IF EXISTS backfill_ledger; DROP TABLE IF EXISTS accounts; "
        ""
        "CREATE TABLE accounts (id bigint NOT NULL PRIMARY KEY, balance bigint NOT NULL, "
        "is_open integer NOT NULL DEFAULT 1, CHECK (is_open = 1 OR balance = 7))");
    std::string values;
    for (int id = 1; id <= 100; ++id) {
      const char* row = id % 10 == 0 ? ", 7, 0)" : ", 7, 1)";
      values += (id == 1 ? "" : ", ") + ("(" + std::to_string(id)) + row;
    }
    playground_->execute("INSERT INTO accounts VALUES " + values);
    const JobOnDisk job({{"source.url", toml_string(playground_->url())},
                         {"source.table", toml_string(playground_->table("accounts"))},
                         {"transform.plugin", toml_string(plugin_path("double_balance"))}});
    ASSERT_EQ(job.run().exit_code, 4);
    ASSERT_EQ(dead(job).size(), 10U);
    playground_->execute("UPDATE accounts SET is_open = 1 WHERE id <> 50");

    const std::string crash = std::string(failpoint) + "=crash@3";
    const ProgramEnd crashed = job.run({"--retry-rejected"}, crash);
    EXPECT_EQ(crashed.signal, SIGKILL) << crashed;
    const ProgramEnd lost = job.run({"--retry-rejected"}, "target.after_commit=error(08006)@2");
    const ProgramEnd end = job.run({"--retry-rejected"});

    EXPECT_EQ(lost.exit_code, 4) << lost;
    EXPECT_EQ(end.exit_code, 4) << end;
    EXPECT_EQ(playground_->rows("SELECT id, balance FROM accounts WHERE balance <> 14"),
              (Lines{"50|7"}));
    EXPECT_EQ(dead(job), (Lines{"50"}));
    expect_counts(job, kPeople - 1, 1);
    EXPECT_EQ(playground_->value("SELECT count(*) FROM backfill_ledger"), "0");
  }
}

// A retry whose lease was looked at once in a thousand rows could not go on without it.
TEST(RetryOnPostgres, TakesItsLeaseAgainInTheMiddle) {
  const auto playground = make_playground(Engine::postgres);
  playground->execute(
      "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT i, 'bad' FROM "
      "generate_series(1, 60) AS i; CREATE TABLE people (id int PRIMARY KEY, name text "
      "CONSTRAINT good CHECK (name <> 'bad'))");
  const JobOnDisk job({{"source.url", toml_string(playground->url())},
                       {"source.table", toml_string(playground->table("users"))},
                       {"target.table", toml_string(playground->table("people"))}});
  ASSERT_EQ(job.run().exit_code, 4);
  playground->execute("ALTER TABLE people DROP CONSTRAINT good");
  const Gate gate(job);
  Program retry = job.start({"--retry-rejected"}, gate.at("chunk.after_read", 10));
  ASSERT_TRUE(wait_until([&] { return playground->value("SELECT id FROM people LIMIT 1") != ""; }));

  playground->execute(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND "
      "objsubid = 2 AND mode = 'ExclusiveLock' AND granted AND database = (SELECT oid FROM "
      "pg_database WHERE datname = current_database())");
  gate.open();
  const ProgramEnd end = retry.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("the lease on the job is lost"), std::string::npos) << end;
  EXPECT_EQ(playground->value("SELECT count(*) FROM people"), "60");
}

INSTANTIATE_TEST_SUITE_P(On, RetryTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
