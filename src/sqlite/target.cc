#include "sqlite/target.h"

#include <utility>

#include "core/bisect.h"
#include "core/row_key.h"
#include "core/sql.h"
#include "sqlite/cell.h"
#include "sqlite/ledger.h"
#include "sqlite/literal.h"
#include "sqlite/table.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

// Of the pages a chunk changes, those of indexes included.
constexpr std::size_t kPageBytesPerRowByte = 4;

Columns sent_columns(const std::vector<WriteColumn>& fields) {
  Columns columns;
  for (const WriteColumn& field : fields) columns.push_back(field.column);
  return columns;
}

}  // namespace

SqliteTarget::SqliteTarget(std::string path, WriteSpec spec)
    : spec_(std::move(spec)),
      columns_(sent_columns(spec_.columns)),
      connection_(std::move(path), SqliteConnection::Mode::read_write),
      turn_(connection_.path()) {
  for (const std::size_t field : key_fields(spec_)) key_.push_back(static_cast<int>(field));
  prepare_all();
}

SqliteTarget::~SqliteTarget() { rollback(); }

void SqliteTarget::prepare_all() {
  std::vector<Column> key;
  for (const int field : key_) key.push_back(spec_.columns[static_cast<std::size_t>(field)].target);
  const KeyPath path = key_path(connection_, spec_.table, key);
  key_terms_ = path.terms;
  sql_ = make_target_sql(spec_, path.terms);
  batch_table_.emplace(connection_, columns_);
  const auto prepare = [this](const std::string& sql) {
    return sql.empty() ? std::nullopt : std::optional(connection_.prepare(sql));
  };
  statements_.emplace(Statements{
      connection_.prepare("BEGIN IMMEDIATE"), connection_.prepare("COMMIT"), prepare(sql_.insert),
      prepare(sql_.update.sql), prepare(sql_.look.sql), std::nullopt, std::nullopt, std::nullopt});
  // A spilled page cache would shut readers out before the commit; a batch has its own bound.
  connection_.execute("PRAGMA cache_spill = OFF");
  if (spec_.from) prepare_pushdown(path.terms);
}

void SqliteTarget::prepare_pushdown(const std::vector<std::string>& key_terms) {
  const SqliteReadSql read(*spec_.from, key_path(connection_, spec_.from->table, spec_.from->key));
  const auto write = [&](bool has_lower_bound) {
    return make_pushdown_sql(spec_, key_terms, read, has_lower_bound);
  };
  const auto count = [&](bool has_lower_bound) {
    return "SELECT count(*) FROM " + read.key().from + " WHERE " + read.wanted(has_lower_bound);
  };
  const std::size_t width = read.key().terms.size();
  pushdown_.emplace(Pushdown{write(true), RangeStatements(connection_, width, write),
                             RangeStatements(connection_, width, count)});
  // Nothing else bounds the bytes of a chunk that does not pass through memory.
  const std::size_t kib = spec_.from->bytes_max / 1024 * kPageBytesPerRowByte + 1;
  connection_.execute("PRAGMA cache_spill = -" + std::to_string(kib));
}

void SqliteTarget::begin(const Chunk&) {
  rollback();
  turn_.take();
  try {
    const std::int64_t waits = connection_.lock_waits();
    statements_->begin.run();
    if (connection_.lock_waits() != waits) turn_.meet_others();
  } catch (const Error&) {
    turn_.give_back();
    throw;
  }
}

// A write outside a transaction would be committed row by row.
void SqliteTarget::require_transaction() const {
  if (connection_.in_transaction()) return;
  throw Error(ErrorKind::stop, "write to " + spec_.table +
                                   ": the batch's transaction is gone; does a trigger of the table "
                                   "roll back?");
}

WriteReport SqliteTarget::write(const Batch& rows) {
  try {
    require_transaction();
    return write_rows(rows, 0, rows.rows());
  } catch (const Error& error) {
    rollback();
    throw error.within("write to " + spec_.table);
  }
}

WriteReport SqliteTarget::write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) {
  WriteReport total;
  try {
    bisect(
        rows.rows(),
        [&](std::size_t first, std::size_t last) { write_part(rows, first, last, total); },
        rejects);
  } catch (const Error& error) {
    rollback();
    throw error.within("write to " + spec_.table);
  }
  return total;
}

void SqliteTarget::write_part(const Batch& rows, std::size_t first, std::size_t last,
                              WriteReport& total) {
  require_transaction();
  connection_.execute("SAVEPOINT part");
  WriteReport part;
  try {
    part = write_rows(rows, first, last);
  } catch (const Error&) {
    require_transaction();
    connection_.execute("ROLLBACK TO part; RELEASE part");
    throw;
  }
  connection_.execute("RELEASE part");
  total.written += part.written;
  total.unchanged += part.unchanged;
  for (Key& key : part.conflicts) total.conflicts.push_back(std::move(key));
}

WriteReport SqliteTarget::write_rows(const Batch& rows, std::size_t first, std::size_t last) {
  if (statements_->insert) return insert_rows(rows, first, last);
  WriteReport report;
  for (std::size_t row = first; row < last; ++row) update_row(rows.tuple(row), report);
  return report;
}

WriteReport SqliteTarget::insert_rows(const Batch& rows, std::size_t first, std::size_t last) {
  batch_table_->run(*statements_->insert, rows, first, last);
  WriteReport report;
  report.written = connection_.changes();
  report.unchanged = static_cast<std::int64_t>(last - first) - report.written;
  return report;
}

void SqliteTarget::update_row(std::string_view tuple, WriteReport& report) {
  read_cells(tuple, columns_.size(), cells_);
  bind_fields(*statements_->update, sql_.update.fields);
  statements_->update->run();
  if (connection_.changes() > 0) {
    ++report.written;
    return;
  }
  if (statements_->look && !still_as_read()) {
    report.conflicts.push_back(row_key(columns_, key_, tuple));
    return;
  }
  ++report.unchanged;
}

