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
#include "sqlite/range_statements.h"
#include "sqlite/read_sql.h"

namespace backfill {

class SqliteSource : public Source {
 public:
  SqliteSource(std::string path, ReadSpec spec);

  std::optional<Key> last_key() override;
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override;
  std::string moment() override;
  bool may_have_changed(const Chunk& chunk, const std::string& since,
                        std::optional<std::int64_t> rows) override;
  std::string writers() override { return ""; }
  bool have_ended(const std::string&) override { return true; }
  bool release() noexcept override { return false; }
  std::vector<Key> in_key_order(std::vector<Key> keys) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  struct Statements {
    RangeStatements cut;
    RangeStatements cut_rest;
    RangeStatements read;
    SqliteStatement read_key;
    SqliteStatement last_key;
    SqliteStatement moment;
  };

  void prepare_all();
  std::optional<Cut> cut_rest(const std::optional<Key>& after, const Key& end, std::int64_t keys);
  void read_row(const SqliteStatement& statement, Batch& batch) const;
  std::size_t key_columns() const { return sql_->key().terms.size(); }

  std::string from() const;
  std::string keys_sql(bool has_lower_bound) const;
  std::string cut_sql(bool has_lower_bound) const;
  std::string cut_rest_sql(bool has_lower_bound) const;
  std::string read_sql(bool has_lower_bound) const;
  std::string read_key_sql() const;
  std::string last_key_sql() const;

  const ReadSpec spec_;
  SqliteConnection connection_;
  std::optional<SqliteReadSql> sql_;
  std::optional<Statements> statements_;
};

}  // namespace backfill
