// core/table.h
//
// What a database says of a table before anything is read from it: its columns, the unique
// index that gives the key order, and estimates. Asked once, at the start of a run.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/column.h"

namespace backfill {

struct TableFacts {
  std::string name;  // as SQL, quoted and qualified: `public.users`, `"odd ""name"`
  // Equal for two tables that are one and the same, different otherwise; no passwords.
  std::string identity;
  std::string database_identity;             // likewise for the database that holds it
  Columns columns;                           // in table order
  std::vector<std::string> key;              // names of the key columns, in the order of the index
  std::string key_index;                     // the index that serves the key, unquoted
  std::vector<std::string> indexed_columns;  // named in any index, key included
  std::optional<std::int64_t> estimated_rows;  // matching `where` when one was given
  std::optional<std::int64_t> estimated_bytes;
  std::optional<int> fillfactor;   // how full the database packs a page, in percent; none: unknown
  std::vector<std::string> notes;  // hazards worth a line in `plan`
};

}  // namespace backfill
