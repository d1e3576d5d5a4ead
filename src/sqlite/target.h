// sqlite/target.h
//
// Rows into a SQLite table, one write transaction a chunk. The transaction takes the database's
// write lock at its beginning, so no other writer comes between what it looks at and what it
// writes, and lock() has nothing left to do. From begin() to commit() or rollback() it is this
// target's turn among those of the process (write_turn.h).
//
// Only a conflict on the key is absorbed, as the write mode says; any other broken constraint is
// Error(reject), also where the table was declared with ON CONFLICT REPLACE or IGNORE. A row that
// holds already what would be written is left alone and counted as unchanged. Rows that are in the
// same file may be written from where they are, to the same effect (pushdown_limits.h).
//
// One thread, except cancel(). Errors as core/target.h says.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/target.h"
#include "sqlite/batch_table.h"
#include "sqlite/connection.h"
#include "sqlite/range_statements.h"
#include "sqlite/target_sql.h"
#include "sqlite/write_turn.h"

namespace backfill {

class SqliteTarget : public Target {
 public:
  SqliteTarget(std::string path, WriteSpec spec);
  ~SqliteTarget() override;

  void begin(const Chunk& chunk) override;
  WriteReport write(const Batch& rows) override;
  WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) override;
  PushdownReport write_from_source(const Chunk& chunk) override;
  void lock(const std::vector<Key>& keys) override;
  void commit(const Chunk& chunk, const RowCounts& rows) override;
  // Empty: the file is ours from begin() on.
  std::string mark() override { return ""; }
  LevelReport level(const Chunk& chunk, const std::string& mark, const Batch& rows) override;
  std::vector<RowDifference> compare(const Batch& rows) override;
  std::int64_t remove(const std::vector<Key>& keys) override;
  Fate fate(const std::string& mark) override;
  void rollback() noexcept override;
  std::optional<RowCounts> recorded(const Chunk& chunk) override;
  std::vector<Statement> statements() const override;
  void reconnect() override;
  void cancel() noexcept override;

 private:
  // Prepared once a connection, none of them once a chunk.
  struct Statements {
    SqliteStatement begin;
    SqliteStatement commit;
    std::optional<SqliteStatement> insert;  // this or update
    std::optional<SqliteStatement> update;
    std::optional<SqliteStatement> look;
    std::optional<SqliteStatement> compare;  // these by their first call
    std::optional<SqliteStatement> remove;
    std::optional<SqliteStatement> record;  // by the first commit: `plan` comes before the ledger
  };

  struct Pushdown {
    std::string sql;  // with both bounds
    RangeStatements write;
    RangeStatements count;
  };

  void prepare_all();
  void prepare_pushdown(const std::vector<std::string>& key_terms);
  void require_transaction() const;
  WriteReport write_rows(const Batch& rows, std::size_t first, std::size_t last);
  WriteReport insert_rows(const Batch& rows, std::size_t first, std::size_t last);
  void update_row(std::string_view tuple, WriteReport& report);
  bool still_as_read();
  void bind_fields(SqliteStatement& statement, const std::vector<std::size_t>& fields);
  void record(const Chunk& chunk, const RowCounts& rows);
  void write_part(const Batch& rows, std::size_t first, std::size_t last, WriteReport& total);

  const WriteSpec spec_;
  const Columns columns_;               // of the tuples
  std::vector<int> key_;                // positions in columns_
  std::vector<std::string> key_terms_;  // as they are compared
  SqliteConnection connection_;
  WriteTurn turn_;
  TargetSql sql_;
  std::optional<SqliteBatchTable> batch_table_;
  std::optional<Statements> statements_;
  std::optional<Pushdown> pushdown_;  // none: rows come in batches
  std::vector<Cell> cells_;
};

}  // namespace backfill
