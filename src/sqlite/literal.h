// sqlite/literal.h
//
// Keys of SQLite tables: read as SQL literals (core/value_literal.h), and bound again.
//
// Literals come back from files, so they are never spliced into SQL: they are parsed and
// bound. Pure functions; a text that is not such a literal is Error(stop).

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/key.h"
#include "core/value_literal.h"
#include "sqlite/connection.h"

namespace backfill {

// A value that owns its bytes.
struct SqliteValue {
  StorageClass storage = StorageClass::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string bytes;  // of a text or a blob

  bool operator==(const SqliteValue&) const = default;
};

// Throws Error(stop) for NULL too: it is no place in key order.
SqliteValue parse_literal(std::string_view literal);

// The key in the first `key_columns` columns of the row a statement stands on.
Key read_key(const SqliteStatement& statement, std::size_t key_columns);

// Binds a key's values to parameters from `first_parameter` on. Throws Error(stop) when the key
// has not `key_columns` values.
void bind_key(SqliteStatement& statement, int first_parameter, const Key& key,
              std::size_t key_columns);

}  // namespace backfill
