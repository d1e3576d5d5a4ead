#include "sqlite/batch_table.h"

#include <sqlite3.h>

#include <memory>
#include <utility>
#include <vector>

#include "sqlite/cell.h"

namespace backfill {

// The interface of https://www.sqlite.org/vtab.html, as little of it as a scan needs.
struct SqliteBatchTable::Module {
  // SQLite sees the bases, and hands them back.
  struct Table : sqlite3_vtab {
    SqliteBatchTable* owner;
  };
  struct Cursor : sqlite3_vtab_cursor {
    std::size_t row = 0;
    std::vector<Cell> cells;
  };

  static SqliteBatchTable& owner_of(sqlite3_vtab_cursor* cursor) {
    return *static_cast<Table*>(cursor->pVtab)->owner;
  }

  // Keeps what went wrong for run(), which throws it again.
  template <class Call>
  static int guard(SqliteBatchTable& owner, Call call) {
    try {
      call();
      return SQLITE_OK;
    } catch (...) {
      owner.failure_ = std::current_exception();
      return SQLITE_ERROR;
    }
  }

  static int connect(sqlite3* handle, void* owner, int, const char* const*, sqlite3_vtab** table,
                     char**) {
    auto& self = *static_cast<SqliteBatchTable*>(owner);
    std::string fields;
    for (std::size_t field = 0; field < self.columns_.size(); ++field)
      fields += (field == 0 ? "" : ", ") + column(field);
    const int code = sqlite3_declare_vtab(handle, ("CREATE TABLE batch (" + fields + ")").c_str());
    if (code != SQLITE_OK) return code;
    sqlite3_vtab_config(handle, SQLITE_VTAB_DIRECTONLY);
    auto made = std::make_unique<Table>();
    made->owner = &self;
    *table = made.release();
    return SQLITE_OK;
  }

  static int disconnect(sqlite3_vtab* table) {
    const std::unique_ptr<Table> ended(static_cast<Table*>(table));
    return SQLITE_OK;
  }

  static int best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }

  static int open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
    *cursor = std::make_unique<Cursor>().release();
    return SQLITE_OK;
  }

  static int close(sqlite3_vtab_cursor* cursor) {
    const std::unique_ptr<Cursor> ended(static_cast<Cursor*>(cursor));
    return SQLITE_OK;
  }

  static int filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
    return stand_on(static_cast<Cursor&>(*cursor), owner_of(cursor).first_);
  }

  static int next(sqlite3_vtab_cursor* cursor) {
    auto& self = static_cast<Cursor&>(*cursor);
    return stand_on(self, self.row + 1);
  }

  static int stand_on(Cursor& cursor, std::size_t row) {
    SqliteBatchTable& owner = owner_of(&cursor);
    cursor.row = row;
    if (row >= owner.last_) return SQLITE_OK;
    return guard(
        owner, [&] { read_cells(owner.batch_->tuple(row), owner.columns_.size(), cursor.cells); });
  }

  static int is_at_end(sqlite3_vtab_cursor* cursor) {
    return static_cast<Cursor*>(cursor)->row >= owner_of(cursor).last_ ? 1 : 0;
  }

  static int value(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int field) {
    SqliteBatchTable& owner = owner_of(cursor);
    const auto at = static_cast<std::size_t>(field);
    return guard(owner, [&] {
      answer_cell(context, owner.columns_[at], static_cast<Cursor*>(cursor)->cells[at]);
    });
  }

  static int rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) {
    *rowid = static_cast<sqlite3_int64>(static_cast<Cursor*>(cursor)->row);
    return SQLITE_OK;
  }

  // Without xCreate the table is there from the start and cannot be made under another name.
  static sqlite3_module make() {
    sqlite3_module module{};
    module.xConnect = connect;
    module.xBestIndex = best_index;
    module.xDisconnect = disconnect;
    module.xOpen = open;
    module.xClose = close;
    module.xFilter = filter;
    module.xNext = next;
    module.xEof = is_at_end;
    module.xColumn = value;
    module.xRowid = rowid;
    return module;
  }
};

SqliteBatchTable::SqliteBatchTable(SqliteConnection& connection, Columns columns)
    : columns_(std::move(columns)) {
  static const sqlite3_module module = Module::make();
  const int code = sqlite3_create_module(connection.handle_, "backfill_batch", &module, this);
  if (code != SQLITE_OK) connection.fail(code);
}

void SqliteBatchTable::run(SqliteStatement& statement, const Batch& batch, std::size_t first,
                           std::size_t last, const std::function<void()>& on_row) {
  batch_ = &batch;
  first_ = first;
  last_ = last;
  failure_ = nullptr;
  try {
    const ResetAtEnd reset(statement);
    while (statement.step()) {
      if (on_row) on_row();
    }
  } catch (const Error&) {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    throw;
  }
}

}  // namespace backfill
