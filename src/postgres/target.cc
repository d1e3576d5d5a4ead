#include "postgres/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/bisect.h"
#include "core/sql.h"
#include "postgres/cell_text.h"
#include "postgres/copy_format.h"
#include "postgres/fence.h"
#include "postgres/flush.h"
#include "postgres/ledger.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

// One statement's worth of keys: bounds the length of its text.
constexpr std::size_t keys_per_statement = 1000;

constexpr const char* unique_violation = "23505";

// How the server joins the stage with the table, until the transaction ends or the other is said.
constexpr const char* by_walk =
    "SET LOCAL enable_mergejoin = on; SET LOCAL enable_nestloop = off; ";
constexpr const char* by_lookup =
    "SET LOCAL enable_mergejoin = off; SET LOCAL enable_nestloop = on; ";

// A key in the columns from `first` on.
Key key_at(const PgResult& result, int row, int first) {
  Key key;
  for (int i = first; i < result.columns(); ++i) key.values.push_back(result.text(row, i));
  return key;
}

std::vector<std::string_view> framed(const std::vector<std::string_view>& tuples) {
  std::vector<std::string_view> pieces{copy_header};
  pieces.insert(pieces.end(), tuples.begin(), tuples.end());
  pieces.push_back(copy_trailer);
  return pieces;
}

void add(WriteReport& sum, WriteReport part) {
  sum.written += part.written;
  sum.unchanged += part.unchanged;
  for (Key& key : part.conflicts) sum.conflicts.push_back(std::move(key));
}

}  // namespace

PostgresTarget::PostgresTarget(const std::string& url, const std::string& job, WriteSpec spec,
                               std::shared_ptr<OwnTransactions> own)
    : spec_(std::move(spec)), job_(job), own_(std::move(own)), connection_(url, job, "target") {
  std::vector<TypeReference> references;
  for (const WriteColumn& column : spec_.columns) {
    references.emplace_back(column.target.oid, -1);
    has_dynamic_ = has_dynamic_ || column.column.dynamic;
  }
  {
    connection_.attempt("look up the types of " + spec_.table);
    const CatalogScope scope(connection_);
    types_ = describe_types(connection_, references);
  }
  sql_ = std::make_unique<WriteSql>(spec_, types_);
  if (spec_.from) pushdown_sql_ = std::make_unique<PushdownSql>(spec_, *sql_);
  present_ = std::make_unique<PresentKeys>(sql_->key_at(), spec_.columns.size());
  set_up();
}

// A batch is a small part of a table and is found by key: only missing statistics of the
// temporary table could make another plan look better.
void PostgresTarget::set_up() {
  connection_.command(
      "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off");
  make_key_operators_visible(connection_, sql_->key());
  may_flush_later_ = may_flush_later(connection_);
  must_catch_up_ = may_flush_later_;
  unflushed_.clear();
  has_stage_ = false;
  stage_is_clean_ = true;
}

void PostgresTarget::reconnect() {
  connection_.reconnect();
  set_up();
}

// Deferrable constraints are checked at once, so that a row that breaks one is rejected as
// others are, and not at COMMIT with the whole batch.
void PostgresTarget::begin(const Chunk& chunk) {
  rollback();
  connection_.attempt(fmt::format("write {} to {}", chunk.display(), spec_.table));
  if (!sql_->goes_straight()) make_stage();
  open(chunk);
  flushes_later_ = spares_others_ && others_flushes_.are_likely();
  if (flushes_later_) opening_ += "SET LOCAL synchronous_commit = off; ";
  may_look_ = sql_->may_go_straight() && !sql_->goes_straight();
}

void PostgresTarget::make_stage() {
  if (has_stage_) return;
  connection_.command(sql_->create_stage());
  has_stage_ = true;
}

void PostgresTarget::open(const Chunk& chunk) {
  stage_is_clean_ = true;
  chunk_ = chunk;
  mark_.clear();
  moment_.clear();
  flushes_later_ = false;
  opening_ = "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE; ";
  opening_ += fence_sql(job_, spec_.lease);
}

// Nothing of what the transaction did is left, and it goes on as another. No savepoint does that:
// rows written below one do not bear the transaction's own number.
void PostgresTarget::reopen() {
  connection_.command("ROLLBACK");
  open(*chunk_);
}

