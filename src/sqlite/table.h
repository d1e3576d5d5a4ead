// sqlite/table.h
//
// What a SQLite file says of a table: its columns, the key that rows can be walked by, and
// estimates. A key must be the columns of a unique index (or the rowid) that is whole, ascending
// and free of NULL; where the index compares text otherwise than the column does, the index
// decides.
//
// Free functions that read; one thread a connection. What makes a table unfit is
// Error(ExitCode::unsafe), what a person mistyped is Error(ExitCode::usage).

#pragma once

#include <string>
#include <vector>

#include "core/layout.h"
#include "core/table.h"
#include "sqlite/connection.h"

namespace backfill {

// `key` empty: the primary key. `where` is only for the estimate of rows.
TableFacts inspect_table(SqliteConnection& connection, const std::string& table,
                         const std::vector<std::string>& key, const std::string& where);

// Types a job's select items; none: every column of the table.
std::vector<ReadColumn> type_columns(SqliteConnection& connection, const TableFacts& table,
                                     const std::vector<std::string>& items);

// The unquoted name of a table as a person writes it. Throws Error(ExitCode::usage) for a schema
// other than main.
std::string sqlite_table_name(const std::string& table);

// How statements reach rows by their key.
struct KeyPath {
  // `users INDEXED BY users_email`: chunks are ranges of this index; were the planner free to
  // take another one for `where`'s sake, every chunk would cost a walk of the whole table.
  std::string from;
  // What to compare and order by: `"email"`, or `"email" COLLATE "NOCASE"`.
  std::vector<std::string> terms;
};
KeyPath key_path(SqliteConnection& connection, const std::string& table,
                 const std::vector<Column>& key);

}  // namespace backfill
