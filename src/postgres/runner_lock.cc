#include "postgres/runner_lock.h"

#include <fmt/format.h>

namespace backfill {
namespace {

// The lock's number, from the job's name: $1.
constexpr const char* lock_number = "pg_catalog.hashtextextended('backfill:' || $1::text, 0)";

}  // namespace

PostgresRunnerLock::PostgresRunnerLock(const std::string& url, const std::string& job)
    : job_(job), connection_(url, job, "target") {}

void PostgresRunnerLock::acquire() {
  connection_.attempt("lock job " + job_);
  const PgResult answer = connection_.query(
      fmt::format("SELECT pg_catalog.pg_try_advisory_lock({}), pg_catalog.pg_backend_pid()",
                  lock_number),
      {job_});
  if (answer.boolean(0, 0)) {
    session_ = answer.integer(0, 1);
    return;
  }
  session_ = 0;
  throw Error(ExitCode::other_runner,
              fmt::format("another runner holds job {}{}; wait for it or stop it", job_, holder()));
}

void PostgresRunnerLock::confirm() {
  if (!connection_.is_lost() && session_ != 0) {
    try {
      connection_.attempt("confirm the lock of job " + job_);
      // A pooler that moved us to another server session left the lock behind.
      if (connection_.query("SELECT pg_catalog.pg_backend_pid()").integer(0, 0) == session_) return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::retry) throw;
    }
  }
  session_ = 0;
  connection_.reconnect();
  acquire();
}

// ` (pid 4711, 10.0.0.7, backfill:split-full-name)`, as far as this role may see it.
std::string PostgresRunnerLock::holder() {
  const PgResult rows = connection_.query(
      fmt::format("SELECT a.pid, coalesce(a.client_addr::text, 'local'), a.application_name "
                  "FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d "
                  "ON d.oid = l.database AND d.datname = pg_catalog.current_database() "
                  "LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid "
                  "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
                  "AND (l.classid::bigint << 32) | l.objid::bigint = {}",
                  lock_number),
      {job_});
  if (rows.rows() == 0) return "";
  return fmt::format(" (pid {}, {}, {})", rows.text(0, 0), rows.text(0, 1), rows.text(0, 2));
}

}  // namespace backfill
