// core/layout.h
//
// Which columns a run reads and which it writes, and where each written value comes from.
// Made once from the job, the tables and the plugin; the same for every worker; pure.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/column.h"
#include "core/table.h"

namespace backfill {

enum class WriteMode {
  update,          // set columns of rows that are there
  insert_missing,  // insert rows whose key is not there; leave the others
  upsert,          // insert, or overwrite
  insert,          // insert; a row that is there is an error (safe to repeat through the ledger)
};
const char* write_mode_name(WriteMode mode);

// One entry of the select list, in tuple order.
struct ReadColumn {
  Column column;           // what arrives
  std::string expression;  // SQL; empty: the column of that name, to be quoted
  bool requested = true;   // false: read only because it is part of the key or a guard
};

// One field of an output tuple, in tuple order.
struct WriteColumn {
  enum class Role {
    key,    // finds the row (and is inserted with it)
    value,  // is written
    guard,  // must still hold in the target what was read; `column.name` says which column
  };
  Column column;  // what arrives at the target: the name is the target's, the type the sender's
  Column target;  // the target's column; for PostgreSQL's row version guard the name is `xmin`
  Role role = Role::value;
  int read = -1;    // position in Layout::read, or
  int output = -1;  // position among the plugin's outputs
};

struct Layout {
  std::vector<ReadColumn> read;
  std::vector<int> read_key;       // positions in `read`, in key order
  std::vector<int> plugin_inputs;  // positions in `read`, in the order of PluginColumns::inputs
  std::vector<WriteColumn> write;
  bool in_place = false;           // source and target are the same table
  bool forwards = false;           // an output tuple is the input tuple as it came
  std::vector<std::string> notes;  // what a person should know, for `plan`

  Columns read_columns() const;
  Columns write_columns() const;
};

// What a plugin asked for when it was bound: positions in the columns it was offered.
struct PluginColumns {
  std::vector<int> inputs;  // in the requested source columns
  struct Output {
    int target;  // in the target's columns
    Kind kind;
  };
  std::vector<Output> outputs;
};

struct LayoutRequest {
  TableFacts source;
  TableFacts target;
  std::vector<std::string> target_key;  // target column names answering source.key, same order
  // The job's source columns, typed by the database; all columns of the table when the job names
  // none.
  std::vector<ReadColumn> columns;
  std::optional<PluginColumns> plugin;  // positions refer to `columns` and `target.columns`
  WriteMode mode = WriteMode::insert_missing;
  std::optional<Column> row_version;  // PostgreSQL's xmin, where the source has one
  bool target_reads_binary = true;    // false: the target takes readable kinds only (SQLite)
};

// Throws Error(ExitCode::unsafe) when a column would be lost, is missing, or nothing is left to
// write.
Layout make_layout(const LayoutRequest& request);

}  // namespace backfill
