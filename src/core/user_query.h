// core/user_query.h
//
// What the answer to a query of the user's own, throttle.query, asks for.

#pragma once

#include <optional>
#include <string>

#include "core/sensor.h"

namespace backfill {

// `answer`: a number, or a truth as `t` or `f`; none: NULL, or no row, which is nothing. A number
// is held against `limit`, or against nothing when that is 0. Throws Error(ExitCode::unsafe) for
// anything else.
Reading user_query_reading(const std::optional<std::string>& answer, double limit);

// When the query's answer is of more than one column.
[[noreturn]] void refuse_user_query(const std::string& why);

}  // namespace backfill
