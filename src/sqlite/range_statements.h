// sqlite/range_statements.h
//
// A statement over a key range, prepared for a range with a lower bound and for the first one,
// which has none. The bounds are its first parameters, as sqlite/read_sql.h has them.

#pragma once

#include <optional>
#include <string>

#include "core/key.h"
#include "sqlite/connection.h"
#include "sqlite/literal.h"

namespace backfill {

class RangeStatements {
 public:
  // `sql(has_lower_bound)` makes the text.
  template <class Sql>
  RangeStatements(SqliteConnection& connection, std::size_t key_columns, Sql sql)
      : key_columns_(key_columns),
        bounded_(connection.prepare(sql(true))),
        first_(connection.prepare(sql(false))) {}

  // The statement for `after`, with the bounds bound.
  SqliteStatement& bind(const std::optional<Key>& after, const Key& upto) {
    SqliteStatement& statement = after ? bounded_ : first_;
    if (after) bind_key(statement, 1, *after, key_columns_);
    bind_key(statement, next_parameter(after) - static_cast<int>(key_columns_), upto, key_columns_);
    return statement;
  }

  // The first parameter behind the bounds.
  int next_parameter(const std::optional<Key>& after) const {
    return static_cast<int>(after ? 2 * key_columns_ : key_columns_) + 1;
  }

 private:
  std::size_t key_columns_;
  SqliteStatement bounded_;
  SqliteStatement first_;
};

}  // namespace backfill