// The transaction is begun in the message of its first statement, which saves a round trip.
std::string PostgresTarget::opened(const std::string& sql) {
  return std::exchange(opening_, "") + sql;
}

WriteReport PostgresTarget::write(const Batch& rows) {
  try {
    if (std::exchange(may_look_, false)) {
      if (const auto report = insert_new_rows(rows)) return *report;
    }
    return write_rows(rows, 0, rows.rows());
  } catch (const Error&) {
    rollback();
    throw;
  }
}

// A plain COPY of the rows whose keys are not there does what insert_missing and upsert ask for,
// at half the price of a staged write. A key that no look showed, such as one that a live write
// has just put there, makes a unique violation; then nothing of this is left and none is returned.
std::optional<WriteReport> PostgresTarget::insert_new_rows(const Batch& rows) {
  look(rows);
  const bool upserts = spec_.mode == WriteMode::upsert;
  if (upserts && 2 * parted_.present_rows > rows.rows()) return std::nullopt;

  const auto present = static_cast<std::int64_t>(parted_.present_rows);
  const auto missing = static_cast<std::int64_t>(rows.rows()) - present;
  WriteReport report;
  if (missing != 0) {
    const auto written = straight([&] {
      return connection_.copy_in(opened(sql_->copy_straight()), framed(parted_.missing));
    });
    if (!written) return std::nullopt;
    report.written = *written;
  }
  report.unchanged = missing - report.written;
  if (present == 0 || !upserts) {
    report.unchanged += present;
    return report;
  }
  stage(parted_.present);
  add(report, write_staged(present));
  return report;
}

// Runs a write that counts on no key being there. None when the database refused a row: then the
// transaction begins anew.
std::optional<std::int64_t> PostgresTarget::straight(const std::function<std::int64_t()>& write) {
  try {
    return write();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::reject || !connection_.in_transaction()) throw;
    reopen();
    if (error.code() == unique_violation) looks_.missed();
    return std::nullopt;
  }
}

// Leaves in parted_ which rows are there already, as far as a look was worth it.
void PostgresTarget::look(const Batch& rows) {
  Batch& keys = present_->batch();
  keys.clear();
  if (looks_.is_wanted()) {
    // Rows that only the target has may lie between; so many of them that the look is cut off mean
    // that most of it would be for nothing.
    const std::size_t rows_max = 4 * rows.rows() + 1000;
    CopyReader reader(keys, sql_->key_at().size());
    connection_.copy_out(opened(sql_->look(*chunk_, rows_max)), [&](std::string_view bytes) {
      reader.feed(bytes);
      return true;
    });
    reader.finish();
    looks_.found(keys.rows());
  }
  present_->index();
  present_->part(rows, parted_);
}

WriteReport PostgresTarget::write_around_rejects(const Batch& rows,
                                                 std::vector<RowReject>& rejects) {
  try {
    find_rejects(
        rows.rows(), [&](std::size_t first, std::size_t last) { write_rows(rows, first, last); },
        rejects);
    copy_accepted(rows, rejects, accepted_);
    return write_rows(accepted_, 0, accepted_.rows());
  } catch (const Error&) {
    rollback();
    throw;
  }
}

// Rows that are good one by one may not be so together, so each part is tried on top of those
// before it. Then the transaction begins anew.
void PostgresTarget::find_rejects(std::size_t rows, const WritePart& write,
                                  std::vector<RowReject>& rejects) {
  bisect(
      rows,
      [&](std::size_t first, std::size_t last) {
        connection_.command(opened("SAVEPOINT part"));
        const bool was_clean = stage_is_clean_;
        try {
          write(first, last);
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::reject) throw;
          connection_.command("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part");
          stage_is_clean_ = was_clean;
          throw;
        }
        connection_.command("RELEASE SAVEPOINT part");
      },
      rejects);
  reopen();
}

WriteReport PostgresTarget::write_rows(const Batch& rows, std::size_t first, std::size_t last) {
  const auto count = static_cast<std::int64_t>(last - first);
  if (count == 0) return {};
  if (sql_->goes_straight()) {
    connection_.copy_in(opened(sql_->copy_straight()), framed({rows.tuples(first, last)}));
    return {count, 0, {}};
  }
  stage_rows(rows, first, last);
  return write_staged(count);
}

