// postgres/key_sql.h
//
// Keys as SQL: a key's text as typed literals, key columns in comparisons and in ORDER BY,
// with the collation of the key's index where it is not the database's own. Pure.

#pragma once

#include <string>
#include <vector>

#include "core/column.h"
#include "core/key.h"

namespace backfill {

class KeySql {
 public:
  // `table` is SQL; key columns are named through its last part, since in ORDER BY a bare
  // name would mean a column of the select list, and that may be the text of the key.
  KeySql(const std::string& table, std::vector<Column> key);

  std::size_t size() const { return key_.size(); }

  // `"users"."id"`, with COLLATE where needed: what is compared and sorted by.
  std::string column(std::size_t i) const;
  // `'17'::bigint`
  std::string literal(std::size_t i, const std::string& text) const;
  // `expression` of any type cast to that of key column i, with its collation.
  std::string typed(std::size_t i, const std::string& expression) const;

  std::string columns() const;                 // `"users"."id"` or `("t"."a", "t"."b")`
  std::string literals(const Key& key) const;  // likewise; throws Error(stop) for a foreign key
  // Likewise of parameters, numbered from `first` on: `($2::text, $3::integer)`.
  std::string parameters(std::size_t first) const;
  // Conditions on the row's key, served by the key's index. A bound that is empty bounds nothing;
  // without any the condition is empty too.
  std::string between(const std::string& after, const std::string& upto) const;
  std::string is_one_of(const std::vector<Key>& keys) const;
  std::string order_by(bool descending = false) const;

 private:
  std::string collate(std::size_t i) const;

  std::string qualifier_;
  std::vector<Column> key_;
};

}  // namespace backfill
