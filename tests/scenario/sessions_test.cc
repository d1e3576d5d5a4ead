// How many sessions a run begins. Each costs the server some 20 ms of CPU time and one of its free
// connections, at a moment at which nothing of how others fare is known.

#include <gtest/gtest.h>

#include <string>

#include "job_on_disk.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

std::ptrdiff_t count(const std::string& text, const std::string& word) {
  std::ptrdiff_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++found;
  }
  return found;
}

TEST(SessionsTest, OfARunWithinOneDatabaseAreThoseItNeeds) {
  PostgresServer server;
  server.execute(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'x' FROM "
      "generate_series(1, 100) AS i; CREATE TABLE u (id int PRIMARY KEY, v text)");
  server.execute("ALTER SYSTEM SET log_connections = on");
  server.stop("fast");
  server.start();
  const JobOnDisk job({{"source.url", toml_string(server.url())},
                       {"source.table", "\"public.t\""},
                       {"target.table", "\"public.u\""},
                       {"run.workers", "1"}});

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 0) << end;
  // The tables, the lock, the planner, the worker's two, the probe, the gauges.
  const std::string log = read_file(server.folder() + "/server.log");
  EXPECT_EQ(count(log, "application_name=backfill:"), 7) << log;
}

}  // namespace
}  // namespace backfill
