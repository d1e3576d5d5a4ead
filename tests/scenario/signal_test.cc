// SIGTERM at every failpoint, and a program that is stopped for a while and goes on.

#include <gtest/gtest.h>

#include <csignal>

#include "gate.h"
#include "job_on_disk.h"
#include "playground.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr int kAccounts = 300;
constexpr const char* kNotDoubledOnce =
    "SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)";

void create_accounts(Playground& playground) {
  playground.execute(
      "CREATE TABLE accounts (id integer NOT NULL PRIMARY KEY, balance bigint NOT NULL)");
  std::string values;
  for (int i = 0; i < kAccounts; ++i) {
    values += i == 0 ? "" : ", ";
    values += "(" + std::to_string(i) + ", " + std::to_string(i * 3 + 1) + ")";
  }
  playground.execute("INSERT INTO accounts VALUES " + values);
}

Keys doubling(Playground& playground, const std::string& url) {
  return {{"source.url", toml_string(url)},
          {"source.table", toml_string(playground.table("accounts"))},
          {"transform.plugin", toml_string(plugin_path("double_balance"))}};
}

class SigtermTest : public ::testing::TestWithParam<std::tuple<Engine, std::string>> {};

TEST_P(SigtermTest, FinishesWhatIsInFlightAndAResumeDoesTheRest) {
  const auto playground = make_playground(std::get<0>(GetParam()));
  create_accounts(*playground);
  const JobOnDisk job(doubling(*playground, playground->url()));
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--workers=2"}, std::get<1>(GetParam()) + "=wait(" + go + ")@2");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  run.send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return run.err().find("stop requested") != std::string::npos; }));
  write_file(go, "");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 75) << end;
  const nlohmann::json stopped = job.status();
  EXPECT_EQ(stopped["state"], "stopped") << stopped;
  EXPECT_EQ(stopped["reason"], "stopped by SIGTERM") << stopped;
  // What the checkpoint counts is what the target has: nothing was left in doubt.
  EXPECT_EQ(playground->value("SELECT count(*) FROM accounts WHERE balance = 2 * (id * 3 + 1)"),
            std::to_string(stopped["rows"]["written"].get<int>()));
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(playground->value(kNotDoubledOnce), "0");
  EXPECT_EQ(job.status()["rows"]["read"], kAccounts);
  EXPECT_EQ(job.status()["rows"]["written"], kAccounts);
}

std::vector<std::string> all_failpoints() {
  return {failpoint_names().begin(), failpoint_names().end()};
}

INSTANTIATE_TEST_SUITE_P(At, SigtermTest,
                         ::testing::Combine(::testing::Values(Engine::sqlite, Engine::postgres),
                                            ::testing::ValuesIn(all_failpoints())),
                         [](const auto& tested) {
                           std::string name = engine_name(std::get<0>(tested.param));
                           bool begins_word = true;
                           for (const char c : std::get<1>(tested.param)) {
                             const bool is_letter = c >= 'a' && c <= 'z';
                             if (is_letter)
                               name += begins_word ? static_cast<char>(c - 'a' + 'A') : c;
                             begins_word = !is_letter;
                           }
                           return name;
                         });

// While it slept in the middle of a transaction the server has ended its session. It must not
// take the batch for written.
TEST(Sigstop, ForLongerThanTheServersPatienceDoesNoHarm) {
  const auto playground = make_playground(Engine::postgres);
  create_accounts(*playground);
  const JobOnDisk job(
      doubling(*playground,
               playground->url() + "&options=-c%20idle_in_transaction_session_timeout%3D300ms"));
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--workers=1"}, "target.before_commit=wait(" + go + ")@3");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  run.send(SIGSTOP);
  EXPECT_TRUE(wait_until([&] {
    return playground->value(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfill:job' AND "
               "state <> 'idle'") == "0";
  }));
  write_file(go, "");
  run.send(SIGCONT);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.err.find("25P03"), std::string::npos) << end;
  EXPECT_EQ(playground->value(kNotDoubledOnce), "0");
  EXPECT_EQ(job.status()["rows"]["written"], kAccounts);
  EXPECT_EQ(job.status()["batches"]["retried"], 1);
}

// Its own clocks ran on meanwhile: no call may be taken for one that the server did not answer.
TEST(Sigstop, ForLongerThanACallMayTakeDoesNoHarm) {
  const auto playground = make_playground(Engine::postgres);
  create_accounts(*playground);
  const JobOnDisk job(
      doubling(*playground, playground->url() + "&options=-c%20statement_timeout%3D200ms"));
  const Gate gate(job);
  Program run =
      job.start({"--workers=2"}, gate.at("chunk.after_read", 8) + ",chunk.after_read=delay(30ms)");
  ASSERT_TRUE(gate.is_reached()) << run.err();

  run.send(SIGSTOP);
  gate.open();
  const auto idle = [&] {
    return playground->value(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfill:job' AND "
               "clock_timestamp() - state_change < interval '2 s'") == "0";
  };
  EXPECT_TRUE(wait_until(idle));
  run.send(SIGCONT);
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground->value(kNotDoubledOnce), "0");
  EXPECT_EQ(job.status()["rows"]["written"], kAccounts);
}

}  // namespace
}  // namespace backfill
