// What a run does otherwise while somebody else is at work on the server.

#include <gtest/gtest.h>

#include <thread>

#include "gate.h"
#include "job_on_disk.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

constexpr const char* kLeavesFlushToOthers = "SET LOCAL synchronous_commit = off";

// Asks this over and over.
class Somebody {
 public:
  Somebody(const std::string& url, const std::string& sql)
      : session_(url, "somebody", "target"), thread_([this, sql](const std::stop_token& stop) {
          session_.command("SET application_name = 'shop'");
          while (!stop.stop_requested()) session_.command(sql);
        }) {}

 private:
  PgConnection session_;
  std::jthread thread_;
};

class SpareOthersTest : public ::testing::Test {
 protected:
  SpareOthersTest() {
    server_.execute("ALTER SYSTEM SET log_statement = 'all'");
    server_.execute("SELECT pg_reload_conf()");
    server_.execute(
        "CREATE TABLE notes (id int PRIMARY KEY, note text); CREATE TABLE copies (LIKE notes "
        "INCLUDING ALL); INSERT INTO notes SELECT i, 'n' || i FROM generate_series(1, 400) AS i");
  }

  PostgresServer& server() { return server_; }

  JobOnDisk job() const {
    return JobOnDisk({{"source.url", toml_string(server_.url())},
                      {"source.table", "\"public.notes\""},
                      {"target.table", "\"public.copies\""}});
  }

  void expect_copied(const ProgramEnd& end) {
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(server_.value("SELECT count(*) FROM notes JOIN copies USING (id, note)"), "400");
  }

  // Of the run's twenty batches.
  int batches_that_spared() const {
    const std::string log = read_file(std::filesystem::path(server_.folder()) / "server.log");
    int count = 0;
    for (std::size_t at = 0; (at = log.find(kLeavesFlushToOthers, at)) != std::string::npos; ++at)
      ++count;
    return count;
  }

 private:
  PostgresServer server_;
};

TEST_F(SpareOthersTest, LeavesTheFlushOfTheLogToThem) {
  const Somebody somebody(server().url(), "SELECT pg_logical_emit_message(true, 'shop', '')");

  expect_copied(job().run({"--workers=1"}, "chunk.after_read=delay(30ms)"));

  EXPECT_GE(batches_that_spared(), 15);
}

// Each batch would wait in vain for a flush; so it is tried once a second.
TEST_F(SpareOthersTest, FlushesItselfWhereOthersOnlyRead) {
  const Somebody somebody(server().url(), "SELECT pg_sleep(0.05)");

  expect_copied(job().run({"--workers=1"}, "chunk.after_read=delay(30ms)"));

  EXPECT_LE(batches_that_spared(), 10);
}

TEST_F(SpareOthersTest, FlushesItselfWhereNobodyIsThere) {
  const JobOnDisk job = this->job();
  const Gate gate(job);
  Program run = job.start({"--workers=1"}, gate.at("chunk.after_read", 3));
  // It takes a moment to tell that nobody is.
  ASSERT_TRUE(gate.is_reached());
  ASSERT_TRUE(wait_until([&] { return job.status()["share"] == 1; })) << job.status();
  gate.open();

  expect_copied(run.wait());
  EXPECT_LE(batches_that_spared(), 3);
}

}  // namespace
}  // namespace backfill
