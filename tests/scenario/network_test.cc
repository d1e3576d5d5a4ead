// A network in trouble, by a proxy between the program and the server: connections cut in the
// middle of a COPY or of a COMMIT, and one that swallows everything and says nothing.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

#include "gate.h"
#include "job_on_disk.h"
#include "support/postgres_fixture.h"
#include "support/tcp_proxy.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;
using Keys = std::map<std::string, std::string>;
using Fate = TcpProxy::Fate;

constexpr const char* kBinaryCopy = "PGCOPY\n";  // how binary COPY data begins
constexpr int kRows = 300;

class NetworkTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE users (id int PRIMARY KEY, full_name text NOT NULL); INSERT INTO users "
        "SELECT i, 'Ann' || i || ' Lee' || i FROM generate_series(1, 300) AS i; "
        "CREATE TABLE people (id int PRIMARY KEY, first_name text, last_name text); "
        "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL); "
        "INSERT INTO accounts SELECT i, i * 3 + 1 FROM generate_series(1, 300) AS i");
    proxy_ = std::make_unique<TcpProxy>(value("SHOW unix_socket_directories") + "/.s.PGSQL." +
                                        value("SHOW port"));
  }

  TcpProxy& proxy() { return *proxy_; }

  std::string url_through_proxy(const std::string& statement_timeout = "500ms") {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(proxy_->port()) + "/" +
           database().name() + "?sslmode=disable&gssencmode=disable&connect_timeout=2" +
           "&options=-c%20statement_timeout%3D" + statement_timeout;
  }

  Keys copy() {
    return {{"source.url", toml_string(url_through_proxy())},
            {"source.table", "\"public.users\""},
            {"target.table", "\"public.people\""},
            {"target.write", "\"upsert\""},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  Keys doubling() {
    return {{"source.url", toml_string(url_through_proxy())},
            {"source.table", "\"public.accounts\""},
            {"transform.plugin", toml_string(plugin_path("double_balance"))}};
  }

  void expect_copied(const JobOnDisk& job, const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(value("SELECT count(*) FROM people AS p FULL JOIN users AS u USING (id) WHERE "
                    "first_name IS DISTINCT FROM 'Ann' || id OR last_name IS DISTINCT FROM "
                    "'Lee' || id"),
              "0");
    expect_counted(job);
  }

  void expect_doubled_once(const JobOnDisk& job, const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(value("SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM backfill_ledger"), "0");
    expect_counted(job);
  }

  // At work, with one of its batches held at the gate.
  static Program start_with(const Gate& gate, const JobOnDisk& job, const JobOnDisk::Words& words) {
    return job.start(words, gate.at("chunk.after_read", 8) + ",chunk.after_read=delay(20ms)");
  }

  static void expect_counted(const JobOnDisk& job) {
    const nlohmann::json status = job.status();
    EXPECT_EQ(status["state"], "complete") << status;
    EXPECT_EQ(status["rows"]["read"], kRows) << status;
    EXPECT_GT(status["batches"]["retried"], 0) << status;
  }

 private:
  std::unique_ptr<TcpProxy> proxy_;
};

TEST_F(NetworkTest, MayCutAConnectionInTheMiddleOfACopyToTheTarget) {
  for (const Fate fate : {Fate::cut_before, Fate::cut_within, Fate::cut_after}) {
    execute("TRUNCATE people");
    const JobOnDisk job(copy());
    proxy().trap_client(kBinaryCopy, fate, 4);

    const ProgramEnd end = job.run({"--workers=1"});

    EXPECT_TRUE(proxy().has_sprung());
    expect_copied(job, end);
  }
}

TEST_F(NetworkTest, MayCutAConnectionInTheMiddleOfACopyFromTheSource) {
  for (const Fate fate : {Fate::cut_before, Fate::cut_within, Fate::cut_after}) {
    execute("TRUNCATE people");
    const JobOnDisk job(copy());
    proxy().trap_server(kBinaryCopy, fate, 4);

    const ProgramEnd end = job.run({"--workers=1"});

    EXPECT_TRUE(proxy().has_sprung());
    expect_copied(job, end);
  }
}

// The COMMIT does not arrive, or its answer does not: the program cannot tell these apart.
TEST_F(NetworkTest, MayCutAConnectionInTheMiddleOfACommit) {
  for (const Fate fate : {Fate::cut_before, Fate::cut_within, Fate::cut_after}) {
    execute("UPDATE accounts SET balance = id * 3 + 1");
    const JobOnDisk job(doubling());
    proxy().trap_client("COMMIT", fate, 4);

    const ProgramEnd end = job.run({"--workers=2"});

    EXPECT_TRUE(proxy().has_sprung());
    expect_doubled_once(job, end);
  }
}

TEST_F(NetworkTest, MayCutEveryConnectionAgainAndAgain) {
  const JobOnDisk job(doubling());
  const Gate gates[] = {Gate(job, "first"), Gate(job, "second"), Gate(job, "third")};
  Program run = job.start({"--workers=2"}, gates[0].at("chunk.after_read", 3) + "," +
                                               gates[1].at("chunk.after_read", 6) + "," +
                                               gates[2].at("chunk.after_read", 9));
  for (const Gate& gate : gates) {
    ASSERT_TRUE(gate.is_reached()) << run.err();
    proxy().cut();
    gate.open();
  }

  expect_doubled_once(job, run.wait());
}

// Nothing comes back and nothing is refused, so no keepalive tells: the bound is the statement
// timeout, after which a server that lives would have answered, and some seconds.
TEST_F(NetworkTest, ThatSwallowsEverythingIsNoticedAndTheRunGoesOn) {
  const JobOnDisk job(doubling());
  const Gate gate(job);
  Program run = start_with(gate, job, {"--workers=2"});
  ASSERT_TRUE(gate.is_reached()) << run.err();

  proxy().swallow();
  gate.open();
  const bool is_noticed =
      wait_until([&] { return run.err().find("no word from the server") != std::string::npos; });
  proxy().forward();

  EXPECT_TRUE(is_noticed) << run.err();
  expect_doubled_once(job, run.wait());
}

// What a stop has to end: statements, their cancelling, the planner's, the lock's.
TEST_F(NetworkTest, ThatSwallowsEverythingDoesNotHoldUpAStop) {
  Keys keys = doubling();
  keys["source.url"] = toml_string(url_through_proxy("1h"));
  const JobOnDisk job(keys);
  const Gate gate(job);
  Program run = start_with(gate, job, {"--workers=2", "--grace=300ms"});
  ASSERT_TRUE(gate.is_reached()) << run.err();

  proxy().swallow();
  gate.open();
  run.send(SIGTERM);
  const ProgramEnd end = run.wait(15s);
  proxy().forward();

  EXPECT_EQ(end.exit_code, 75) << end;
  EXPECT_EQ(job.state(), "stopped");
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(value("SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)"), "0");
  EXPECT_EQ(job.status()["rows"]["read"], kRows);
}

// Nobody is there any more: the run ends by itself and says whose turn it is.
TEST_F(NetworkTest, ThatStaysAwayEndsTheRunAsUnreachable) {
  const JobOnDisk job(copy());
  const Gate gate(job);
  Program run = start_with(gate, job, {"--workers=1", "--set", "limits.retries=1"});
  ASSERT_TRUE(gate.is_reached()) << run.err();

  proxy().swallow();
  gate.open();
  const ProgramEnd end = run.wait(60s);
  proxy().forward();

  EXPECT_TRUE(end.exit_code == 6 || end.exit_code == 7) << end;
  EXPECT_EQ(job.state(), "failed");
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(value("SELECT count(*) FROM people"), "300");
}

}  // namespace
}  // namespace backfill
