// postgres/pooler.h
//
// Whether there is one server session behind a connection, for as long as it lasts. Everything
// here counts on it: the settings of a session, temporary tables, the runner's lock.

#pragma once

#include <string>

#include "postgres/connection.h"

namespace backfill {

// Throws Error(ExitCode::unsafe) when a pooler stands in between that gives each transaction the
// session that happens to be free. Connects a second time where there is a pooler of any kind.
void refuse_shared_sessions(PgConnection& connection, const std::string& url,
                            const std::string& job);

}  // namespace backfill
