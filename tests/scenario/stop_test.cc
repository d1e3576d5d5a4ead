// Ends that are asked for, and runs that are not alone.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

#include "gate.h"
#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kPeople = 300;

class StopTest : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    playground_ = make_playground(GetParam());
    create_people(*playground_, "users", make_people(kPeople));
  }

  Playground& playground() { return *playground_; }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  // Names that are there but not split yet.
  int left() {
    return std::stoi(playground_->value(
        "SELECT count(*) FROM users WHERE full_name IS NOT NULL AND first_name IS NULL"));
  }

  bool some_are_done() {
    return wait_until([&] {
      return !playground_->value("SELECT id FROM users WHERE first_name IS NOT NULL LIMIT 1")
                  .empty();
    });
  }

  void expect_stopped_and_resumable(const JobOnDisk& job, const std::string& reason) {
    const nlohmann::json status = job.status();
    EXPECT_EQ(status["state"], "stopped");
    EXPECT_EQ(status["reason"], reason);
    EXPECT_GT(left(), 0);
    const ProgramEnd resumed = job.run({"--resume"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed;
    EXPECT_EQ(left(), 0);
    EXPECT_EQ(job.status()["rows"]["read"], kPeople);
  }

 private:
  std::unique_ptr<Playground> playground_;
};

TEST_P(StopTest, SigtermAndSigintFinishTheBatchAndExitWith75) {
  for (const int signal : {SIGTERM, SIGINT}) {
    playground().execute("UPDATE users SET first_name = NULL, last_name = NULL");
    const JobOnDisk job(keys());
    const Gate gate(job);
    Program run = job.start({"--workers=2"},
                            gate.at("chunk.after_read", 8) + ",chunk.after_read=delay(20ms)");
    ASSERT_TRUE(some_are_done());

    run.send(signal);
    ASSERT_TRUE(wait_until([&] { return run.err().find("stop requested") != std::string::npos; }));
    gate.open();
    const ProgramEnd end = run.wait(5s);

    EXPECT_EQ(end.exit_code, 75) << end;
    expect_stopped_and_resumable(job,
                                 signal == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGINT");
  }
}

TEST_P(StopTest, ASecondSignalEndsAtOnceAndIsSafe) {
  const JobOnDisk job(keys());
  const std::string never = (job.folder() / "never").string();
  Program run = job.start({}, "target.before_commit=wait(" + never + ")@2");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(never + ".reached"); }));

  run.send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return run.err().find("stop requested") != std::string::npos; }));
  EXPECT_TRUE(run.is_running());
  run.send(SIGTERM);
  const ProgramEnd end = run.wait(5s);

  EXPECT_EQ(end.signal, SIGTERM) << end;
  expect_stopped_and_resumable(job, "its process is gone; run again with --resume");
}

TEST_P(StopTest, ARestAndABackoffEndAtOnce) {
  struct Wait {
    const char* option;
    const char* failpoint;
    const char* sign;
  };
  for (const Wait& wait :
       {Wait{"throttle.share=0.001", "chunk.after_read=delay(100ms)@1", ""},
        Wait{"limits.retries=50", "chunk.after_transform=error(40001)", "will try again"}}) {
    SCOPED_TRACE(wait.option);
    playground().execute("UPDATE users SET first_name = NULL, last_name = NULL");
    const JobOnDisk job(keys());
    Program run = job.start({"--workers=1", "--set", wait.option}, wait.failpoint);
    const std::string sign = wait.sign;
    ASSERT_TRUE(sign.empty() ? some_are_done() : wait_until([&] {
      return run.err().find(sign) != std::string::npos;
    }));

    run.send(SIGTERM);
    const ProgramEnd end = run.wait(3s);

    EXPECT_EQ(end.exit_code, 75) << end;
    expect_stopped_and_resumable(job, "stopped by SIGTERM");
  }
}

class StopAtTheServerTest : public StopTest {};

TEST_P(StopAtTheServerTest, CancelsAStatementThatOutlastsTheGrace) {
  playground().execute(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; CREATE TRIGGER slow BEFORE UPDATE ON users "
      "FOR EACH ROW WHEN (NEW.id > 300) EXECUTE FUNCTION slow()");
  const JobOnDisk job(keys());
  Program run = job.start({"--workers=1", "--grace=200ms"});
  ASSERT_TRUE(wait_until([&] {
    return playground().value(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
               "'PgSleep' AND application_name = 'backfill:job'") == "1";
  }));

  run.send(SIGTERM);
  const ProgramEnd end = run.wait(5s);

  EXPECT_EQ(end.exit_code, 75) << end;
  playground().execute("DROP TRIGGER slow ON users");
  expect_stopped_and_resumable(job, "stopped by SIGTERM");
}

TEST_P(StopTest, ABatchThatCannotEvenBeCancelledIsLeftBehind) {
  const JobOnDisk job(keys());
  const std::string never = (job.folder() / "never").string();
  Program run =
      job.start({"--workers=1", "--grace=100ms"}, "target.before_commit=wait(" + never + ")@3");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(never + ".reached"); }));

  run.send(SIGTERM);
  const ProgramEnd end = run.wait(10s);

  EXPECT_EQ(end.exit_code, 75) << end;
  expect_stopped_and_resumable(job, "stopped with a batch in flight");
}

TEST_P(StopTest, MaxRuntimeIsAPlannedStop) {
  const JobOnDisk job(keys());

  const ProgramEnd end =
      job.run({"--max-runtime=150ms", "--workers=1"}, "chunk.after_read=delay(100ms)");

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.state(), "paused");
  EXPECT_GT(left(), 0);
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(job.state(), "complete");
  EXPECT_EQ(left(), 0);
}

TEST_P(StopTest, ASecondRunnerTouchesNothingUntilTheFirstIsGone) {
  const JobOnDisk job(keys());
  const JobOnDisk same_job_elsewhere(keys());
  const std::string go = (job.folder() / "go").string();
  Program first = job.start({"--workers=1"}, "chunk.after_transform=wait(" + go + ")@4");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));
  ASSERT_TRUE(wait_until([&] { return job.status()["rows"]["read"] >= 60; }));
  const std::string run_id = job.status()["run_id"];
  const int left_before = left();

  for (const JobOnDisk* other : {&job, &same_job_elsewhere}) {
    for (const char* how : {"--resume", "--restart"}) {
      const ProgramEnd refused = other->run({how});
      EXPECT_EQ(refused.exit_code, 8) << refused;
      EXPECT_NE(refused.err.find("another runner holds"), std::string::npos) << refused;
    }
  }
  EXPECT_EQ(job.state(), "running");
  EXPECT_EQ(job.status()["run_id"], run_id);
  EXPECT_TRUE(same_job_elsewhere.status()["state"].is_null());
  EXPECT_EQ(left(), left_before);
  EXPECT_TRUE(first.is_running());

  first.send(SIGKILL);
  EXPECT_EQ(first.wait().signal, SIGKILL);
  const ProgramEnd second = job.run({"--resume"});
  EXPECT_EQ(second.exit_code, 0) << second;
  EXPECT_EQ(left(), 0);
}

std::string named(const ::testing::TestParamInfo<Engine>& tested) {
  return engine_name(tested.param);
}

INSTANTIATE_TEST_SUITE_P(On, StopAtTheServerTest, ::testing::Values(Engine::postgres), named);
INSTANTIATE_TEST_SUITE_P(On, StopTest, ::testing::Values(Engine::sqlite, Engine::postgres), named);

}  // namespace
}  // namespace backfill
