// sqlite/literal.h
//
// SQLite values as SQL literals, the way the quote() function prints them: `8123`, `1.5`,
// `'it''s'`, `X'00ff'`. Keys are kept in this form, so that 1 and '1' stay apart. Differs
// from quote() in two places: reals are the shortest text that reads back to the same bits,
// and a text that quote() would cut at a zero byte, or that is not UTF-8, is
// `CAST(X'610062' AS TEXT)`.
//
// Literals come back from files, so they are never spliced into SQL: they are parsed and
// bound. Pure functions; a text that is not such a literal is Error(stop).

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/key.h"
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

std::string integer_literal(std::int64_t value);
std::string real_literal(double value);
std::string text_literal(std::string_view text);
std::string blob_literal(std::string_view bytes);

// Throws Error(stop) for NULL too: it is no place in key order.
SqliteValue parse_literal(std::string_view literal);

// The key in the first `key_columns` columns of the row a statement stands on.
Key read_key(const SqliteStatement& statement, std::size_t key_columns);

// Binds a key's values to parameters from `first_parameter` on. Throws Error(stop) when the key
// has not `key_columns` values.
void bind_key(SqliteStatement& statement, int first_parameter, const Key& key,
              std::size_t key_columns);

}  // namespace backfill
