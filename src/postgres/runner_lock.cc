#include "postgres/runner_lock.h"

#include <fmt/format.h>

#include "postgres/fence.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Nothing that the session asks for takes long; a server that does not answer is to be noticed.
constexpr milliseconds statement_timeout{10'000};

constexpr const char* lock_not_available = "55P03";

}  // namespace

PostgresRunnerLock::PostgresRunnerLock(const std::string& url, const std::string& job,
                                       LeaseTimes times)
    : job_(job),
      times_(times),
      lease_(new_lease()),
      connection_(url, job, "target", {.statement_timeout = statement_timeout}) {
  begin_session();
}

// Servers before 14 have no idle_session_timeout: there the next runner ends a silent session.
void PostgresRunnerLock::begin_session() {
  session_ = 0;
  flag_is_up_ = false;
  connection_.attempt("lock job " + job_);
  connection_.query(fmt::format(
      "SELECT pg_catalog.set_config(v.name, v.value, false) FROM (VALUES ('lock_timeout', '{}ms'), "
      "('idle_session_timeout', '{}ms')) AS v(name, value) WHERE "
      "pg_catalog.current_setting(v.name, true) IS NOT NULL",
      times_.patience.count(), times_.silence_max.count()));
}

void PostgresRunnerLock::acquire() {
  take();
  while (!raise_flag()) {
    if (steady_clock::now() - taken_at_ < times_.batches_max) continue;
    throw Error(ExitCode::other_runner,
                fmt::format("lock job {}: batches of an earlier runner are still under way and "
                            "cannot be ended; end the sessions called backfill:{} at the target",
                            job_, job_));
  }
}

void PostgresRunnerLock::confirm() {
  if (!connection_.is_lost() && session_ != 0) {
    try {
      connection_.attempt("confirm the lock of job " + job_);
      const std::int64_t now =
          connection_.query("SELECT pg_catalog.pg_backend_pid()").integer(0, 0);
      // A pooler that moved us to another server session left the lock behind.
      if (now != session_) session_ = 0;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::retry) throw;
      session_ = 0;
    }
  }
  if (connection_.is_lost() || session_ == 0) {
    session_ = 0;
    connection_.reconnect();
    begin_session();
    take();
  }
  if (flag_is_up_ || raise_flag()) return;
  throw Error(ErrorKind::retry, fmt::format("lock job {}: batches are still under way", job_));
}

// The runner lock, and nothing that could write.
void PostgresRunnerLock::take() {
  connection_.attempt("lock job " + job_);
  const std::string sql =
      fmt::format("SELECT pg_catalog.pg_advisory_lock({})", runner_lock_key(job_));
  if (!waited_for(sql) && !(end_silent_holder() && waited_for(sql))) {
    throw Error(ExitCode::other_runner,
                fmt::format("another runner holds job {}{}; wait for it or stop it; one that is "
                            "dead loses it within a minute",
                            job_, holder()));
  }
  session_ = connection_.query("SELECT pg_catalog.pg_backend_pid()").integer(0, 0);
  taken_at_ = steady_clock::now();
}

// False when the lock it asks for was not to be had within `patience`.
bool PostgresRunnerLock::waited_for(const std::string& sql) {
  try {
    connection_.query(sql);
    return true;
  } catch (const Error& error) {
    if (error.code() != lock_not_available) throw;
    return false;
  }
}

// Ends the session that holds the lock when its runner has missed every heartbeat, or when it is
// one of our own that the server does not know to be dead. Whether it is right about that or not:
// the fence sees to it that only one runner writes. Other roles' sessions are not ours to end.
bool PostgresRunnerLock::end_silent_holder() {
  const PgResult ended = connection_.query(fmt::format(
      "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks AS l "
      "JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid AND a.usename = current_user "
      "WHERE {} AND (a.state_change < pg_catalog.clock_timestamp() - interval '{} ms' "
      "OR a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE {}))",
      is_lock(runner_lock_key(job_)), times_.silence_max.count(), is_flag(job_, lease_)));
  return ended.rows() != 0;
}

// Sees off what runners before us left behind, then lets our batches through. False when that
// takes longer than one wait.
bool PostgresRunnerLock::raise_flag() {
  connection_.attempt(fmt::format("wait for batches of job {} that are still under way", job_));
  // The server lets go of a session's locks one by one, so a flag may outlast its runner lock.
  const bool is_clear =
      waited_for(fmt::format("SELECT pg_catalog.pg_advisory_xact_lock_shared(l.classid::bigint"
                             "::bit(32)::int, l.objid::bigint::bit(32)::int) "
                             "FROM pg_catalog.pg_locks AS l WHERE {} AND l.pid <> "
                             "pg_catalog.pg_backend_pid()",
                             is_any_flag(job_))) &&
      waited_for(
          fmt::format("SELECT pg_catalog.pg_advisory_xact_lock({})", batch_lock_key(job_))) &&
      waited_for(fmt::format("SELECT pg_catalog.pg_advisory_lock({})", flag_key(job_, lease_)));
  flag_is_up_ = is_clear;
  if (!is_clear && steady_clock::now() - taken_at_ > times_.batch_patience) end_batches();
  return is_clear;
}

// A batch that waits for a dead client's next row would wait for hours.
void PostgresRunnerLock::end_batches() {
  connection_.query(fmt::format(
      "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks AS l "
      "JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid AND a.usename = current_user "
      "WHERE l.pid <> pg_catalog.pg_backend_pid() AND {}",
      is_lock(batch_lock_key(job_))));
}

// ` (pid 4711, 10.0.0.7, backfill:split-full-name, heard of 3 s ago)`, as far as this role may see.
std::string PostgresRunnerLock::holder() {
  const PgResult rows = connection_.query(fmt::format(
      "SELECT l.pid, coalesce(a.client_addr::text, 'local'), coalesce(a.application_name, '?'), "
      "extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::bigint "
      "FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid "
      "WHERE {}",
      is_lock(runner_lock_key(job_))));
  if (rows.rows() == 0) return "";
  std::string words =
      fmt::format(" (pid {}, {}, {}", rows.text(0, 0), rows.text(0, 1), rows.text(0, 2));
  if (!rows.is_null(0, 3)) words += fmt::format(", heard of {} s ago", rows.integer(0, 3));
  return words + ")";
}

}  // namespace backfill
