// Settings that change while a run is at work: how many workers it has, and what it watches.

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <sstream>

#include "scenario/gate.h"
#include "scenario/job_on_disk.h"
#include "scenario/playground.h"
#include "support/program.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

using Json = nlohmann::json;

constexpr int kAccounts = 2000;  // a hundred batches of 20
constexpr const char* kSlowly = "chunk.after_read=delay(30ms)";

// A balance that is doubled in place: a row that is left out or done twice shows.
class LiveChangeTest : public ::testing::TestWithParam<Engine> {
 protected:
  LiveChangeTest() {
    playground_->execute(
        "CREATE TABLE accounts (id integer NOT NULL PRIMARY KEY, balance bigint NOT NULL)");
    add_accounts(1, kAccounts);
  }

  void add_accounts(int first, int last) {
    playground_->execute("INSERT INTO accounts WITH RECURSIVE n(i) AS (SELECT " +
                         std::to_string(first) + " UNION ALL SELECT i + 1 FROM n WHERE i < " +
                         std::to_string(last) + ") SELECT i, i * 3 FROM n");
  }

  JobOnDisk job(std::map<std::string, std::string> keys = {}) const {
    keys.insert({{"source.url", toml_string(playground_->url())},
                 {"source.table", toml_string(playground_->table("accounts"))},
                 {"transform.plugin", toml_string(plugin_path("double_balance"))},
                 {"batch.adaptive", "false"}});
    return JobOnDisk(keys);
  }

  // With one batch kept back, so that the run cannot end before the gate is opened.
  static Program start_with(const Gate& gate, const JobOnDisk& job) {
    return job.start({"--workers=1"}, gate.at("chunk.after_read", 60) + "," + kSlowly);
  }

  void expect_doubled_once(const ProgramEnd& end, int accounts = kAccounts) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(playground_->value("SELECT count(*) FROM accounts WHERE balance <> id * 6"), "0");
    EXPECT_EQ(playground_->value("SELECT count(*) FROM accounts"), std::to_string(accounts));
  }

  const std::unique_ptr<Playground> playground_ = make_playground(GetParam());
};

// Who did each batch so far, and, as -1, where a change of run.workers was taken up.
std::vector<int> workers_of(const std::string& log) {
  std::vector<int> workers;
  std::istringstream stream(log);
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    const Json json = Json::parse(line);
    if (json["event"] == "batch") workers.push_back(json["worker"].get<int>());
    if (json["event"] == "a setting has changed" && json["key"] == "run.workers")
      workers.push_back(-1);
  }
  return workers;
}

bool is_paused(const JobOnDisk& job, const std::string& reason) {
  const Json status = job.status();
  return status["state"] == "paused" && status["reason"] == reason;
}

TEST_P(LiveChangeTest, OfWorkersAddsSomeAndSendsSomeToRest) {
  constexpr int kMany = 10'000;  // for six workers, until there are fewer
  add_accounts(kAccounts + 1, kMany);
  const JobOnDisk job = this->job();
  Program run = job.start({"--workers=1", "--log-level=debug", "--log-format=json"}, kSlowly);
  const auto has_batch_of = [&](int worker) {
    const std::vector<int> workers = workers_of(run.err());
    return std::count(workers.begin(), workers.end(), worker) > 0;
  };
  ASSERT_TRUE(wait_until([&] { return has_batch_of(0); })) << run.err();

  job.call("set", {"run.workers=6"});
  ASSERT_TRUE(wait_until([&] { return has_batch_of(5); })) << run.err();
  job.call("set", {"run.workers=2"});
  ASSERT_TRUE(wait_until([&] {
    const std::vector<int> workers = workers_of(run.err());
    const auto up = std::find(workers.begin(), workers.end(), -1);
    const auto down = up == workers.end() ? up : std::find(up + 1, workers.end(), -1);
    return std::count(down, workers.end(), 1) >= 5;
  })) << run.err();
  job.call("set", {"batch.size=10000"});
  const ProgramEnd end = run.wait();

  const std::vector<int> workers = workers_of(end.err);
  const auto up = std::find(workers.begin(), workers.end(), -1);
  const auto down = std::find(up + 1, workers.end(), -1);
  ASSERT_NE(down, workers.end()) << end;
  for (auto batch = workers.begin(); batch != up; ++batch) EXPECT_EQ(*batch, 0) << end;
  // Those that are too many finish what they have in hand, and what they read ahead.
  const auto late = std::count_if(down, workers.end(), [](int worker) { return worker > 1; });
  EXPECT_LE(late, 2 * 4) << end;
  expect_doubled_once(end, kMany);
}

