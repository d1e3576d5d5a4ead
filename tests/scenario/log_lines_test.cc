// What a run leaves for those who look at it later: its lines as JSON, and its last words where
// Kubernetes looks for them.

#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

#include "job_on_disk.h"
#include "playground.h"
#include "sqlite/connection.h"

namespace backfill {
namespace {

using Json = nlohmann::json;

constexpr int kRows = 500;

class LogLinesTest : public ::testing::TestWithParam<Engine> {
 protected:
  LogLinesTest() {
    playground_->execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text); "
        "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);");
    playground_->execute(
        "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
        "< 500) SELECT i, CASE WHEN i = 77 THEN NULL ELSE 'Ann' END FROM n");
  }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"target.table", toml_string(playground_->table("people"))},
            {"limits.max_rejected", "1"}};
  }

  const std::unique_ptr<Playground> playground_ = make_playground(GetParam());
};

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::vector<Json> lines_of(const std::string& text, const std::string& event) {
  std::vector<Json> lines = lines_of(text);
  std::erase_if(lines, [&](const Json& line) { return line["event"] != event; });
  return lines;
}

std::int64_t sum(const std::vector<Json>& lines, const std::string& name) {
  std::int64_t sum = 0;
  for (const Json& line : lines) sum += line.at(name).get<std::int64_t>();
  return sum;
}

TEST_P(LogLinesTest, OfBatchesAddUpToTheLastLine) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.run({"--log-level=debug", "--log-format=json"});

  ASSERT_EQ(end.exit_code, 0) << end;
  const std::vector<Json> batches = lines_of(end.err, "batch");
  const std::vector<Json> ends = lines_of(end.err, "complete");
  ASSERT_EQ(ends.size(), 1U) << end;
  EXPECT_EQ(lines_of(end.err).back(), ends[0]) << end;
  EXPECT_GE(batches.size(), 10U) << end;
  for (const char* name : {"rows_read", "written", "unchanged", "skipped", "rejected", "conflicts"})
    EXPECT_EQ(sum(batches, name), ends[0].at(name)) << name << "\n" << end;
  EXPECT_EQ(ends[0]["rows_read"], kRows);
  EXPECT_EQ(ends[0]["rejected"], 1);
  EXPECT_TRUE(ends[0].at("elapsed_s").is_number()) << ends[0];
}

TEST_P(LogLinesTest, OfABatchSayWhichKeysAndWhereItsTimeWent) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.run({"--log-level=debug", "--log-format=json", "--workers=1"},
                                 "target.before_commit=delay(50ms)@2");

  ASSERT_EQ(end.exit_code, 0) << end;
  const std::vector<Json> batches = lines_of(end.err, "batch");
  ASSERT_GE(batches.size(), 2U) << end;
  EXPECT_EQ(batches[0]["ordinal"], 0);
  EXPECT_EQ(batches[0]["after"], "start");
  EXPECT_EQ(batches[1]["after"], batches[0]["upto"]);
  EXPECT_EQ(batches.back()["upto"], std::to_string(kRows));
  EXPECT_GE(batches[1]["write_ms"].get<double>(), 50) << batches[1];
  for (const char* name :
       {"read_ms", "transform_ms", "write_ms", "validate_ms", "rested_ms", "retries", "splits"}) {
    EXPECT_TRUE(batches[1].at(name).is_number()) << batches[1];
  }
}

TEST_P(LogLinesTest, SayHowLongABatchWasHeldBackAndWhy) {
  const JobOnDisk job(keys());

  const ProgramEnd end =
      job.run({"--log-level=debug", "--log-format=json", "--workers=1", "--batch-size=250", "--set",
               "batch.adaptive=false", "--set", "throttle.share=0.25"},
              "target.before_commit=delay(60ms)@1");

  ASSERT_EQ(end.exit_code, 0) << end;
  const std::vector<Json> batches = lines_of(end.err, "batch");
  ASSERT_EQ(batches.size(), 2U) << end;
  // 60 ms at a quarter of the time: three times as long at rest, give or take a fifth.
  EXPECT_GE(batches[1]["rested_ms"].get<double>(), 140) << end;
  EXPECT_EQ(batches[1]["reason"], "throttle.share = 0.25") << end;
}

