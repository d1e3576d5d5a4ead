// postgres/sqlstate.h
//
// What a SQLSTATE means for the work at hand: the one table that turns PostgreSQL's error
// codes into remedies (https://www.postgresql.org/docs/15/errcodes-appendix.html). Pure.

#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace backfill {

// Connection failures, serialization failures and deadlocks, lack of resources, lock timeouts,
// shutdowns and a server that turned read-only → retry; a statement timeout → too_large;
// values and constraints → reject; everything else → stop.
ErrorKind kind_of_sqlstate(std::string_view sqlstate);

// `text` on one line, without the line breaks and indents that PostgreSQL puts into its messages.
std::string one_line(std::string_view text);

}  // namespace backfill
