// A checkpoint file that is deleted or moved away under a run. SQLite would go on writing to a
// file that nobody finds again.

#include <gtest/gtest.h>

#include <csignal>
#include <functional>

#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr const char* kNotDoubledOnce =
    "SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)";

class LostCheckpointTest : public ::testing::TestWithParam<Engine> {
 protected:
  LostCheckpointTest() : playground_(make_playground(GetParam())) {
    create_people(*playground_, "users", make_people(300));
    playground_->execute(
        "CREATE TABLE accounts (id integer NOT NULL PRIMARY KEY, balance bigint NOT NULL)");
    std::string values;
    for (int i = 0; i < 300; ++i) {
      values += (i == 0 ? "(" : ", (") + std::to_string(i) + ", " + std::to_string(i * 3 + 1) + ")";
    }
    playground_->execute("INSERT INTO accounts VALUES " + values);
  }

  Keys keys(const std::string& table, const std::string& plugin) {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table(table))},
            {"transform.plugin", toml_string(plugin_path(plugin))}};
  }

  // Runs until the middle, where `lose` is called, and then to its end.
  static ProgramEnd run_and(const JobOnDisk& job, const std::function<void()>& lose) {
    const std::string go = (job.folder() / "go").string();
    Program run = job.start({"--workers=2"}, "chunk.after_read=wait(" + go + ")@8");
    EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); })) << run.err();
    lose();
    write_file(go, "");
    return run.wait();
  }

  static void move_checkpoint(const JobOnDisk& job, const std::string& to) {
    for (const char* part : {"", "-wal", "-shm"}) {
      if (std::filesystem::exists(job.checkpoint() + part))
        std::filesystem::rename(job.checkpoint() + part, to + part);
    }
  }

  static void expect_told(const ProgramEnd& end, const std::string& what) {
    EXPECT_EQ(end.exit_code, 1) << end;
    EXPECT_NE(end.err.find("the file was " + what + " while a run was using it"), std::string::npos)
        << end;
  }

  std::unique_ptr<Playground> playground_;
};

TEST_P(LostCheckpointTest, EndsTheRunAndWhatMayBeDoneAgainIs) {
  const JobOnDisk job(keys("users", "split_full_name"));

  expect_told(run_and(job,
                      [&] {
                        for (const char* part : {"", "-wal", "-shm"})
                          std::filesystem::remove(job.checkpoint() + part);
                      }),
              "deleted");

  const ProgramEnd end = job.run({"--resume"});
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground_->value("SELECT count(*) FROM users WHERE full_name IS NOT NULL AND "
                               "first_name IS NULL"),
            "0");
}

TEST_P(LostCheckpointTest, ThatIsReplacedEndsTheRun) {
  const JobOnDisk job(keys("users", "split_full_name"));
  const std::string another = (job.folder() / "another.db").string();
  write_file(another, "");

  // In one step: the other worker goes on, and would find the file deleted in between.
  expect_told(run_and(job, [&] { std::filesystem::rename(another, job.checkpoint()); }),
              "replaced");
}

// Rows must not be doubled twice: the ledger still says that somebody was at work.
TEST_P(LostCheckpointTest, OfRowsThatMustNotBeDoneTwiceIsAskedFor) {
  const JobOnDisk job(keys("accounts", "double_balance"));
  const std::string kept = (job.folder() / "kept.db").string();
  expect_told(run_and(job, [&] { move_checkpoint(job, kept); }), "deleted");
  const auto contents = playground_->rows("SELECT * FROM accounts ORDER BY id");

  for (const JobOnDisk::Words& words : {JobOnDisk::Words{"--resume"}, JobOnDisk::Words{}}) {
    const ProgramEnd refused = job.run(words);
    EXPECT_EQ(refused.exit_code, 2) << refused;
    EXPECT_NE(refused.err.find("an earlier run of job job has written"), std::string::npos)
        << refused;
  }
  EXPECT_EQ(playground_->rows("SELECT * FROM accounts ORDER BY id"), contents);
  EXPECT_TRUE(job.status()["state"].is_null());

  const ProgramEnd end = job.run({"--resume", "--checkpoint=" + kept});
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground_->value(kNotDoubledOnce), "0");
}

// Whatever was pruned: as long as the run is unfinished, something stays in the ledger.
TEST_P(LostCheckpointTest, IsAskedForAlsoLongAfterTheLedgerWasPruned) {
  const JobOnDisk job(keys("accounts", "double_balance"));
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--workers=1"}, "chunk.after_read=wait(" + go + ")@8");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));
  ASSERT_TRUE(wait_until([&] {
    return job.status()["rows"]["read"] >= 140 &&
           playground_->value("SELECT count(*) FROM backfill_ledger") == "1";
  })) << playground_->value("SELECT count(*) FROM backfill_ledger");
  run.send(SIGKILL);
  run.wait();
  std::filesystem::remove(job.checkpoint());
  std::filesystem::remove(job.checkpoint() + "-wal");

  const ProgramEnd refused = job.run({"--resume"});

  EXPECT_EQ(refused.exit_code, 2) << refused;
  // Who knows better says so.
  playground_->execute("UPDATE accounts SET balance = id * 3 + 1");
  const ProgramEnd end = job.run({"--restart"});
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground_->value(kNotDoubledOnce), "0");
}

INSTANTIATE_TEST_SUITE_P(On, LostCheckpointTest,
                         ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