TEST_P(LogLinesTest, NameTheRunFromItsStartAndInEachProcessThatGoesOnWithIt) {
  const JobOnDisk job(keys());

  const ProgramEnd killed =
      job.run({"--log-level=debug", "--log-format=json"}, "target.after_commit=crash@5");
  const std::string run_id = job.status()["run_id"];
  const ProgramEnd resumed = job.run({"--log-format=json", "--resume"});

  ASSERT_EQ(killed.signal, SIGKILL) << killed;
  ASSERT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_FALSE(run_id.empty());
  for (const ProgramEnd& end : {killed, resumed}) {
    const std::vector<Json> lines = lines_of(end.err);
    EXPECT_GE(lines.size(), 2U) << end;
    for (const Json& line : lines) {
      EXPECT_EQ(line["run_id"], run_id) << end;
      EXPECT_EQ(line["job"], job.status()["job"]) << end;
    }
  }
}

TEST_P(LogLinesTest, OfBatchesAreNotSaidUnlessAskedFor) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.run({"--log-format=json"});

  EXPECT_TRUE(lines_of(end.err, "batch").empty()) << end;
  EXPECT_EQ(lines_of(end.err, "complete").size(), 1U) << end;
}

INSTANTIATE_TEST_SUITE_P(On, LogLinesTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

// What a container leaves in its termination log.
class LastWordsTest : public ::testing::Test {
 protected:
  LastWordsTest() {
    write_file(log_, "what the container before this one said");
    playground_->execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE people (id int PRIMARY "
        "KEY, name text NOT NULL); INSERT INTO users VALUES (1, 'Ann'), (2, NULL)");
  }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", "\"users\""},
            {"target.table", "\"people\""},
            {"limits.max_rejected", "1"}};
  }

  Program::Environment environment(const std::string& failpoints = "") const {
    return {{"BACKFILL_TERMINATION_LOG", log_.string()}, {"BACKFILL_FAILPOINTS", failpoints}};
  }

  std::string words() const { return read_file(log_); }

  const std::unique_ptr<Playground> playground_ = make_playground(Engine::sqlite);
  const TempFolder folder_;
  const std::filesystem::path log_ = folder_ / "termination-log";
};

TEST_F(LastWordsTest, OfARunThatIsCompleteCountItsRows) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.call("run", {}, environment());
  const std::string complete = words();
  const ProgramEnd again = job.call("run", {"--resume"}, environment());

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(complete,
            "exit code 0: job: complete, 2 rows read, 1 written, 1 rejected, up to key 2\n");
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(words(), complete);
}

TEST_F(LastWordsTest, OfARunThatFailsCountItsRowsAndSayWhatToDo) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.call("run", {"--batch-size=1", "--set", "batch.adaptive=false"},
                                  environment("checkpoint.before_commit=error@3"));

  EXPECT_EQ(end.exit_code, 1) << end;
  EXPECT_TRUE(words().starts_with("exit code 1: job: failed, ")) << words();
  EXPECT_TRUE(words().ends_with("; mend it and run again with --resume\n")) << words();
}

TEST_F(LastWordsTest, OfARunThatRejectedTooMuchSayTheLimit) {
  const JobOnDisk job(keys());

  const ProgramEnd end = job.call("run", {"--set", "limits.max_rejected=0"}, environment());

  EXPECT_EQ(end.exit_code, 4) << end;
  EXPECT_EQ(words(),
            "exit code 4: job: failed, 2 rows read, 1 written, 1 rejected, up to key 2: 1 rows "
            "rejected, limits.max_rejected allows 0; status --dead-letters lists them, run "
            "--retry-rejected tries them again\n");
}

TEST_F(LastWordsTest, OfARunThatIsStoppedSayBySignal) {
  const JobOnDisk job(keys());
  const std::string gate = (folder_ / "gate").string();
  Program run({BACKFILL_PROGRAM, "run", job.file(), "--workers=1"},
              environment("chunk.after_read=wait(" + gate + ")@1"));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(gate + ".reached"); })) << run.err();

  run.send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return run.err().find("SIGTERM") != std::string::npos; }));
  write_file(gate, "");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_TRUE(words().starts_with("exit code 75: job: stopped (stopped by SIGTERM), ")) << words();
}