bool SqliteTarget::still_as_read() {
  bind_fields(*statements_->look, sql_.look.fields);
  const ResetAtEnd reset(*statements_->look);
  return statements_->look->step();
}

void SqliteTarget::bind_fields(SqliteStatement& statement, const std::vector<std::size_t>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i)
    bind_cell(statement, static_cast<int>(i) + 1, columns_[fields[i]], cells_[fields[i]]);
}

// The keys counted when the chunk was cut tell the rows read, unless `where` leaves some out or
// not all were written; then they are counted again. Before the write, which may change what
// `where` says of them.
PushdownReport SqliteTarget::write_from_source(const Chunk& chunk) {
  const auto count = [&] {
    SqliteStatement& statement = pushdown_->count.bind(chunk.after, chunk.upto);
    const ResetAtEnd reset(statement);
    return statement.step() ? statement.integer(0) : 0;
  };
  RowCounts rows;
  try {
    require_transaction();
    if (!spec_.from->where.empty()) rows.read = count();
    pushdown_->write.bind(chunk.after, chunk.upto).run();
    rows.written = connection_.changes();
    if (spec_.from->where.empty()) rows.read = rows.written == chunk.keys ? chunk.keys : count();
  } catch (const Error& error) {
    rollback();
    throw error.within("write to " + spec_.table);
  }
  rows.unchanged = rows.read - rows.written;
  return {rows, false, {}};
}

void SqliteTarget::lock(const std::vector<Key>&) { require_transaction(); }

LevelReport SqliteTarget::level(const Chunk&, const std::string& mark, const Batch&) {
  fate(mark);
  return {};
}

std::vector<RowDifference> SqliteTarget::compare(const Batch& rows) {
  auto& statement = statements_->compare;
  if (!statement) statement.emplace(connection_.prepare(make_compare_sql(spec_, key_terms_)));
  const std::vector<std::size_t> values = value_fields(spec_);
  std::vector<RowDifference> differences;
  const auto take = [&] {
    RowDifference found{
        static_cast<std::size_t>(statement->integer(0)), statement->integer(1) != 0, {}};
    for (std::size_t i = 0; i < values.size() && !found.is_missing; ++i) {
      if (statement->integer(static_cast<int>(i) + 2) != 0)
        found.columns.push_back(static_cast<int>(values[i]));
    }
    differences.push_back(std::move(found));
  };
  try {
    batch_table_->run(*statement, rows, 0, rows.rows(), take);
  } catch (const Error& error) {
    throw error.within("compare rows with " + spec_.table);
  }
  return differences;
}

std::int64_t SqliteTarget::remove(const std::vector<Key>& keys) {
  std::int64_t removed = 0;
  try {
    require_transaction();
    auto& statement = statements_->remove;
    if (!statement) {
      const std::vector<std::string> places(key_terms_.size(), "?");
      statement.emplace(connection_.prepare("DELETE FROM " + spec_.table + " WHERE (" +
                                            join(key_terms_, ", ") + ") = (" + join(places, ", ") +
                                            ")"));
    }
    for (const Key& key : keys) {
      bind_key(*statement, 1, key, key_terms_.size());
      statement->run();
      removed += connection_.changes();
    }
  } catch (const Error& error) {
    rollback();
    throw error.within("delete from " + spec_.table);
  }
  return removed;
}

Fate SqliteTarget::fate(const std::string& mark) {
  throw Error(ErrorKind::stop, "level transaction " + mark + " in " + spec_.table +
                                   ": the checkpoint is not of a SQLite target");
}

void SqliteTarget::commit(const Chunk& chunk, const RowCounts& rows) {
  try {
    require_transaction();
    if (spec_.ledger) record(chunk, rows);
    failpoint("target.before_commit");
    statements_->commit.run();
  } catch (const Error& error) {
    rollback();
    throw error.within("commit to " + spec_.table);
  }
  turn_.give_back();
  failpoint("target.after_commit");
}

void SqliteTarget::record(const Chunk& chunk, const RowCounts& rows) {
  auto& statement = statements_->record;
  if (!statement) statement.emplace(connection_.prepare(ledger_record_sql()));
  record_in_ledger(*statement, *spec_.ledger, chunk, rows);
}

void SqliteTarget::rollback() noexcept {
  try {
    if (connection_.in_transaction()) connection_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite rolls back what is left open when the connection closes.
  }
  turn_.give_back();
}

std::optional<RowCounts> SqliteTarget::recorded(const Chunk& chunk) {
  if (!spec_.ledger) return std::nullopt;
  return find_in_ledger(connection_, spec_.ledger->job, chunk);
}

std::vector<Statement> SqliteTarget::statements() const {
  std::vector<Statement> statements;
  if (pushdown_) {
    statements.push_back({"write a chunk", pushdown_->sql});
  } else {
    if (!sql_.insert.empty()) statements.push_back({"write a batch", sql_.insert});
    if (!sql_.update.sql.empty()) statements.push_back({"write a row", sql_.update.sql});
    if (!sql_.look.sql.empty())
      statements.push_back({"tell a row that changed from one that needs no write", sql_.look.sql});
  }
  if (spec_.ledger) statements.push_back({"record a chunk in the ledger", ledger_record_sql()});
  return statements;
}

void SqliteTarget::reconnect() {
  rollback();
  statements_.reset();
  pushdown_.reset();
  connection_.reopen();
  prepare_all();
}

void SqliteTarget::cancel() noexcept {
  turn_.cancel();
  connection_.interrupt();
}

}  // namespace backfill
