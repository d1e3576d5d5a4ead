// Windows of the real program, by a wall clock that is set by hand.

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

#include "scenario/job_on_disk.h"
#include "scenario/playground.h"
#include "support/program.h"

namespace backfill {
namespace {

using Json = nlohmann::json;

// 2026-11-23, a Monday, at noon in UTC, as seconds from now.
long until_noon() {
  std::tm noon{};
  noon.tm_year = 126;
  noon.tm_mon = 10;
  noon.tm_mday = 23;
  noon.tm_hour = 12;
  return static_cast<long>(timegm(&noon) - std::time(nullptr));
}

constexpr long kHour = 3600;

class WindowTest : public ::testing::TestWithParam<Engine> {
 protected:
  WindowTest() {
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
            {"target.table", toml_string(playground_->table("people"))},
            {"schedule.window", "\"Mon-Fri 22:00-06:00; Sat,Sun 00:00-24:00 share=0.5\""},
            {"schedule.timezone", "\"Europe/Berlin\""}};
  }

  // The program, at noon.
  Program start_at_noon(const JobOnDisk& job, const Program::Environment& more = {},
                        const std::vector<std::string>& words = {"run"}) const {
    set_hours(job, 0);
    Program::Environment environment = {{"LD_PRELOAD", BACKFILL_STEPPING_CLOCK},
                                        {"STEPPING_CLOCK", (job.folder() / "clock").string()}};
    environment.insert(more.begin(), more.end());
    std::vector<std::string> line{BACKFILL_PROGRAM};
    line.insert(line.end(), words.begin(), words.end());
    line.insert(line.end(), {job.file(), "--resume"});
    return Program(line, environment);
  }

  static void set_hours(const JobOnDisk& job, long hours) {
    write_file((job.folder() / "clock").string(), std::to_string(until_noon() + hours * kHour));
  }

  std::string copied() { return playground_->value("SELECT count(*) FROM people"); }

  const std::unique_ptr<Playground> playground_ = make_playground(GetParam());
};

TEST_P(WindowTest, WaitsOutsideAndWorksInside) {
  const JobOnDisk job(keys());
  Program run = start_at_noon(job);
  ASSERT_TRUE(wait_until([&] {
    const Json status = job.status();
    return status["state"] == "paused" &&
           status["reason"] == "outside schedule.window; opens at 2026-11-23 22:00 Europe/Berlin";
  })) << run.err();
  const std::string while_waiting = copied();

  set_hours(job, 10);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(while_waiting, "0");
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.state(), "complete");
  EXPECT_EQ(copied(), "2000");
}

TEST_P(WindowTest, StopsAsPlannedWhenItClosesAndGoesOnInTheNext) {
  const JobOnDisk job(keys());
  const std::string gate = (job.folder() / "gate").string();
  Program run =
      start_at_noon(job, {{"BACKFILL_FAILPOINTS", "chunk.after_read=wait(" + gate + ")@5"}});
  set_hours(job, 11);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(gate + ".reached"); })) << run.err();

  set_hours(job, 19);
  ASSERT_TRUE(wait_until([&] { return run.err().find("has closed") != std::string::npos; }));
  write_file(gate, "");
  const ProgramEnd end = run.wait();
  const Json status = job.status();
  const std::string left_off = copied();
  Program next = start_at_noon(job);
  set_hours(job, 11);
  const ProgramEnd next_end = next.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(status["state"], "paused");
  EXPECT_EQ(status["reason"], "schedule.window has closed");
  EXPECT_LT(std::stoi(left_off), 2000);
  EXPECT_EQ(next_end.exit_code, 0) << next_end;
  EXPECT_EQ(copied(), "2000");
}

TEST_P(WindowTest, VerifyWaitsStopsAndGoesOnLikeARun) {
  playground_->execute("INSERT INTO people SELECT * FROM users");
  const JobOnDisk job(keys());
  const std::string gate = (job.folder() / "gate").string();
  Program verify = start_at_noon(
      job, {{"BACKFILL_FAILPOINTS", "verify.after_compare=wait(" + gate + ")@5"}}, {"verify"});
  ASSERT_TRUE(wait_until([&] {
    return verify.err().find("outside schedule.window; opens at 2026-11-23 22:00 Europe/Berlin") !=
           std::string::npos;
  })) << verify.err();
  EXPECT_FALSE(std::filesystem::exists(gate + ".reached"));
  set_hours(job, 11);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(gate + ".reached"); }))
      << verify.err();
  set_hours(job, 19);
  ASSERT_TRUE(wait_until([&] { return verify.err().find("has closed") != std::string::npos; }));
  write_file(gate, "");
  const ProgramEnd end = verify.wait();
  Program next = start_at_noon(job, {}, {"verify", "--json"});
  set_hours(job, 11);
  const ProgramEnd next_end = next.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.find("not finished: schedule.window has closed"), std::string::npos) << end;
  EXPECT_EQ(next_end.exit_code, 0) << next_end;
  const Json json = Json::parse(next_end.out);
  EXPECT_EQ(json["clean"], true);
  EXPECT_EQ(json["rows"]["source"], 2000);
}

TEST_P(WindowTest, PlanSaysWhenItOpens) {
  const JobOnDisk job(keys());
  set_hours(job, 0);

  const ProgramEnd end = job.call("plan", {},
                                  {{"LD_PRELOAD", BACKFILL_STEPPING_CLOCK},
                                   {"STEPPING_CLOCK", (job.folder() / "clock").string()}});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.find("opens at 2026-11-23 22:00 Europe/Berlin"), std::string::npos) << end;
}

INSTANTIATE_TEST_SUITE_P(On, WindowTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