TEST_P(LiveChangeTest, OfWorkersMayComeAgainAndAgain) {
  const JobOnDisk job = this->job();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Program run = job.start({"--workers=2"}, kSlowly);

  int changes = 0;
  while (run.is_running()) {
    const int workers = std::uniform_int_distribution<int>(1, 8)(random);
    const int size = std::uniform_int_distribution<int>(5, 40)(random);
    const ProgramEnd set = job.call(
        "set", {"run.workers=" + std::to_string(workers), "batch.size=" + std::to_string(size)});
    ASSERT_EQ(set.exit_code, 0) << set;
    ++changes;
  }
  const ProgramEnd end = run.wait();

  EXPECT_GE(changes, 3);
  EXPECT_NE(end.err.find("key=run.workers"), std::string::npos) << end;
  expect_doubled_once(end);
}

TEST_P(LiveChangeTest, OfThePauseFileIsHeeded) {
  const TempFolder folder;
  const std::string file = (folder / "pause").string();
  write_file(file, "");
  const JobOnDisk job = this->job();
  const Gate gate(job);
  Program run = start_with(gate, job);
  ASSERT_TRUE(wait_until([&] { return job.status()["batches"]["done"].get<int>() > 0; }));

  job.call("set", {"throttle.pause_file=" + file});
  ASSERT_TRUE(wait_until([&] {
    const Json status = job.status();
    return status["state"] == "paused" &&
           status["reason"].get<std::string>().find(file) != std::string::npos;
  })) << run.err();
  std::filesystem::remove(file);
  gate.open();

  expect_doubled_once(run.wait());
}

TEST_P(LiveChangeTest, OfTheUsersQueryIsHeededUntilItIsUnset) {
  playground_->execute("CREATE TABLE jobs (state text); INSERT INTO jobs VALUES ('ready')");
  const JobOnDisk job = this->job();
  const Gate gate(job);
  Program run = start_with(gate, job);
  ASSERT_TRUE(wait_until([&] { return job.status()["batches"]["done"].get<int>() > 0; }));

  job.call("set", {"throttle.query=SELECT count(*) FROM " + playground_->table("jobs"),
                   "throttle.query_limit=1"});
  ASSERT_TRUE(wait_until([&] { return is_paused(job, "throttle.query 1 >= 1"); })) << run.err();
  job.call("set", {"throttle.query_limit=5"});
  ASSERT_TRUE(wait_until([&] { return job.state() == "running"; })) << run.err();
  job.call("set", {"throttle.query_limit=1"});
  ASSERT_TRUE(wait_until([&] { return is_paused(job, "throttle.query 1 >= 1"); })) << run.err();
  job.call("set", {"--unset", "throttle.query", "--unset", "throttle.query_limit"});
  gate.open();

  expect_doubled_once(run.wait());
}

TEST_P(LiveChangeTest, ToAQueryThatCannotBeAskedIsRefusedAndTheOneBeforeStays) {
  playground_->execute("CREATE TABLE jobs (state text); INSERT INTO jobs VALUES ('ready')");
  const std::string jobs = playground_->table("jobs");
  const JobOnDisk job = this->job({{"throttle.query", toml_string("SELECT count(*) FROM " + jobs)},
                                   {"throttle.query_limit", "2"}});
  const Gate gate(job);
  Program run = start_with(gate, job);
  ASSERT_TRUE(wait_until([&] { return job.status()["batches"]["done"].get<int>() > 0; }));

  int refused = 0;
  for (const char* query :
       {"SELECT 'many'", "SELECT count(*) FROM nobody", "SELECT 1, 2", "SELEC"}) {
    job.call("set", {std::string("throttle.query=") + query});
    ++refused;
    ASSERT_TRUE(wait_until([&] {
      const std::string log = run.err();
      int told = 0;
      for (std::size_t at = 0;
           (at = log.find("throttle.query stays as it was", at)) != std::string::npos; ++at)
        ++told;
      return told == refused;
    })) << query
        << run.err();
  }
  ASSERT_TRUE(wait_until([&] { return job.state() == "running"; })) << run.err();
  playground_->execute("INSERT INTO jobs VALUES ('ready')");
  ASSERT_TRUE(wait_until([&] { return is_paused(job, "throttle.query 2 >= 2"); })) << run.err();
  playground_->execute("DELETE FROM jobs");
  gate.open();
  const ProgramEnd end = run.wait();

  EXPECT_NE(end.err.find("let it select one number, or a boolean"), std::string::npos) << end;
  expect_doubled_once(end);
}

INSTANTIATE_TEST_SUITE_P(On, LiveChangeTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
