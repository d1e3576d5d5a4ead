#include "postgres/foreground_probe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/postgres_server.h"

namespace backfill {
namespace {

// On a server of its own: backfills of other tests would count.
class ForegroundProbeTest : public ::testing::Test {
 protected:
  ForegroundProbeTest() {
    first_.reconnect();
    second_.reconnect();
    server_.execute("SET application_name = 'a user'");
  }

  // What the first counts, once that is so many; or after a while.
  int backfills(int awaited) {
    ForegroundSample sample;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    do {
      server_.execute("SELECT 1");  // somebody is there
      sample = first_.sample();
    } while (sample.backfills != awaited && std::chrono::steady_clock::now() < until);
    return sample.backfills;
  }

  PostgresServer server_;
  PostgresForegroundProbe first_{server_.url(), "one-job", "target"};
  PostgresForegroundProbe second_{server_.url(), "another-job", "target"};
};

TEST_F(ForegroundProbeTest, CountsBackfillsThatAreAtWork) {
  first_.tell_at_work(true);
  EXPECT_EQ(backfills(1), 1);

  second_.tell_at_work(true);
  EXPECT_EQ(backfills(2), 2);

  second_.tell_at_work(false);
  EXPECT_EQ(backfills(1), 1) << "one that is paused";
}

TEST_F(ForegroundProbeTest, CountsOneInAnotherDatabase) {
  server_.execute("CREATE DATABASE elsewhere");
  std::string url = server_.url();
  url.replace(url.rfind('/') + 1, std::string::npos, "elsewhere");
  PostgresForegroundProbe third(url, "a-job", "target");
  third.reconnect();
  first_.tell_at_work(true);
  third.tell_at_work(true);

  EXPECT_EQ(backfills(2), 2);
}

// A commit is felt by nobody but who writes. Any role may see who does.
TEST_F(ForegroundProbeTest, TellsWhoHasWrittenFromWhoReads) {
  server_.execute("CREATE ROLE watcher LOGIN");
  PostgresForegroundProbe watcher(server_.url("watcher"), "another", "target");
  watcher.reconnect();

  for (PostgresForegroundProbe* probe : {&first_, &watcher}) {
    server_.execute("BEGIN");
    server_.execute("SELECT pg_current_snapshot()");
    const ForegroundSample reading = probe->sample();
    server_.execute("SELECT pg_current_xact_id()");
    const ForegroundSample writing = probe->sample();
    server_.execute("COMMIT");

    EXPECT_EQ(reading.writing, 0);
    EXPECT_EQ(writing.writing, 1);
    EXPECT_GT(writing.read_seconds, 0);
  }
}

TEST_F(ForegroundProbeTest, CountsNoneWhoseConnectionWasLost) {
  first_.tell_at_work(true);
  second_.tell_at_work(true);
  ASSERT_EQ(backfills(2), 2);

  server_.execute(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
      "'backfill:another-job'");
  EXPECT_EQ(backfills(1), 1);

  second_.reconnect();
  second_.tell_at_work(true);
  EXPECT_EQ(backfills(2), 2);
}

}  // namespace
}  // namespace backfill