void PostgresTarget::stage_rows(const Batch& rows, std::size_t first, std::size_t last) {
  if (!has_dynamic_) return stage({rows.tuples(first, last)});
  convert(rows, first, last);
  stage({converted_.tuples()});
}

void PostgresTarget::stage(const std::vector<std::string_view>& tuples) {
  const std::string clear = stage_is_clean_ ? "" : sql_->clear_stage() + "; ";
  stage_is_clean_ = false;
  connection_.copy_in(opened(clear) + sql_->copy_stage(), framed(tuples));
}

void PostgresTarget::convert(const Batch& rows, std::size_t first, std::size_t last) {
  converted_.clear();
  for (std::size_t row = first; row < last; ++row) {
    read_cells(rows.tuple(row), spec_.columns.size(), cells_);
    converted_.begin_tuple(static_cast<std::int16_t>(cells_.size()));
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (!spec_.columns[i].column.dynamic || cells_[i].is_null()) {
        converted_.append_cell(cells_[i]);
        continue;
      }
      try {
        converted_.append_field(cell_text(read_dynamic(cells_[i]), types_[i]));
      } catch (const Error& error) {
        throw error.within("column " + spec_.columns[i].target.name);
      }
    }
  }
}

WriteReport PostgresTarget::write_staged(std::int64_t rows) {
  if (sql_->is_guarded()) return update_guarded(rows);
  WriteReport report;
  report.written = connection_.query(sql_->write()).affected();
  report.unchanged = rows - report.written;
  return report;
}

// Rows that fill their chunk are met in one walk over the key's index, which takes a tenth less
// than finding each. Only where not all rows were written is it asked which ones, and why.
WriteReport PostgresTarget::update_guarded(std::int64_t rows) {
  const bool walks = 2 * rows >= chunk_->keys;
  WriteReport report;
  const std::string sql = walks ? by_walk + sql_->update_between(*chunk_) : sql_->write();
  report.written = connection_.query(sql).affected();
  if (report.written == rows) return report;
  const PgResult changed = connection_.query(by_lookup + sql_->changed_rows());
  std::int64_t by_us = 0;
  for (int row = 0; row < changed.rows(); ++row) {
    if (changed.boolean(row, 0)) {
      ++by_us;
    } else {
      report.conflicts.push_back(key_at(changed, row, 1));
    }
  }
  if (by_us > report.written) {
    throw Error(ErrorKind::stop,
                fmt::format("write to {}: {} rows of the batch were changed by the batch itself, "
                            "as by a trigger that updates other rows; run it without that trigger",
                            spec_.table, by_us - report.written));
  }
  report.unchanged = rows - report.written - static_cast<std::int64_t>(report.conflicts.size());
  return report;
}

// Where a plain insert does not tell what was read, the keys counted when the chunk was cut do,
// unless `where` leaves some out or not all were written; then they are counted again. Before the
// write, which may change what `where` says of them.
PushdownReport PostgresTarget::write_from_source(const Chunk& chunk) {
  const KeySql& key = pushdown_sql_->key();
  const std::string after = chunk.after ? key.literals(*chunk.after) : "";
  const std::string upto = key.literals(chunk.upto);
  const auto count = [&] {
    return connection_.query(opened(pushdown_sql_->count(after, upto))).integer(0, 0);
  };
  PushdownReport report;
  report.moment = moment_;
  RowCounts& rows = report.rows;
  try {
    if (const auto written = insert_all(after, upto)) {
      rows.read = rows.written = *written;
      report.wrote_all = true;
      return report;
    }
    if (!spec_.from->where.empty()) rows.read = count();
    rows.written = connection_.query(opened(pushdown_sql_->write(after, upto))).affected();
    if (spec_.from->where.empty()) rows.read = rows.written == chunk.keys ? chunk.keys : count();
  } catch (const Error&) {
    rollback();
    throw;
  }
  // Rows that came in between the two looks were written without being counted.
  rows.read = std::max(rows.read, rows.written);
  rows.unchanged = rows.read - rows.written;
  return report;
}

