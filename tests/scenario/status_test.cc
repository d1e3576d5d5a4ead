// What `status` and `plan` say, and that looking changes nothing.

#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "gate.h"
#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using nlohmann::json;

constexpr int kPeople = 300;
using Keys = std::map<std::string, std::string>;

std::set<std::string> names_of(const json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

class StatusTest : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    playground_ = make_playground(GetParam());
    create_people(*playground_, "users", make_people(kPeople));
  }

  Playground& playground() { return *playground_; }

  Keys keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  std::vector<std::string> contents() {
    return playground_->rows("SELECT * FROM users ORDER BY id");
  }

 private:
  std::unique_ptr<Playground> playground_;
};

void expect_shape(const json& status) {
  EXPECT_EQ(names_of(status),
            (std::set<std::string>{"job", "run_id", "state", "reason", "rows", "progress",
                                   "rate_rows_per_s", "eta_s", "watermark", "end_key", "batch_size",
                                   "workers", "share", "pressure", "batches", "started_at",
                                   "updated_at", "elapsed_s", "throttled_s"}));
  EXPECT_EQ(names_of(status["rows"]),
            (std::set<std::string>{"read", "written", "skipped", "rejected", "unchanged",
                                   "conflicts", "estimated_total"}));
  EXPECT_EQ(names_of(status["eta_s"]), (std::set<std::string>{"low", "high"}));
  EXPECT_EQ(names_of(status["pressure"]), (std::set<std::string>{"value", "signal"}));
  EXPECT_EQ(names_of(status["batches"]), (std::set<std::string>{"done", "retried", "split"}));
}

TEST_P(StatusTest, HasNullForWhatIsNotKnownBeforeTheFirstRun) {
  const JobOnDisk job(keys());

  const json status = job.status();

  expect_shape(status);
  EXPECT_EQ(status["job"], "job");
  for (const char* name : {"run_id", "state", "reason", "progress", "rate_rows_per_s", "watermark",
                           "end_key", "started_at", "updated_at"}) {
    EXPECT_TRUE(status[name].is_null()) << name;
  }
  EXPECT_TRUE(status["eta_s"]["low"].is_null());
  EXPECT_TRUE(status["rows"]["estimated_total"].is_null());
  EXPECT_FALSE(std::filesystem::exists(job.checkpoint()));
}

TEST_P(StatusTest, HasTheWholeShapeAfterACompleteRun) {
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run({"--workers=3"}).exit_code, 0);

  const json status = job.status();

  expect_shape(status);
  const std::string last = playground().value("SELECT max(id) FROM users");
  EXPECT_EQ(status["state"], "complete");
  EXPECT_TRUE(status["reason"].is_null());
  EXPECT_EQ(status["progress"], 1.0);
  EXPECT_EQ(status["rows"]["read"], kPeople);
  EXPECT_EQ(status["watermark"], json::array({last}));
  EXPECT_EQ(status["end_key"], json::array({last}));
  EXPECT_EQ(status["batch_size"], 20);
  EXPECT_EQ(status["workers"], 3);
  EXPECT_EQ(status["share"], 1.0);
  EXPECT_TRUE(status["pressure"]["value"].is_null());
  EXPECT_EQ(status["batches"]["done"], 15);
  EXPECT_TRUE(status["started_at"].get<std::string>().ends_with("Z"));
  EXPECT_TRUE(status["elapsed_s"].is_number());
}

TEST_P(StatusTest, NeverGoesBackWhileARunGoesOn) {
  const JobOnDisk job(keys());
  const Gate gate(job);
  Program run =
      job.start({"--workers=2"}, gate.at("chunk.after_read", 12) + ",chunk.after_read=delay(60ms)");
  double progress = 0;
  int read = 0;
  int running = 0;

  while (run.is_running()) {
    const json status = job.status();
    if (status["state"] != "running") continue;
    if (++running == 3) gate.open();
    const double now = status["progress"].is_null() ? 0 : status["progress"].get<double>();
    EXPECT_GE(now, progress);
    EXPECT_LE(now, 1);
    EXPECT_GE(status["rows"]["read"], read);
    progress = now;
    read = status["rows"]["read"];
  }

  EXPECT_EQ(run.wait().exit_code, 0);
  EXPECT_GT(running, 2);
  EXPECT_GT(read, 0);
}

