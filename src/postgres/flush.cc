#include "postgres/flush.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/error.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Others who commit at all do so more often than that.
constexpr milliseconds others_flush_within{20};
constexpr milliseconds first_look_after{1};
constexpr milliseconds between_looks{1};  // of who has nobody's flush to hope for

bool is_flushed(PgConnection& connection, const std::string& upto) {
  return connection
      .query_prepared(
          "SELECT pg_catalog.pg_current_wal_flush_lsn() OPERATOR(pg_catalog.>=) $1::pg_lsn", {upto})
      .boolean(0, 0);
}

// A commit of a few bytes, which waits for its flush. False where the role may not make it.
bool commit_a_few_bytes(PgConnection& connection) {
  try {
    connection.query("SELECT pg_catalog.pg_logical_emit_message(true, 'backfill', '')");
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::stop) throw;
    return false;
  }
}

// The server flushes by itself within a second.
void wait(PgConnection& connection, const std::string& upto) {
  while (!is_flushed(connection, upto)) std::this_thread::sleep_for(between_looks);
}

}  // namespace

bool may_flush_later(PgConnection& connection) {
  return connection
      .query(
          "SELECT pg_catalog.current_setting('synchronous_standby_names') OPERATOR(pg_catalog.=) "
          "'' AND pg_catalog.has_function_privilege('pg_catalog.pg_current_wal_insert_lsn()', "
          "'EXECUTE') AND pg_catalog.has_function_privilege("
          "'pg_catalog.pg_current_wal_flush_lsn()', 'EXECUTE')")
      .boolean(0, 0);
}

void flush_log(PgConnection& connection) {
  if (commit_a_few_bytes(connection)) return;
  wait(connection, connection.query("SELECT pg_catalog.pg_current_wal_insert_lsn()").text(0, 0));
}

bool wait_for_flush(PgConnection& connection, const std::string& upto) {
  // Each look takes the server as long as some rows do, so they become rarer.
  const auto flush_at = steady_clock::now() + others_flush_within;
  for (milliseconds pause = first_look_after; steady_clock::now() < flush_at; pause *= 2) {
    std::this_thread::sleep_until(std::min(steady_clock::now() + pause, flush_at));
    if (is_flushed(connection, upto)) return true;
  }
  if (!commit_a_few_bytes(connection)) wait(connection, upto);
  return false;
}

}  // namespace backfill
