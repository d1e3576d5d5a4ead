// postgres/table.h
//
// What PostgreSQL's catalog says of a table before a run: columns, the unique index that
// gives the key order, estimates, the types of a person's select items, and privileges.
// Whatever makes a run unsafe is Error(ExitCode::unsafe), with the SQL that would help.

#pragma once

#include <string>
#include <vector>

#include "core/layout.h"
#include "core/table.h"
#include "postgres/connection.h"

namespace backfill {

// `key` are the names of the columns of a unique index, in any order; empty: the primary key.
// Key columns get the collation of that index. `where` may be empty.
TableFacts inspect_table(PgConnection& connection, const std::string& table,
                         const std::vector<std::string>& key, const std::string& where);

// The select list of a job, typed by the server; every column of the table when `items` is empty.
std::vector<ReadColumn> type_columns(PgConnection& connection, const TableFacts& facts,
                                     const std::vector<std::string>& items);

// The system column that changes with every update of a row.
Column row_version_column();

// Throws when this role may not read the table's key and plain columns, or not all of its rows.
void check_read(PgConnection& connection, const TableFacts& facts,
                const std::vector<ReadColumn>& columns, bool validates);

// Throws when this role may not lock the rows it reads.
void check_lock(PgConnection& connection, const TableFacts& facts);

// Throws when this role may not write these columns in this mode (and level them, or make a
// temporary table, where that is needed), or when the server takes no writes.
void check_write(PgConnection& connection, const TableFacts& facts, WriteMode mode,
                 const std::vector<WriteColumn>& columns, bool levels, bool needs_temp);

// Throws when this role may not make a temporary table beside this one, or the server makes none.
void check_stage(PgConnection& connection, const TableFacts& facts);

}  // namespace backfill
