#include "sqlite/source.h"

#include <utility>

#include "core/sql.h"
#include "sqlite/cell.h"
#include "sqlite/literal.h"

namespace backfill {
namespace {

std::string parameters(std::size_t count) {
  return "(" + join(std::vector<std::string>(count, "?"), ", ") + ")";
}

}  // namespace

SqliteSource::SqliteSource(std::string path, ReadSpec spec)
    : spec_(std::move(spec)), connection_(std::move(path), SqliteConnection::Mode::read_only) {
  prepare_all();
}

void SqliteSource::prepare_all() {
  sql_.emplace(spec_, key_path(connection_, spec_.table, spec_.key));
  const auto prepare_range = [this](std::string (SqliteSource::*sql)(bool) const) {
    return RangeStatements(connection_, key_columns(), [this, sql](bool has_lower_bound) {
      return (this->*sql)(has_lower_bound);
    });
  };
  statements_.emplace(
      Statements{prepare_range(&SqliteSource::cut_sql), prepare_range(&SqliteSource::cut_rest_sql),
                 prepare_range(&SqliteSource::read_sql), connection_.prepare(read_key_sql()),
                 connection_.prepare(last_key_sql()), connection_.prepare("PRAGMA data_version")});
}

// Another value whenever another connection has committed to the file.
std::string SqliteSource::moment() {
  SqliteStatement& statement = statements_->moment;
  const ResetAtEnd reset(statement);
  statement.step();
  return std::to_string(statement.integer(0));
}

bool SqliteSource::may_have_changed(const Chunk&, const std::string& since,
                                    std::optional<std::int64_t>) {
  return moment() != since;
}

std::optional<Key> SqliteSource::last_key() {
  SqliteStatement& statement = statements_->last_key;
  const ResetAtEnd reset(statement);
  if (!statement.step()) return std::nullopt;
  return read_key(statement, key_columns());
}

std::optional<Source::Cut> SqliteSource::cut(const std::optional<Key>& after, const Key& end,
                                             std::int64_t keys) {
  if (keys < 1)
    throw Error(ErrorKind::stop, "cut a chunk of " + std::to_string(keys) + " keys: at least 1");
  std::optional<Cut> found;
  {
    SqliteStatement& statement = statements_->cut.bind(after, end);
    const ResetAtEnd reset(statement);
    statement.bind_integer(statements_->cut.next_parameter(after), keys - 1);
    if (statement.step()) found = Cut{read_key(statement, key_columns()), keys};
  }
  if (!found) found = cut_rest(after, end, keys);
  // Only a broken index or collation can do this; without the check the run would never end.
  if (found && after && found->upto == *after)
    throw Error(ErrorKind::stop, "find the end of a chunk of " + spec_.table + " after " +
                                     after->display() +
                                     ": the same key came back; check with PRAGMA integrity_check");
  return found;
}

// Fewer keys are left than were asked for, so a walk over them is no more than a chunk.
std::optional<Source::Cut> SqliteSource::cut_rest(const std::optional<Key>& after, const Key& end,
                                                  std::int64_t keys) {
  SqliteStatement& statement = statements_->cut_rest.bind(after, end);
  const ResetAtEnd reset(statement);
  statement.bind_integer(statements_->cut_rest.next_parameter(after), keys);
  std::optional<Cut> found;
  std::int64_t count = 0;
  while (statement.step()) found = Cut{read_key(statement, key_columns()), ++count};
  return found;
}

void SqliteSource::read_row(const SqliteStatement& statement, Batch& batch) const {
  batch.begin_tuple(static_cast<std::int16_t>(spec_.columns.size()));
  for (int column = 0; column < statement.columns(); ++column)
    append_value(statement, column, batch);
  if (batch.bytes() <= spec_.bytes_max || batch.rows() == 1) return;
  const std::size_t rows = batch.rows();
  batch.clear();
  throw Error(ErrorKind::too_large, "read from " + spec_.table + ": " + std::to_string(rows) +
                                        " rows are more than the batch's " +
                                        std::to_string(spec_.bytes_max) + " bytes");
}

void SqliteSource::read(const Chunk& chunk, Batch& batch) {
  batch.clear();
  SqliteStatement& statement = statements_->read.bind(chunk.after, chunk.upto);
  const ResetAtEnd reset(statement);
  while (statement.step()) read_row(statement, batch);
}

void SqliteSource::read_keys(const std::vector<Key>& keys, Batch& batch) {
  batch.clear();
  SqliteStatement& statement = statements_->read_key;
  for (const Key& key : keys) {
    const ResetAtEnd reset(statement);
    bind_key(statement, 1, key, key_columns());
    while (statement.step()) read_row(statement, batch);
  }
}

std::vector<Key> SqliteSource::in_key_order(std::vector<Key> keys) {
  if (keys.size() < 2) return keys;
  std::vector<std::string> columns, order;
  for (std::size_t i = 0; i < spec_.key.size(); ++i) {
    columns.push_back("k" + std::to_string(i));
    const std::string& collation = spec_.key[i].collation;
    order.push_back(columns.back() + (collation.empty() ? "" : " COLLATE " + collation));
  }
  // A temporary table has room for more keys than a statement has for parameters.
  connection_.execute("DROP TABLE IF EXISTS temp.key_to_sort; CREATE TEMP TABLE key_to_sort (" +
                      join(columns, ", ") + ", place)");
  auto insert =
      connection_.prepare("INSERT INTO temp.key_to_sort VALUES " + parameters(columns.size() + 1));
  for (std::size_t place = 0; place < keys.size(); ++place) {
    bind_key(insert, 1, keys[place], columns.size());
    insert.bind_integer(static_cast<int>(columns.size()) + 1, static_cast<std::int64_t>(place));
    insert.run();
  }
  auto sorted =
      connection_.prepare("SELECT place FROM temp.key_to_sort ORDER BY " + join(order, ", "));
  std::vector<Key> in_order;
  while (sorted.step()) {
    const auto place = static_cast<std::size_t>(sorted.integer(0));
    in_order.push_back(std::move(keys.at(place)));
  }
  return in_order;
}

std::string SqliteSource::from() const { return " FROM " + sql_->key().from + " WHERE "; }

std::string SqliteSource::cut_sql(bool has_lower_bound) const {
  return keys_sql(has_lower_bound) + " LIMIT 1 OFFSET ?";
}

std::string SqliteSource::cut_rest_sql(bool has_lower_bound) const {
  return keys_sql(has_lower_bound) + " LIMIT ?";
}

std::string SqliteSource::keys_sql(bool has_lower_bound) const {
  return "SELECT " + join(sql_->key().terms, ", ") + from() + sql_->range(has_lower_bound) +
         sql_->order_by();
}

std::string SqliteSource::read_sql(bool has_lower_bound) const {
  return "SELECT " + join(sql_->items(), ", ") + from() + sql_->wanted(has_lower_bound) +
         sql_->order_by();
}

std::string SqliteSource::read_key_sql() const {
  return "SELECT " + join(sql_->items(), ", ") + from() + sql_->is_key() + sql_->and_where();
}

std::string SqliteSource::last_key_sql() const {
  return "SELECT " + join(sql_->key().terms, ", ") + " FROM " + sql_->key().from +
         sql_->order_by(" DESC") + " LIMIT 1";
}

std::vector<Statement> SqliteSource::statements() const {
  return {{"find the last key", last_key_sql()},
          {"find the end of a chunk", cut_sql(true)},
          {"read a chunk", read_sql(true)},
          {"read rows again by key", read_key_sql()}};
}

void SqliteSource::reconnect() {
  statements_.reset();
  connection_.reopen();
  prepare_all();
}

void SqliteSource::cancel() noexcept { connection_.interrupt(); }

}  // namespace backfill
