#include "postgres/connection.h"

#include <thread>

#include "expect_error.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class Connection : public PostgresTest {};

TEST_F(Connection, SetsTheSessionUpToBeTheVictim) {
  PgConnection connection(url(), "my-job", "target");

  const auto setting = [&](const std::string& name) {
    return connection.query("SHOW " + name).text(0, 0);
  };

  EXPECT_EQ(setting("application_name"), "backfill:my-job");
  EXPECT_EQ(setting("client_encoding"), "UTF8");
  EXPECT_EQ(setting("timezone"), "UTC");
  EXPECT_EQ(setting("datestyle"), "ISO, YMD");
  EXPECT_EQ(setting("lock_timeout"), "2s");
  EXPECT_EQ(setting("statement_timeout"), "1min");
  EXPECT_EQ(setting("idle_in_transaction_session_timeout"), "1min");
  EXPECT_EQ(setting("row_security"), "off");
  EXPECT_EQ(setting("default_transaction_read_only"), "off");
}

TEST_F(Connection, KeepsWhatTheUrlSaysButNotTextForms) {
  PgConnection connection(
      url() + "&application_name=mine&options=-c%20lock_timeout%3D7s%20-c%20TimeZone%3DAsia/Tokyo",
      "job", "source");

  EXPECT_EQ(connection.query("SHOW application_name").text(0, 0), "mine");
  EXPECT_EQ(connection.query("SHOW lock_timeout").text(0, 0), "7s");
  EXPECT_EQ(connection.query("SHOW timezone").text(0, 0), "UTC");
}

TEST_F(Connection, CommitsForGoodOnAServerThatPutsItOff) {
  PgConnection connection(url() + "&options=-c%20synchronous_commit%3Doff", "job", "target");

  EXPECT_EQ(connection.query("SHOW synchronous_commit").text(0, 0), "local");
}

TEST_F(Connection, OfAPlanWritesNothing) {
  execute("CREATE TABLE t (id int)");
  PgConnection connection(url(), "job", "target", {.read_only = true});

  const Error error = error_of([&] { connection.command("INSERT INTO t VALUES (1)"); });

  EXPECT_EQ(error.code(), "25006");
}

TEST_F(Connection, NamesWhatWasTriedAndTheServersWordsOnOneLine) {
  execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  PgConnection connection(url(), "job", "target");
  connection.attempt("write chunk 41");

  const Error error = error_of([&] { connection.command("INSERT INTO t VALUES (1)"); });

  EXPECT_EQ(error.kind(), ErrorKind::reject);
  EXPECT_EQ(error.code(), "23505");
  EXPECT_STREQ(error.what(),
               "write chunk 41: duplicate key value violates unique constraint \"t_pkey\" "
               "(SQLSTATE 23505): Key (id)=(1) already exists.");
}

TEST_F(Connection, CallsAStatementTimeoutTooLarge) {
  PgConnection connection(url() + "&options=-c%20statement_timeout%3D50ms", "job", "source");

  const Error error = error_of([&] { connection.command("SELECT pg_sleep(20)"); });

  EXPECT_EQ(error.kind(), ErrorKind::too_large);
  EXPECT_EQ(connection.query("SELECT 7").text(0, 0), "7");
}

TEST_F(Connection, CallsALockTimeoutARetry) {
  execute("CREATE TABLE t (id int)");
  execute("BEGIN; LOCK t");
  PgConnection connection(url() + "&options=-c%20lock_timeout%3D50ms", "job", "source");

  const Error error = error_of([&] { connection.command("SELECT * FROM t"); });

  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(error.code(), "55P03");
}

TEST_F(Connection, IsRetriedAndUsableAgainAfterItWasTerminated) {
  PgConnection connection(url(), "job", "source");
  execute("SELECT pg_terminate_backend(" + connection.query("SELECT pg_backend_pid()").text(0, 0) +
          ")");

  const Error error = error_of([&] { connection.command("SELECT pg_sleep(20)"); });
  const Error again = error_of([&] { connection.command("SELECT 1"); });
  connection.reconnect();

  EXPECT_EQ(error.kind(), ErrorKind::retry);
  EXPECT_EQ(again.kind(), ErrorKind::retry);
  EXPECT_EQ(connection.query("SELECT 7").text(0, 0), "7");
}

