// core/key.h
//
// The key of a row, as the text its database gave for each key column: a place in key
// order that can be stored, printed and handed back to the same database. Only the
// database compares keys (collations!); here they are equal or not, nothing more.

#pragma once

#include <string>
#include <vector>

namespace backfill {

struct Key {
  // One text a key column, in key order. PostgreSQL: the column's text output.
  // SQLite: the value as an SQL literal, so that 1 and '1' stay apart.
  std::vector<std::string> values;

  bool operator==(const Key&) const = default;

  // For people: `8123`, or `(eu, 8123)` when composite.
  std::string display() const;

  // For the checkpoint and the ledger: a JSON array of strings, and back.
  // to_json throws Error(stop) for bytes that are not UTF-8, from_json for text that is no key.
  std::string to_json() const;
  static Key from_json(const std::string& json);
};

}  // namespace backfill
