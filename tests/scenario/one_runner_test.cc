// Two runners of one job on two machines, each with a checkpoint of its own: one works at a time,
// and one that lost the job writes nothing more, whatever it believes.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "gate.h"
#include "job_on_disk.h"
#include "people.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;

bool is_reached(const std::string& wait_file) {
  return std::filesystem::exists(wait_file + ".reached");
}

class StartedAtOnce : public ::testing::TestWithParam<Engine> {};

TEST_P(StartedAtOnce, ExactlyOneWorks) {
  const auto playground = make_playground(GetParam());
  create_people(*playground, "users", make_people(100));
  const std::map<std::string, std::string> keys = {
      {"source.url", toml_string(playground->url())},
      {"source.table", toml_string(playground->table("users"))},
      {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    playground->execute("UPDATE users SET first_name = NULL, last_name = NULL");
    const JobOnDisk job(keys);
    const JobOnDisk same_job_elsewhere(keys);
    const std::string go = (job.folder() / "go").string();
    // Both would wait there, if both were let in.
    const std::string until_both_have_tried = "chunk.after_read=wait(" + go + ")@1";

    Program one = job.start({"--resume", "--workers=1"}, until_both_have_tried);
    Program other = same_job_elsewhere.start({"--resume", "--workers=1"}, until_both_have_tried);
    ASSERT_TRUE(wait_until([&] { return !one.is_running() || !other.is_running(); }));
    Program& loser = one.is_running() ? other : one;
    Program& winner = one.is_running() ? one : other;
    const JobOnDisk& loser_job = one.is_running() ? same_job_elsewhere : job;
    const ProgramEnd lost = loser.wait();
    const std::string done =
        playground->value("SELECT count(*) FROM users WHERE first_name IS NOT NULL");
    write_file(go, "");
    const ProgramEnd won = winner.wait();

    EXPECT_EQ(lost.exit_code, 8) << lost;
    EXPECT_EQ(done, "0");
    EXPECT_TRUE(loser_job.status()["state"].is_null());
    EXPECT_EQ(won.exit_code, 0) << won;
    EXPECT_EQ(playground->value("SELECT count(*) FROM users WHERE full_name IS NOT NULL AND "
                                "first_name IS NULL"),
              "0");
  }
}

INSTANTIATE_TEST_SUITE_P(On, StartedAtOnce, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

// A copy of 6000 rows; the target notes which runner wrote when.
class TwoRunners : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text); "
        "CREATE TABLE people (id int PRIMARY KEY, name text); "
        "INSERT INTO users SELECT i, 'name ' || i FROM generate_series(1, 6000) AS i; "
        "CREATE TABLE writes (runner text, at timestamptz); "
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO writes "
        "VALUES (current_setting(''test.runner''), clock_timestamp()); RETURN NULL; END'; "
        "CREATE TRIGGER note AFTER INSERT ON people EXECUTE FUNCTION note()");
    first_ = std::make_unique<JobOnDisk>(keys("first"));
    second_ = std::make_unique<JobOnDisk>(keys("second"));
    go_ = (second_->folder() / "go").string();
  }

  const JobOnDisk& first() const { return *first_; }
  const JobOnDisk& second() const { return *second_; }

  // What the server does to a session that has said nothing for 45 s.
  void end_lease() {
    execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND "
        "objsubid = 2 AND mode = 'ExclusiveLock' AND granted AND database = (SELECT oid FROM "
        "pg_database WHERE datname = current_database())");
  }

  // The second, once it has taken over and written a few batches, where it waits for let_go().
  void take_over(std::chrono::milliseconds limit, bool ends_lease) {
    const bool took_over = wait_until(
        [&] {
          // The first may have taken its lease again.
          if (ends_lease) end_lease();
          taker_.reset(new Program(second().start({"--restart", "--workers=1"},
                                                  "chunk.after_read=wait(" + go_ + ")@10")));
          EXPECT_TRUE(wait_until([&] { return is_reached(go_) || !taker_->is_running(); }));
          return is_reached(go_);
        },
        limit);
    ASSERT_TRUE(took_over) << taker_->wait();
  }
  ProgramEnd let_go() {
    write_file(go_, "");
    return taker_->wait();
  }

  std::string writes_of(const std::string& runner) {
    return value("SELECT count(*) FROM writes WHERE runner = '" + runner + "'");
  }

  void expect_lost_and_taken_over(Program& loser) {
    const ProgramEnd lost = loser.wait();
    EXPECT_EQ(lost.exit_code, 8) << lost;
    EXPECT_NE(lost.err.find("another runner holds job job"), std::string::npos) << lost;
    const ProgramEnd won = let_go();
    EXPECT_EQ(won.exit_code, 0) << won;
    EXPECT_NE(writes_of("first"), "0");
    EXPECT_NE(writes_of("second"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM writes WHERE runner = 'first' AND at >= (SELECT min(at) "
                    "FROM writes WHERE runner = 'second')"),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM users NATURAL JOIN people"), "6000");
  }

  // The first, stopped by SIGSTOP in the middle of its third batch, in a transaction.
  std::unique_ptr<Program> stopped_in_a_batch() {
    batch_go_ = (first().folder() / "batch").string();
    std::unique_ptr<Program> program(new Program(
        first().start({"--workers=1"}, "target.before_commit=wait(" + batch_go_ + ")@3")));
    EXPECT_TRUE(wait_until([&] { return is_reached(batch_go_); }));
    program->send(SIGSTOP);
    return program;
  }
  void go_on(Program& stopped) {
    write_file(batch_go_, "");
    stopped.send(SIGCONT);
  }

 private:
  std::map<std::string, std::string> keys(const std::string& runner) const {
    const std::string named = url() + "&options=-c%20test.runner%3D" + runner;
    return {{"source.url", toml_string(named)},
            {"source.table", "\"public.users\""},
            {"target.table", "\"public.people\""}};
  }

  std::unique_ptr<JobOnDisk> first_;
  std::unique_ptr<JobOnDisk> second_;
  std::unique_ptr<Program> taker_;
  std::string go_;
  std::string batch_go_;
};

TEST_F(TwoRunners, NothingIsWrittenByOneWhoseLeaseIsCutOffInFullWork) {
  Program loser = first().start({"--workers=2"}, "chunk.after_read=delay(30ms)");
  ASSERT_TRUE(wait_until([&] { return std::stoi(writes_of("first")) > 10; }));

  take_over(30s, true);

  expect_lost_and_taken_over(loser);
}

TEST_F(TwoRunners, NothingIsWrittenByOneThatWasStoppedInABatchAndGoesOn) {
  const auto loser = stopped_in_a_batch();

  take_over(30s, true);
  go_on(*loser);

  expect_lost_and_taken_over(*loser);
  EXPECT_EQ(writes_of("first"), "2");
}

TEST_F(TwoRunners, TheSecondTakesOverAtOnceWhenTheFirstIsKilledInABatch) {
  const auto killed = stopped_in_a_batch();

  killed->send(SIGKILL);
  EXPECT_EQ(killed->wait().signal, SIGKILL);
  const ProgramEnd end = second().run();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(value("SELECT count(*) FROM users NATURAL JOIN people"), "6000");
}

TEST_F(TwoRunners, GoesOnAfterItsLeaseWasCutOffAndNobodyCame) {
  const Gate gate(first());
  Program run = first().start({"--workers=2"},
                              gate.at("chunk.after_read", 20) + ",chunk.after_read=delay(10ms)");
  ASSERT_TRUE(wait_until([&] { return std::stoi(writes_of("first")) > 10; }));

  end_lease();
  gate.open();
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("the lease on the job is lost"), std::string::npos) << end;
  EXPECT_EQ(value("SELECT count(*) FROM users NATURAL JOIN people"), "6000");
}

// Takes most of a minute: BACKFILL_TEST_LONG=1 asks for it.
TEST_F(TwoRunners, OneThatIsStoppedLosesTheJobWithinAMinute) {
  if (std::getenv("BACKFILL_TEST_LONG") == nullptr) GTEST_SKIP() << "set BACKFILL_TEST_LONG=1";
  const auto loser = stopped_in_a_batch();
  const auto stopped_at = std::chrono::steady_clock::now();

  take_over(90s, false);
  EXPECT_LT(std::chrono::steady_clock::now() - stopped_at, 60s);
  go_on(*loser);

  expect_lost_and_taken_over(*loser);
}

}  // namespace
}  // namespace backfill