TEST_F(LastWordsTest, OfARunThatLeavesACallBehindAreSaidAllTheSame) {
  const JobOnDisk job(keys());
  const std::string never = (folder_ / "never").string();
  Program run({BACKFILL_PROGRAM, "run", job.file(), "--workers=1", "--grace=100ms"},
              environment("target.before_commit=wait(" + never + ")@1"));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(never + ".reached"); })) << run.err();

  run.send(SIGTERM);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_TRUE(words().starts_with("exit code 75: job: stopped (stopped with a batch in flight), "))
      << words();
  EXPECT_NE(end.err.find(" warning stopped rows_read="), std::string::npos) << end;
}

TEST_F(LastWordsTest, OfAVerifyAndAReconcileHoldTheirVerdict) {
  const JobOnDisk job(keys());
  playground_->execute("UPDATE users SET name = 'Bo' WHERE id = 2");
  ASSERT_EQ(job.call("run").exit_code, 0);
  const auto words_after = [&](const std::string& command, int exit_code) {
    const ProgramEnd end = job.call(command, {"--settle=0s"}, environment());
    EXPECT_EQ(end.exit_code, exit_code) << end;
    return words();
  };

  EXPECT_EQ(words_after("verify", 0),
            "exit code 0: job: equal, 2 rows compared, verified through 2\n");
  playground_->execute("INSERT INTO users VALUES (3, 'Bob')");
  EXPECT_EQ(words_after("verify", 5),
            "exit code 5: job: DIFFERENT, 3 rows compared, 1 missing, 0 extra, 0 "
            "different\n");
  EXPECT_EQ(words_after("reconcile", 0),
            "exit code 0: job: 1 rows written, 0 deleted, 0 refused by the target; left: 0 "
            "missing, 0 extra, 0 different, 0 unsettled\n");
}

TEST_F(LastWordsTest, OfWhatIsRefusedAreTheSameAsOnStderr) {
  JobOnDisk job(keys());
  const auto expect_same = [&](int exit_code, const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, exit_code) << end;
    ASSERT_TRUE(end.err.starts_with("backfill: ")) << end;
    EXPECT_EQ(words(), "exit code " + std::to_string(exit_code) + ": " +
                           end.err.substr(std::string("backfill: ").size()));
  };

  expect_same(2, run_program({BACKFILL_PROGRAM, "run"}, environment()));
  expect_same(2, job.call("run", {"--no-such-flag"}, environment()));
  job.change({{"source.table", "\"nobody\""}});
  expect_same(3, job.call("run", {}, environment()));
  expect_same(3, job.call("verify", {}, environment()));
}

TEST_F(LastWordsTest, AreCutToWhatKubernetesTakesAndStayText) {
  JobOnDisk job(keys());
  std::string name;
  for (int i = 0; i < 3000; ++i) name += "ü";
  job.change({{"source.table", toml_string(name)}});

  const ProgramEnd end = job.call("run", {}, environment());

  EXPECT_EQ(end.exit_code, 3) << end;
  EXPECT_LE(words().size(), 4096U);
  EXPECT_GE(words().size(), 4094U);
  EXPECT_TRUE(words().starts_with("exit code 3: ")) << words();
  EXPECT_NO_THROW(Json(words()).dump()) << "no UTF-8";
}

TEST_F(LastWordsTest, AreNotThoseOfSomebodyWhoLooksAtTheRun) {
  const JobOnDisk job(keys());
  const std::string before = words();

  for (const char* command : {"plan", "status", "pause", "resume"}) {
    job.call(command, {}, environment());
    EXPECT_EQ(words(), before) << command;
  }
}

TEST_F(LastWordsTest, AreKeptNowhereWhereNobodyLooksForThem) {
  const JobOnDisk job(keys());
  std::filesystem::remove(log_);

  const ProgramEnd end = job.call("run", {}, environment());

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_FALSE(std::filesystem::exists(log_));
}

}  // namespace
}  // namespace backfill
