// A server that goes away in each of the ways that servers have, and comes back while the program
// tries again; and one that comes back as a standby or with a full disk.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <csignal>

#include "gate.h"
#include "job_on_disk.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr const char* kNotDoubledOnce =
    "SELECT count(*) FROM accounts WHERE balance <> 2 * (id * 3 + 1)";

// Rows that a batch done twice would spoil, and a server that keeps what it has committed.
class OutageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.execute("ALTER SYSTEM SET synchronous_commit = on");
    server_.execute("SELECT pg_reload_conf()");
    server_.execute(
        "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL); "
        "INSERT INTO accounts SELECT i, i * 3 + 1 FROM generate_series(1, 300) AS i");
  }

  PostgresServer& server() { return server_; }

  Keys doubling() const {
    return {{"source.url", toml_string(server_.url())},
            {"source.table", "\"public.accounts\""},
            {"transform.plugin", toml_string(plugin_path("double_balance"))}};
  }

  static bool tries_again(const Program& run) {
    return wait_until([&] { return run.err().find("will try again") != std::string::npos; });
  }

  // At work, with one of its batches held at the gate.
  static Program start_with(const Gate& gate, const JobOnDisk& job, JobOnDisk::Words words = {}) {
    words.push_back("--workers=2");
    return job.start(words, gate.at("chunk.after_read", 8) + ",chunk.after_read=delay(20ms)");
  }

  void expect_doubled_once(const JobOnDisk& job, const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(server_.value(kNotDoubledOnce), "0");
    EXPECT_EQ(job.status()["rows"]["read"], 300);
    EXPECT_GT(job.status()["batches"]["retried"], 0);
  }

 private:
  PostgresServer server_;
};

TEST_F(OutageTest, IsWaitedOutHoweverTheServerWent) {
  struct Way {
    const char* name;
    void (*go)(PostgresServer&);
  };
  constexpr Way ways[] = {
      {"kill -9 of the postmaster", [](PostgresServer& server) { server.kill(); }},
      {"kill -9 of all its processes", [](PostgresServer& server) { server.kill_all(); }},
      {"immediate shutdown", [](PostgresServer& server) { server.stop("immediate"); }},
      {"fast shutdown", [](PostgresServer& server) { server.stop("fast"); }}};
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    server().execute("UPDATE accounts SET balance = id * 3 + 1");
    const JobOnDisk job(doubling());
    const Gate gate(job);
    Program run = start_with(gate, job);
    ASSERT_TRUE(gate.is_reached()) << run.err();

    way.go(server());
    gate.open();
    ASSERT_TRUE(tries_again(run)) << run.err();
    server().start();

    expect_doubled_once(job, run.wait());
  }
}

// The runner's lock went with the server; without it the ledger's rows are not the run's to delete.
TEST_F(OutageTest, RightAfterTheLastSaveIsWaitedOutToo) {
  const JobOnDisk job(doubling());
  const Gate gate(job);
  Program run = job.start({"--workers=2"}, gate.at("ledger.before_clear", 1));
  ASSERT_TRUE(gate.is_reached()) << run.err();

  server().kill();
  server().start();
  gate.open();
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(end.err.find("rows of this job stay"), std::string::npos) << end;
  EXPECT_EQ(server().value("SELECT count(*) FROM backfill_ledger"), "0");
  EXPECT_EQ(server().value(kNotDoubledOnce), "0");
}

TEST_F(OutageTest, ThatLastsTooLongEndsTheRunAndAResumeGoesOn) {
  const JobOnDisk job(doubling());
  const Gate gate(job);
  Program run = start_with(gate, job, {"--set", "limits.retries=2"});
  ASSERT_TRUE(gate.is_reached()) << run.err();

  server().stop("fast");
  gate.open();
  const ProgramEnd end = run.wait();
  server().start();

  EXPECT_TRUE(end.exit_code == 6 || end.exit_code == 7) << end;
  EXPECT_EQ(job.state(), "failed");
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(server().value(kNotDoubledOnce), "0");
}

// Reads go on, writes fail with 25006: a failover may be under way, so it is waited for.
class ReadOnlyTest : public OutageTest {
 protected:
  void become(const std::string& setting) {
    server().execute("ALTER DATABASE postgres SET default_transaction_read_only = " + setting);
    server().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'backfill:job'");
  }
  void become_writable() {
    server().execute(
        "SET default_transaction_read_only = off; "
        "ALTER DATABASE postgres RESET default_transaction_read_only");
  }
};

