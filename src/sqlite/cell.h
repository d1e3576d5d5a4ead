// sqlite/cell.h
//
// Values between SQLite and the cells of a batch. What SQLite gives becomes a dynamic cell: the
// kind of this value in front of its bytes. What a target gets may also come from PostgreSQL,
// whose types become SQLite's nearest storage class: booleans and integers integer, floats
// real, bytea blob, all else the text that PostgreSQL prints.
//
// Free functions; one thread a statement and a batch.

#pragma once

#include "core/batch.h"
#include "core/column.h"
#include "sqlite/connection.h"

struct sqlite3_context;

namespace backfill {

// Adds column `column` of the row a statement stands on as the next field of the tuple begun.
void append_value(const SqliteStatement& statement, int column, Batch& batch);

// To a parameter of a statement, or as the value of a virtual table's column. The cell's bytes
// are lent, not copied: they must stay until the statement was reset. Throws Error(stop) when the
// bytes are not of the column's kind or the kind cannot be read.
void bind_cell(SqliteStatement& statement, int parameter, const Column& column, const Cell& cell);
void answer_cell(sqlite3_context* context, const Column& column, const Cell& cell);

}  // namespace backfill
