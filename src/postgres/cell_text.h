// postgres/cell_text.h
//
// A value from a database without fixed column types (SQLite) as the text that PostgreSQL
// reads into a given type, with the meaning a person expects: 1 is true, an integer time is
// seconds since 1970, a blob is bytes. Pure.

#pragma once

#include <string>

#include "core/batch.h"
#include "postgres/types.h"

namespace backfill {

// Throws Error(reject) when the value has no meaning in `type`. Text that the type does not
// take is left to the server, which refuses it.
std::string cell_text(const DynamicCell& cell, const PgType& type);

}  // namespace backfill