// INSERT … ON CONFLICT writes more WAL and twice the time of a plain one, so that is tried first
// wherever a look says that nothing is there.
std::optional<std::int64_t> PostgresTarget::insert_all(const std::string& after,
                                                       const std::string& upto) {
  if (spec_.mode == WriteMode::update || spec_.mode == WriteMode::insert) return std::nullopt;
  if (looks_.is_wanted()) {
    const PgResult found = connection_.query(opened(sql_->look_for_any(after, upto)));
    looks_.found(static_cast<std::size_t>(found.rows()));
    if (found.rows() != 0) return std::nullopt;
  }
  return straight(
      [&] { return connection_.query(opened(pushdown_sql_->insert(after, upto))).affected(); });
}

void PostgresTarget::lock(const std::vector<Key>& keys) {
  for (std::size_t first = 0; first < keys.size(); first += keys_per_statement) {
    const std::size_t last = std::min(keys.size(), first + keys_per_statement);
    connection_.query(opened("") + sql_->lock({keys.begin() + static_cast<std::ptrdiff_t>(first),
                                               keys.begin() + static_cast<std::ptrdiff_t>(last)}));
  }
}

void PostgresTarget::commit(const Chunk& chunk, const RowCounts& rows) {
  connection_.attempt(fmt::format("commit {} to {}", chunk.display(), spec_.table));
  if (!connection_.is_lost() && !connection_.in_transaction() && opening_.empty()) {
    throw Error(ErrorKind::stop, fmt::format("commit {} to {}: its transaction has ended already",
                                             chunk.display(), spec_.table));
  }
  try {
    std::string sql = opened("");
    if (spec_.ledger) {
      sql += record_sql(ledger_table(spec_.table), *spec_.ledger, chunk, rows) + "; ";
    }
    failpoint("target.before_commit");
    sql += "COMMIT";
    const bool asks = flushes_later_ || must_catch_up_;
    if (asks) sql += std::string("; ") + log_place_sql;
    const std::vector<PgResult> answers = connection_.query_all(sql);
    const std::string tag = answers.at(answers.size() - (asks ? 2 : 1)).tag();
    // COMMIT of a transaction that failed before is answered with ROLLBACK, not with an error.
    if (tag != "COMMIT") {
      throw Error(ErrorKind::stop, fmt::format("commit {} to {}: the server said {}",
                                               chunk.display(), spec_.table, tag));
    }
    if (asks) {
      unflushed_ = answers.back().text(0, 0);
      may_flush_later_ = answers.back().boolean(0, 1);
    }
    must_catch_up_ = false;
  } catch (const Error&) {
    rollback();
    throw;
  }
  failpoint("target.after_commit");
}

void PostgresTarget::wait_until_durable() {
  const std::string upto = std::exchange(unflushed_, "");
  if (upto.empty() || is_skipped("commit.flush")) return;
  connection_.attempt("wait until what was written to " + spec_.table + " is flushed");
  if (!may_flush_later_) return flush_log(connection_);
  others_flushes_.came(wait_for_flush(connection_, upto));
}

void PostgresTarget::rollback() noexcept {
  opening_.clear();
  chunk_.reset();
  may_look_ = false;
  try {
    if (connection_.in_transaction()) connection_.command("ROLLBACK");
  } catch (const std::exception&) {
    // A transaction on a lost connection is rolled back by the server.
  }
  stage_is_clean_ = true;
}

std::optional<RowCounts> PostgresTarget::recorded(const Chunk& chunk) {
  if (!spec_.ledger) return std::nullopt;
  connection_.attempt(fmt::format("look {} up in the ledger", chunk.display()));
  wait_for_batches(connection_, job_);
  auto found = find_in_ledger(connection_, ledger_table(spec_.table), *spec_.ledger, chunk);
  if (found) flush_log(connection_);
  return found;
}

std::vector<Statement> PostgresTarget::statements() const {
  if (pushdown_sql_) return {{"write a chunk", pushdown_sql_->write("$after", "$upto")}};
  if (sql_->goes_straight()) return {{"write a batch", sql_->copy_straight()}};
  std::vector<Statement> statements;
  if (sql_->may_go_straight()) {
    statements.push_back(
        {"look which keys of a chunk are there", sql_->look("$after", "$upto", "$rows")});
    statements.push_back({"write rows whose keys are not there", sql_->copy_straight()});
  }
  statements.push_back({"make the stage", sql_->create_stage()});
  statements.push_back({"stage a batch", sql_->copy_stage()});
  statements.push_back({"write a batch", sql_->write()});
  return statements;
}

}  // namespace backfill
