// A run that is paused, resumed and set otherwise while it goes on, and before it.

#include <gtest/gtest.h>

#include <csignal>

#include "scenario/job_on_disk.h"
#include "scenario/playground.h"
#include "support/program.h"

namespace backfill {
namespace {

using Json = nlohmann::json;

class ControlTest : public ::testing::TestWithParam<Engine> {
 protected:
  ControlTest() {
    playground_->execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text); "
        "CREATE TABLE people (id int PRIMARY KEY, name text);");
    playground_->execute(
        "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
        "< 2000) SELECT i, 'name ' || i FROM n");
  }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"target.table", toml_string(playground_->table("people"))}};
  }

  std::string copied() { return playground_->value("SELECT count(*) FROM people"); }

  static bool is_paused(const JobOnDisk& job) {
    const Json status = job.status();
    return status["state"] == "paused" && status["reason"].is_string() &&
           status["reason"].get<std::string>().starts_with("paused by `backfill pause` at ");
  }

  const std::unique_ptr<Playground> playground_ = make_playground(GetParam());
};

TEST_P(ControlTest, PausesBeforeARunAndResumesInIt) {
  const JobOnDisk job(keys());
  const ProgramEnd paused = job.call("pause");
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << run.err();
  const std::string while_paused = copied();

  const ProgramEnd resumed = job.call("resume");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(paused.exit_code, 0) << paused;
  EXPECT_NE(paused.out.find("no run is in progress"), std::string::npos) << paused;
  EXPECT_EQ(while_paused, "0");
  EXPECT_NE(resumed.out.find("a run is in progress"), std::string::npos) << resumed;
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(ControlTest, PausesARunInProgressAlsoAfterAKill) {
  const JobOnDisk job(keys());
  const std::string gate = (job.folder() / "gate").string();
  Program run = job.start({}, "chunk.after_read=wait(" + gate + ")@5");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(gate + ".reached"); })) << run.err();
  job.call("pause");
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << run.err();
  write_file(gate, "");
  run.send(SIGKILL);
  run.wait();

  Program next = job.start({"--resume"});
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << next.err();
  EXPECT_LT(std::stoi(copied()), 2000);
  job.call("resume");

  const ProgramEnd end = next.wait();
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(ControlTest, SetsWhatARunInProgressThenHolds) {
  const JobOnDisk job(keys());
  job.call("pause");
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << run.err();

  const ProgramEnd set = job.call("set", {"batch.size=50", "run.workers=4", "throttle.share=0.9"});
  ASSERT_EQ(set.exit_code, 0) << set;
  ASSERT_TRUE(wait_until([&] { return job.status()["batch_size"] == 50; })) << run.err();
  const Json control = job.status()["control"];
  job.call("resume");
  const ProgramEnd end = run.wait();

  ASSERT_EQ(control.size(), 4U) << control;
  EXPECT_EQ(control[0]["key"], "batch.size");
  EXPECT_EQ(control[0]["value"], "50");
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("key=run.workers from=2 to=4"), std::string::npos) << end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(ControlTest, ShowsWhoWatchesWhatIsSetAndEndsWithTheRun) {
  const JobOnDisk job(keys());
  job.call("pause");
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << run.err();
  Program watch({BACKFILL_PROGRAM, "status", job.file(), "--watch"});
  const auto shows = [&](const std::string& words) {
    return wait_until([&] { return watch.out().find(words) != std::string::npos; });
  };
  ASSERT_TRUE(shows("paused: paused by `backfill pause` at ")) << watch.out();

  job.call("set", {"batch.size=50"});
  ASSERT_TRUE(shows("batch.size = 50, since ")) << watch.out();
  job.call("resume");
  run.wait();
  const ProgramEnd end = watch.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.rfind("complete"), std::string::npos) << end;
}

