// sqlite/target_sql.h
//
// The statements that write: inserts take a whole batch at once out of SqliteBatchTable, updates
// a row each, because a row that was not updated may have to be looked at. Pushed down, one
// statement reads and writes a chunk. Made once; pure functions.

#pragma once

#include <string>
#include <vector>

#include "core/target.h"
#include "sqlite/read_sql.h"

namespace backfill {

// Parameter i + 1 of a statement takes the field of the tuple at fields[i].
struct RowStatement {
  std::string sql;
  std::vector<std::size_t> fields;
};

// Either insert or update is there.
struct TargetSql {
  std::string insert;   // adds or overwrites rows where there is something to change
  RowStatement update;  // changes one row, or none where there is nothing to change
  RowStatement look;    // finds the row if its guards still hold; empty without guards
};

// Positions in spec.columns of the key, in the order of the source's key.
std::vector<std::size_t> key_fields(const WriteSpec& spec);

// Likewise of the columns that are written, key and guards aside.
std::vector<std::size_t> value_fields(const WriteSpec& spec);

// The rows of SqliteBatchTable that the table does not hold as they would be stored: the place of
// each in its batch, whether its key is missing, then for each of value_fields() whether it
// differs. The comparison converts what has no affinity as storing it would; 1 and 1.0 are equal.
std::string make_compare_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms);

// `key_terms` are the key columns as they are compared (KeyPath::terms), in the order of
// key_fields(). Throws Error(ExitCode::unsafe) when there is nothing to write or
// the version column is not written.
TargetSql make_target_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms);

// Writes the rows of a key range, whose bounds are the parameters, from where spec.from says they
// are; `read` is made from that. In place, the new values come from the row that is updated, under
// the lock it is written under, so no guard is needed. Throws as above.
std::string make_pushdown_sql(const WriteSpec& spec, const std::vector<std::string>& key_terms,
                              const SqliteReadSql& read, bool has_lower_bound);

}  // namespace backfill
