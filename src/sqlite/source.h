// sqlite/source.h
//
// Rows out of a SQLite table, chunk by chunk in key order. Opens the file read-only; every read
// of a chunk is one statement, so no read lock outlives a call. Every value arrives as a dynamic
// cell, and keys as SQL literals (sqlite/literal.h).
//
// One thread, except cancel(). Errors as core/source.h says.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/source.h"
#include "sqlite/connection.h"
#include "sqlite/table.h"

namespace backfill {

class SqliteSource : public Source {
 public:
  SqliteSource(std::string path, ReadSpec spec);

  std::optional<Key> last_key() override;
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override;
  std::vector<Key> in_key_order(std::vector<Key> keys) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  // Prepared for a range with a lower bound, and for the first one, which has none.
  struct RangeStatements {
    SqliteStatement bounded;
    SqliteStatement first;
  };

  struct Statements {
    RangeStatements cut;
    RangeStatements cut_rest;
    RangeStatements read;
    SqliteStatement read_key;
    SqliteStatement last_key;
  };

  Statements prepare_all();
  // The statement for `after`, with the bounds bound; parameters go on from `next_parameter`.
  SqliteStatement& bind_range(RangeStatements& statements, const std::optional<Key>& after,
                              const Key& upto, int& next_parameter);
  std::optional<Cut> cut_rest(const std::optional<Key>& after, const Key& end, std::int64_t keys);
  void read_row(const SqliteStatement& statement, Batch& batch) const;

  std::string range(bool has_lower_bound) const;
  std::string keys_sql(bool has_lower_bound) const;
  std::string cut_sql(bool has_lower_bound) const;
  std::string cut_rest_sql(bool has_lower_bound) const;
  std::string read_sql(bool has_lower_bound) const;
  std::string read_key_sql() const;
  std::string last_key_sql() const;
  std::string select_items() const;
  std::string and_where() const;
  std::string key_order(const std::string& direction) const;

  const ReadSpec spec_;
  SqliteConnection connection_;
  KeyPath key_;
  std::optional<Statements> statements_;
};

}  // namespace backfill