TEST_F(ReadOnlyTest, IsWaitedOut) {
  const JobOnDisk job(doubling());
  const Gate gate(job);
  Program run = start_with(gate, job);
  ASSERT_TRUE(gate.is_reached()) << run.err();

  become("on");
  gate.open();
  ASSERT_TRUE(wait_until([&] { return run.err().find("25006") != std::string::npos; }));
  become_writable();

  expect_doubled_once(job, run.wait());
}

TEST_F(ReadOnlyTest, ThatLastsTooLongMeansThatTheTargetIsOutOfReach) {
  const JobOnDisk job(doubling());
  const Gate gate(job);
  Program run = start_with(gate, job, {"--set", "limits.retries=2"});
  ASSERT_TRUE(gate.is_reached()) << run.err();

  become("on");
  gate.open();
  const ProgramEnd end = run.wait();
  become_writable();

  EXPECT_EQ(end.exit_code, 7) << end;
  EXPECT_NE(end.err.find("read-only transaction (SQLSTATE 25006)"), std::string::npos) << end;
  EXPECT_EQ(job.state(), "failed");
  const ProgramEnd resumed = job.run({"--resume"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(server().value(kNotDoubledOnce), "0");
}

// A file system of its own, in memory and small; where this process may not mount, none.
class SmallDisk {
 public:
  SmallDisk() {
    is_mounted_ = ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=3m,mode=0777") == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool is_mounted() const { return is_mounted_; }
  std::string path() const { return folder_.path().string(); }

 private:
  TempFolder folder_;
  bool is_mounted_ = false;
};

class FullDiskTest : public OutageTest {
 protected:
  void SetUp() override {
    if (!disk_.is_mounted()) GTEST_SKIP() << "a small disk needs the right to mount one";
    OutageTest::SetUp();
    run_program({"chown", "--reference=" + server().folder() + "/data", disk_.path()});
    server().execute("CREATE TABLESPACE small LOCATION '" + disk_.path() + "'");
    server().execute(
        "CREATE TABLE copies (id int PRIMARY KEY, note text) TABLESPACE small; "
        "CREATE TABLE notes (id int PRIMARY KEY, note text); "
        "INSERT INTO notes SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) AS i");
    // One kept short of full, so that the copy fills it.
    server().execute(
        "CREATE TABLE ballast (filler text) TABLESPACE small; "
        "ALTER TABLE ballast ALTER COLUMN filler SET STORAGE PLAIN; "
        "INSERT INTO ballast SELECT repeat('x', 8000) FROM generate_series(1, 250)");
  }
  void TearDown() override {
    if (disk_.is_mounted()) server().execute("DROP TABLE IF EXISTS ballast, copies");
  }

  Keys copy() {
    return {{"source.url", toml_string(server().url())},
            {"source.table", "\"public.notes\""},
            {"target.table", "\"public.copies\""}};
  }

  void expect_copied(const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(server().value("SELECT count(*) FROM notes AS n JOIN copies AS c USING (id, note)"),
              "1000");
    EXPECT_EQ(server().value("SELECT count(*) FROM copies"), "1000");
  }

 private:
  SmallDisk disk_;
};

TEST_F(FullDiskTest, AtTheTargetIsWaitedOut) {
  const JobOnDisk job(copy());
  Program run = job.start({"--workers=2"});

  ASSERT_TRUE(wait_until([&] { return run.err().find("53100") != std::string::npos; }))
      << run.err();
  server().execute("DROP TABLE ballast; CHECKPOINT");

  expect_copied(run.wait());
  EXPECT_GT(job.status()["batches"]["retried"], 0);
}

TEST_F(FullDiskTest, AtTheTargetThatStaysFullEndsTheRunAndAResumeGoesOn) {
  const JobOnDisk job(copy());

  const ProgramEnd end = job.run({"--set", "limits.retries=1"});
  EXPECT_EQ(end.exit_code, 1) << end;
  EXPECT_NE(end.err.find("No space left on device"), std::string::npos) << end;
  EXPECT_EQ(job.state(), "failed");
  server().execute("DROP TABLE ballast; CHECKPOINT");

  expect_copied(job.run({"--resume"}));
}

}  // namespace
}  // namespace backfill