TEST_F(Connection, IsCancelledFromAnotherThread) {
  PgConnection connection(url(), "job", "source");
  const std::string pid = connection.query("SELECT pg_backend_pid()").text(0, 0);
  std::jthread other([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && value("SELECT count(*) FROM pg_stat_activity WHERE pid = " +
                                           pid + " AND wait_event = 'PgSleep'") != "1") {
    }
    connection.cancel();
  });

  const Error error = error_of([&] { connection.command("SELECT pg_sleep(30)"); });
  other.join();

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(connection.query("SELECT 7").text(0, 0), "7");
}

TEST_F(Connection, RetriesWhatAnOperatorCancelled) {
  PgConnection connection(url(), "job", "source");
  const std::string pid = connection.query("SELECT pg_backend_pid()").text(0, 0);
  std::jthread other([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && value("SELECT count(*) FROM pg_stat_activity WHERE pid = " +
                                           pid + " AND wait_event = 'PgSleep'") != "1") {
    }
    execute("SELECT pg_cancel_backend(" + pid + ")");
  });

  const Error error = error_of([&] { connection.command("SELECT pg_sleep(30)"); });
  other.join();

  EXPECT_EQ(error.kind(), ErrorKind::retry);
}

TEST_F(Connection, StopsWhereTheServerRefusesAndRetriesWhereThereIsNone) {
  const Error role = error_of([&] { PgConnection(url("nobody_here"), "job", "source"); });
  std::string elsewhere = url();
  elsewhere.replace(elsewhere.find("test_"), 5, "gone_");
  const Error missing = error_of([&] { PgConnection(elsewhere, "job", "source"); });
  const Error absent =
      error_of([&] { PgConnection("postgresql:///shop?host=/nowhere&user=u", "job", "target"); });

  EXPECT_EQ(role.kind(), ErrorKind::stop);
  EXPECT_EQ(role.code(), "28000");
  EXPECT_TRUE(says(role, "user=nobody_here"));
  EXPECT_EQ(missing.code(), "3D000");
  EXPECT_EQ(absent.kind(), ErrorKind::retry);
  EXPECT_TRUE(says(absent, "connect to the target (host=/nowhere dbname=shop user=u)"));
}

TEST(ConnectionUrl, NeverShowsAPassword) {
  for (const char* bad :
       {"postgresql://app:s3cret%zz@127.0.0.1:1/shop", "postgresql://app:s3cret/x@127.0.0.1:1/shop",
        "postgresql://app:s3cret@127.0.0.1:1/shop", "postgresql://app:x@s3cret@127.0.0.1:1/shop",
        "host=127.0.0.1 port=1 user=app password='s3cret'",
        "host=127.0.0.1 port=1 password=s3cret oops"}) {
    const Error error = error_of([&] { PgConnection(bad, "job", "source"); });

    EXPECT_FALSE(says(error, "s3cret")) << bad;
  }
}

TEST_F(Connection, ReportsTheRowsThatACopyTook) {
  execute("CREATE TABLE t (id int)");
  PgConnection connection(url(), "job", "target");

  const auto rows = connection.copy_in("COPY t FROM STDIN", {"1\n2\n", "3\n"});

  EXPECT_EQ(rows, 3);
  EXPECT_EQ(value("SELECT sum(id) FROM t"), "6");
}

TEST_F(Connection, ThrowsWhatACopyWasRefusedFor) {
  execute("CREATE TABLE t (id int)");
  PgConnection connection(url(), "job", "target");

  const Error in = error_of([&] { connection.copy_in("COPY t FROM STDIN", {"x\n"}); });
  const Error nowhere = error_of([&] { connection.copy_in("COPY u FROM STDIN", {"x\n"}); });
  const Error out = error_of([&] {
    connection.copy_out("COPY (SELECT 1/(3 - i) FROM generate_series(1, 9) i) TO STDOUT",
                        [](std::string_view) { return true; });
  });

  EXPECT_EQ(in.code(), "22P02");
  EXPECT_EQ(nowhere.code(), "42P01");
  EXPECT_EQ(out.code(), "22012");
  EXPECT_EQ(connection.query("SELECT 7").text(0, 0), "7");
}

TEST_F(Connection, IsReadyForMoreAfterACopyIsEndedEarly) {
  PgConnection connection(url(), "job", "source");
  int pieces = 0;

  const bool whole = connection.copy_out(
      "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT",
      [&](std::string_view) { return ++pieces < 3; });

  EXPECT_FALSE(whole);
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(connection.query("SELECT 7").text(0, 0), "7");
}

}  // namespace
}  // namespace backfill