TEST_P(ControlTest, HoldsWhatWasSetInLaterRunsUntilItIsUnset) {
  const JobOnDisk job(keys());
  job.call("set", {"run.workers=3"});
  EXPECT_NE(job.call("plan").out.find("control"), std::string::npos);
  job.run();
  const Json with = job.status();

  const ProgramEnd unset = job.call("set", {"--unset", "run.workers"});
  const ProgramEnd listed = job.call("set");

  EXPECT_EQ(with["workers"], 3) << with;
  EXPECT_EQ(unset.exit_code, 0) << unset;
  EXPECT_NE(listed.out.find("nothing is set"), std::string::npos) << listed;
}

TEST_P(ControlTest, RefusesWhatCannotChangeOrIsNotAllowed) {
  const JobOnDisk job(keys());

  const ProgramEnd table = job.call("set", {"target.table=other"});
  const ProgramEnd size = job.call("set", {"batch.size=0"});
  const ProgramEnd listed = job.call("set");

  EXPECT_EQ(table.exit_code, 2) << table;
  EXPECT_NE(table.err.find("target.table: cannot change while a run goes on"), std::string::npos)
      << table;
  EXPECT_EQ(size.exit_code, 2) << size;
  EXPECT_NE(size.err.find("backfill set batch.size=0: must be an integer"), std::string::npos)
      << size;
  EXPECT_NE(listed.out.find("nothing is set"), std::string::npos) << listed;
}

TEST_P(ControlTest, ReadsTheJobFileAgainAtSighup) {
  JobOnDisk job(keys());
  job.call("pause");
  Program run = job.start();
  ASSERT_TRUE(wait_until([&] { return is_paused(job); })) << run.err();

  job.change({{"batch.size", "70"}, {"target.table", "\"elsewhere\""}});
  run.send(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return job.status()["batch_size"] == 70; })) << run.err();
  job.call("resume");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("cannot change while a run goes on"), std::string::npos) << end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(ControlTest, PausesAVerifyInProgressAndSetsWhatItThenHolds) {
  playground_->execute("INSERT INTO people SELECT * FROM users");
  const JobOnDisk job(keys());
  const std::string pause_file = (job.folder() / "pause").string();
  Program verify({BACKFILL_PROGRAM, "verify", job.file()},
                 {{"BACKFILL_FAILPOINTS", "verify.after_compare=delay(400ms)"}});
  const auto says = [&](const std::string& text) {
    return wait_until([&] { return verify.err().find(text) != std::string::npos; });
  };
  ASSERT_TRUE(says("end_key")) << verify.err();

  const ProgramEnd paused = job.call("pause");
  EXPECT_TRUE(says("paused by `backfill pause` at ")) << verify.err();
  const auto threads = [&] {
    int count = 0;
    for (const auto& thread :
         std::filesystem::directory_iterator("/proc/" + std::to_string(verify.pid()) + "/task"))
      count += thread.is_directory() ? 1 : 0;
    return count;
  };
  const auto threads_before = threads();
  job.call("set", {"run.workers=6"});
  EXPECT_TRUE(wait_until([&] { return threads() >= threads_before + 4; })) << verify.err();
  job.call("resume");
  EXPECT_TRUE(says("goes on")) << verify.err();
  write_file(pause_file, "");
  job.call("set", {"throttle.pause_file=" + pause_file});
  EXPECT_TRUE(says("paused reason=\"pause_file ")) << verify.err();
  EXPECT_TRUE(verify.is_running());
  std::filesystem::remove(pause_file);
  const ProgramEnd end = verify.wait();

  EXPECT_NE(paused.out.find("a verify is in progress"), std::string::npos) << paused;
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.find("equal"), std::string::npos) << end;
}

TEST_P(ControlTest, EndsAPausedVerifyWhenItsTimeIsOver) {
  const JobOnDisk job(keys());
  job.call("pause");

  const ProgramEnd end = job.call("verify", {"--set", "schedule.max_runtime=200ms"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.find("not finished: max_runtime is over"), std::string::npos) << end;
}

INSTANTIATE_TEST_SUITE_P(On, ControlTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
