// sqlite/batch_table.h
//
// The rows of a batch as a table that SQL can read, so that one statement writes them all:
// `INSERT INTO t SELECT f0, f1 FROM temp.backfill_batch`. Column fN is field N of the tuples, as
// sqlite/cell.h says. Only the connection it was made for can see it, and neither triggers nor
// views of the file can. Nothing is copied: SQLite reads the batch's own bytes.
//
// One thread. Must outlive the statements that read it.

#pragma once

#include <exception>
#include <functional>
#include <string>

#include "core/batch.h"
#include "core/column.h"
#include "sqlite/connection.h"

namespace backfill {

class SqliteBatchTable {
 public:
  static std::string name() { return "temp.backfill_batch"; }
  static std::string column(std::size_t field) { return "f" + std::to_string(field); }

  // For tuples of these columns. To be made anew when the connection is opened anew.
  SqliteBatchTable(SqliteConnection& connection, Columns columns);
  SqliteBatchTable(const SqliteBatchTable&) = delete;
  SqliteBatchTable& operator=(const SqliteBatchTable&) = delete;

  // Runs a statement while the table holds tuples [first, last) of a batch. Throws what the
  // statement does, or Error(stop) for a tuple or a value that cannot be read. `on_row`, where
  // given, is called whenever the statement stands on a row.
  void run(SqliteStatement& statement, const Batch& batch, std::size_t first, std::size_t last,
           const std::function<void()>& on_row = nullptr);

 private:
  struct Module;  // what SQLite calls

  const Columns columns_;
  const Batch* batch_ = nullptr;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::exception_ptr failure_;  // of the statement that runs; exceptions cannot pass through SQLite
};

}  // namespace backfill
