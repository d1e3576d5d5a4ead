#include "postgres/pooler.h"

#include <fmt/format.h>

namespace backfill {
namespace {

std::int64_t session_behind(PgConnection& connection) {
  return connection.query("SELECT pg_catalog.pg_backend_pid()").integer(0, 0);
}

}  // namespace

// A pooler announces a session number of its own, so without one nothing more is asked. One that
// shares sessions has ours to spare while we are in no transaction: another connection gets it,
// or keeps it from us.
void refuse_shared_sessions(PgConnection& connection, const std::string& url,
                            const std::string& job) {
  connection.attempt("look for a pooler in front of the " + connection.role());
  const std::int64_t ours = session_behind(connection);
  if (ours == connection.announced_session()) return;

  PgConnection other(url, job, connection.role());
  other.command("BEGIN");
  if (session_behind(other) != ours && session_behind(connection) == ours) return;
  throw Error(ExitCode::unsafe,
              fmt::format("the {} is behind a pooler that changes sessions between transactions: "
                          "give the URL of the server itself, or of a pool in session mode",
                          connection.role()));
}

}  // namespace backfill