TEST_P(StatusTest, CountsOnAcrossAResume) {
  const JobOnDisk job(keys());
  job.run({"--workers=1"}, "checkpoint.after_commit=crash@3");
  const json before = job.status();
  ASSERT_EQ(before["state"], "stopped");

  const Gate gate(job);
  Program resumed = job.start({"--resume"}, gate.at("chunk.after_read", 2));
  ASSERT_TRUE(wait_until([&] { return job.status()["state"] == "running"; }));
  const json during = job.status();
  gate.open();
  EXPECT_EQ(resumed.wait().exit_code, 0);

  EXPECT_EQ(during["run_id"], before["run_id"]);
  EXPECT_EQ(during["started_at"], before["started_at"]);
  EXPECT_GE(during["rows"]["read"], before["rows"]["read"]);
  EXPECT_GE(during["progress"], before["progress"]);
  EXPECT_GE(job.status()["elapsed_s"], before["elapsed_s"]);
}

TEST_P(StatusTest, OfAPlanSaysWhereEachValueComesFrom) {
  const JobOnDisk job(keys());
  const auto origin_of = [&](const ProgramEnd& plan, const std::string& name) {
    const std::size_t at = plan.out.find("\n  " + name + " ");
    if (at == std::string::npos) return std::string("not there");
    const std::string line = plan.out.substr(at + 1, plan.out.find('\n', at + 1) - at - 1);
    for (const char* origin : {"flag", "environment", "job file", "default"}) {
      if (line.ends_with(origin)) return std::string(origin);
    }
    return line;
  };

  const ProgramEnd plan = job.call("plan", {"--set", "limits.retries=3"});
  EXPECT_EQ(plan.exit_code, 0) << plan;
  EXPECT_EQ(origin_of(plan, "limits.retries"), "flag") << plan;
  EXPECT_EQ(origin_of(plan, "batch.size"), "job file") << plan;
  EXPECT_EQ(origin_of(plan, "run.workers"), "default") << plan;

  const ProgramEnd dry = job.call("run", {"--dry-run", "--batch-size=7"},
                                  {{"BACKFILL_WORKERS", "5"}, {"BACKFILL_BATCH_SIZE", "9"}});
  EXPECT_EQ(dry.exit_code, 0) << dry;
  EXPECT_EQ(origin_of(dry, "run.workers"), "environment") << dry;
  EXPECT_EQ(origin_of(dry, "batch.size"), "flag") << dry;
}

TEST_P(StatusTest, TakesTheFlagBeforeTheEnvironmentBeforeTheFile) {
  const JobOnDisk job(keys());

  const Program::Environment environment = {{"BACKFILL_WORKERS", "3"},
                                            {"BACKFILL_BATCH_SIZE", "50"}};
  const ProgramEnd end = job.call("run", {"--workers=4"}, environment);

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.status()["workers"], 4);
  EXPECT_EQ(job.status()["batch_size"], 50);
}

TEST_P(StatusTest, OfAPlanChangesNothing) {
  Keys with_ledger = keys();
  with_ledger["target.ledger"] = "\"on\"";
  const JobOnDisk job(with_ledger);
  const auto before = contents();

  const ProgramEnd plan = job.call("plan");

  EXPECT_EQ(plan.exit_code, 0) << plan;
  EXPECT_NE(plan.out.find("UPDATE"), std::string::npos) << plan;
  EXPECT_EQ(contents(), before);
  EXPECT_FALSE(playground().has_table("backfill_ledger"));
  EXPECT_FALSE(std::filesystem::exists(job.checkpoint()));
}

TEST_P(StatusTest, OfAPlanIsRefusedWhereTheRunWouldBe) {
  Keys wrong = keys();
  wrong["target.table"] = toml_string(playground().table("nobody"));
  const JobOnDisk job(wrong);

  const ProgramEnd plan = job.call("plan");
  const ProgramEnd run = job.run();

  EXPECT_EQ(plan.exit_code, 3) << plan;
  EXPECT_EQ(run.exit_code, 3) << run;
  EXPECT_EQ(plan.err, run.err);
}

INSTANTIATE_TEST_SUITE_P(On, StatusTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
