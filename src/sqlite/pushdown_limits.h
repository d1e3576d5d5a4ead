// sqlite/pushdown_limits.h
//
// When one statement that reads and writes a chunk does exactly what its rows would do one after
// the other, and faster. Inserts always: SQLite keeps what they read apart from what they write.
// An update in place does, unless a trigger may change rows that it has looked at already, or a
// subquery may read what it updated a moment ago. An update of another table does not: where two
// keys of the source are one key of the target the later row has to win, and UPDATE … FROM takes
// longer than the rows.

#pragma once

#include <string>

#include "core/target.h"
#include "sqlite/connection.h"

namespace backfill {

// spec.from is there.
bool one_statement_does_the_same(SqliteConnection& connection, const WriteSpec& spec);

// Whether SQL that stands for a value may read a table: true in doubt.
bool may_read_a_table(const std::string& expression);

}  // namespace backfill
