// sqlite/read_sql.h
//
// The rows of a chunk as SQL. Bounds are parameters: those of `after`, where there is one, then
// those of `upto`. Pure.

#pragma once

#include <string>
#include <vector>

#include "core/source.h"
#include "sqlite/table.h"

namespace backfill {

class SqliteReadSql {
 public:
  SqliteReadSql(ReadSpec spec, KeyPath key);

  const KeyPath& key() const { return key_; }

  // The select list, each item SQL that may stand anywhere.
  std::vector<std::string> items() const;

  // `(id) > (?) AND (id) <= (?)`
  std::string range(bool has_lower_bound) const;
  // The rows of the range that the job wants, as a condition.
  std::string wanted(bool has_lower_bound) const;
  // `(id) = (?)`
  std::string is_key() const;
  // ` AND (where)`, or nothing.
  std::string and_where() const;
  // ` ORDER BY id`; `direction` is empty or ` DESC`.
  std::string order_by(const std::string& direction = "") const;

 private:
  const ReadSpec spec_;
  KeyPath key_;
};

}  // namespace backfill
