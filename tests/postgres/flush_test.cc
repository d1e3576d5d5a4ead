// Commits that leave the flush of the log to others, on a server where nobody flushes unless asked:
// what is called durable, or found to be there already, is there after all its processes were
// killed; what nobody waited for is not.

#include "postgres/flush.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "copy_job.h"
#include "postgres/ledger.h"
#include "support/postgres_server.h"
#include "support/program.h"

namespace backfill {
namespace {

class FlushTest : public ::testing::Test {
 protected:
  FlushTest() {
    server_.execute(
        "CREATE TABLE a (id int PRIMARY KEY, name text); CREATE TABLE b (LIKE a INCLUDING ALL); "
        "INSERT INTO a SELECT i, 'n' || i FROM generate_series(1, 5) AS i");
    stop_flushing();
  }

  // Nobody does it of himself any more, until the server is started again.
  void stop_flushing() {
    for (const char* type : {"walwriter", "background writer"}) {
      const std::string sql =
          std::string("SELECT max(pid) FROM pg_stat_activity WHERE backend_type = '") + type + "'";
      // A server that has just begun to answer has not begun them yet.
      std::string pid;
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while ((pid = server_.value(sql)).empty() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ASSERT_GT(std::atoi(pid.c_str()), 1);
      ::kill(std::atoi(pid.c_str()), SIGSTOP);
    }
  }

  CopyParts parts() {
    CopyJob job{.source_url = server_.url(), .target_url = server_.url()};
    return CopyParts(job);
  }

  static void write(CopyParts& parts, const Chunk& chunk) {
    Batch batch;
    parts.source->read(chunk, batch);
    parts.target->begin(chunk);
    parts.target->write(batch);
  }

  // All rows as one chunk; the transaction's mark.
  std::string copy(CopyParts& parts) {
    const Chunk chunk = chunk_of(parts);
    write(parts, chunk);
    std::string mark = parts.target->mark();
    parts.target->commit(chunk, {});
    return mark;
  }

  static Chunk chunk_of(CopyParts& parts) { return parts.plan(100).at(0); }

  std::string rows_after_a_crash() {
    server_.kill_all();
    server_.start();
    return server_.value("SELECT count(*) FROM b");
  }

  PostgresServer& server() { return server_; }

 private:
  PostgresServer server_;
};

TEST_F(FlushTest, WhatIsWaitedForIsThereAfterACrash) {
  CopyParts copied = parts();
  copied.target->spare_others(true);

  copy(copied);
  copied.target->wait_until_durable();

  EXPECT_EQ(rows_after_a_crash(), "5");
}

// Or the others prove nothing.
TEST_F(FlushTest, WhatNobodyWaitedForIsGone) {
  CopyParts copied = parts();
  copied.target->spare_others(true);

  copy(copied);

  EXPECT_EQ(rows_after_a_crash(), "0");
}

// Where nobody else commits, a batch would wait in vain for others, each time anew.
TEST_F(FlushTest, FlushesItselfOnceItHasWaitedInVain) {
  CopyParts copied = parts();
  copied.target->spare_others(true);
  copy(copied);
  copied.target->wait_until_durable();
  server().execute("TRUNCATE b");

  copy(copied);

  EXPECT_EQ(rows_after_a_crash(), "5");
}

TEST_F(FlushTest, AnOrdinaryCommitNeedsNoWait) {
  CopyParts copied = parts();

  copy(copied);

  EXPECT_EQ(rows_after_a_crash(), "5");
}

TEST_F(FlushTest, AStandbyThatHasASayIsWaitedForByEachCommit) {
  PgConnection session(server().url(), "job", "target");
  EXPECT_TRUE(may_flush_later(session));

  server().execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
  server().execute("SELECT pg_reload_conf()");

  EXPECT_TRUE(wait_until([&] { return !may_flush_later(session); }));
}

// Given a say while a session goes on that has left a commit to others' flushes.
TEST_F(FlushTest, AStandbyThatIsGivenASayIsWaitedFor) {
  server().execute("ALTER SYSTEM SET synchronous_commit = on");
  server().execute("SELECT pg_reload_conf()");
  ASSERT_TRUE(wait_until([&] {
    PgConnection fresh(server().url(), "fresh", "target");
    return fresh.query("SHOW synchronous_commit").text(0, 0) == "on";
  }));
  CopyParts copied = parts();
  copied.target->spare_others(true);
  const Chunk chunk = chunk_of(copied);
  write(copied, chunk);
  server().execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  server().execute("SELECT pg_reload_conf()");
  const auto waiting = [&] {
    return std::stoi(
        server().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
  };
  PgConnection other(server().url(), "other", "target");
  std::jthread somebody([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) other.query("SELECT pg_logical_emit_message(true, 'test', '')");
  });
  ASSERT_TRUE(wait_until([&] { return waiting() == 1; }));
  // The session hears of it before it commits.
  for (const std::string& pid : server().rows("SELECT pid FROM pg_stat_activity WHERE "
                                              "application_name = 'backfill:copy'"))
    ::kill(std::atoi(pid.c_str()), SIGHUP);

  copied.target->commit(chunk, {});
  // Somebody flushes beyond it who waits for no standby.
  server().execute(
      "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'test', '')");
  std::jthread waits([&] { copied.target->wait_until_durable(); });

  EXPECT_TRUE(wait_until([&] { return waiting() == 2; }));
  somebody.request_stop();
  server().execute("ALTER SYSTEM RESET synchronous_standby_names");
  server().execute("SELECT pg_reload_conf()");
}

TEST_F(FlushTest, ARoleThatMayNotAskWaitsForEachCommit) {
  server().execute(
      "CREATE ROLE writer; REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_wal_flush_lsn() FROM "
      "PUBLIC");
  PgConnection session(server().url(), "job", "target");

  session.command("SET ROLE writer");

  EXPECT_FALSE(may_flush_later(session));
}

TEST_F(FlushTest, ATransactionThatIsCalledCommittedStaysSo) {
  CopyParts copied = parts();
  copied.target->spare_others(true);
  const std::string mark = copy(copied);

  EXPECT_EQ(copied.target->fate(mark), Fate::committed);

  EXPECT_EQ(rows_after_a_crash(), "5");
}

// Of a process that was killed before it could wait for the flush.
TEST_F(FlushTest, RowsThatAnEarlierSessionLeftAreWaitedFor) {
  CopyParts killed = parts();
  killed.target->spare_others(true);
  copy(killed);
  CopyParts resumed = parts();

  copy(resumed);
  resumed.target->wait_until_durable();

  EXPECT_EQ(rows_after_a_crash(), "5");
}

TEST_F(FlushTest, WhatTheLedgerHasIsThereAfterACrash) {
  const LedgerSpec spec{"copy", "run"};
  for (const bool is_read_as_a_whole : {true, false}) {
    SCOPED_TRACE(is_read_as_a_whole);
    stop_flushing();
    server().execute("TRUNCATE b");
    CopyParts copied = parts();
    PostgresLedger ledger(server().url(), copied.write.table, spec);
    ledger.prepare();
    ledger.clear();
    copied.write.ledger = spec;
    copied.target = copied.target_database.make_target(copied.write);
    copied.target->spare_others(true);
    copy(copied);

    if (is_read_as_a_whole) {
      EXPECT_EQ(ledger.ranges().size(), 1U);
    } else {
      EXPECT_TRUE(copied.target->recorded(chunk_of(copied)));
    }

    EXPECT_EQ(rows_after_a_crash(), "5");
  }
}

}  // namespace
}  // namespace backfill
