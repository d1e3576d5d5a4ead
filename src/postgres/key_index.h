// postgres/key_index.h
//
// Chooses the index that gives a table its key order: unique, whole, immediate, ascending,
// over columns that cannot be NULL. Anything less would lose or repeat rows. Pure.

#pragma once

#include <string>
#include <vector>

namespace backfill {

struct IndexColumn {
  std::string name;    // empty for an expression
  bool is_key = true;  // false: INCLUDE
  bool not_null = false;
  bool descending = false;
  bool default_opclass = true;
  std::string collation;  // SQL; empty when the type has none
};

struct IndexFacts {
  std::string name;
  std::string schema;
  bool primary = false;
  bool unique = false;
  bool valid = false;     // and ready and live
  bool immediate = true;  // false: DEFERRABLE
  bool partial = false;
  bool btree = false;
  std::vector<IndexColumn> columns;

  std::vector<std::string> key_names() const;
};

// The index over exactly `wanted` (in any order), or the primary key when it is empty. Throws
// Error(ExitCode::unsafe) that says what `table` lacks and which SQL would help.
const IndexFacts& choose_key_index(const std::string& table, const std::vector<IndexFacts>& indexes,
                                   const std::vector<std::string>& wanted);

}  // namespace backfill
