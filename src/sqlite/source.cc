#include "sqlite/source.h"

#include <utility>

#include "core/sql.h"
#include "sqlite/cell.h"
#include "sqlite/literal.h"

namespace backfill {
namespace {

// `(a, b)`, or just `a`: SQLite takes a row value of one column for a parenthesis.
std::string row_value(const std::vector<std::string>& terms) {
  return "(" + join(terms, ", ") + ")";
}

std::string parameters(std::size_t count) {
  return row_value(std::vector<std::string>(count, "?"));
}

}  // namespace

SqliteSource::SqliteSource(std::string path, ReadSpec spec)
    : spec_(std::move(spec)), connection_(std::move(path), SqliteConnection::Mode::read_only) {
  key_ = key_path(connection_, spec_.table, spec_.key);
  statements_.emplace(prepare_all());
}

SqliteSource::Statements SqliteSource::prepare_all() {
  const auto prepare_range = [this](std::string (SqliteSource::*sql)(bool) const) {
    return RangeStatements{connection_.prepare((this->*sql)(true)),
                           connection_.prepare((this->*sql)(false))};
  };
  return Statements{prepare_range(&SqliteSource::cut_sql),
                    prepare_range(&SqliteSource::cut_rest_sql),
                    prepare_range(&SqliteSource::read_sql), connection_.prepare(read_key_sql()),
                    connection_.prepare(last_key_sql())};
}

std::optional<Key> SqliteSource::last_key() {
  SqliteStatement& statement = statements_->last_key;
  const ResetAtEnd reset(statement);
  if (!statement.step()) return std::nullopt;
  return read_key(statement, key_.terms.size());
}

SqliteStatement& SqliteSource::bind_range(RangeStatements& statements,
                                          const std::optional<Key>& after, const Key& upto,
                                          int& next_parameter) {
  const std::size_t width = key_.terms.size();
  SqliteStatement& statement = after ? statements.bounded : statements.first;
  next_parameter = 1;
  if (after) {
    bind_key(statement, next_parameter, *after, width);
    next_parameter += static_cast<int>(width);
  }
  bind_key(statement, next_parameter, upto, width);
  next_parameter += static_cast<int>(width);
  return statement;
}

std::optional<Source::Cut> SqliteSource::cut(const std::optional<Key>& after, const Key& end,
                                             std::int64_t keys) {
  if (keys < 1)
    throw Error(ErrorKind::stop, "cut a chunk of " + std::to_string(keys) + " keys: at least 1");
  std::optional<Cut> found;
  {
    int next = 0;
    SqliteStatement& statement = bind_range(statements_->cut, after, end, next);
    const ResetAtEnd reset(statement);
    statement.bind_integer(next, keys - 1);
    if (statement.step()) found = Cut{read_key(statement, key_.terms.size()), keys};
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
  int next = 0;
  SqliteStatement& statement = bind_range(statements_->cut_rest, after, end, next);
  const ResetAtEnd reset(statement);
  statement.bind_integer(next, keys);
  std::optional<Cut> found;
  std::int64_t count = 0;
  while (statement.step()) found = Cut{read_key(statement, key_.terms.size()), ++count};
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
  int next = 0;
  SqliteStatement& statement = bind_range(statements_->read, chunk.after, chunk.upto, next);
  const ResetAtEnd reset(statement);
  while (statement.step()) read_row(statement, batch);
}

void SqliteSource::read_keys(const std::vector<Key>& keys, Batch& batch) {
  batch.clear();
  SqliteStatement& statement = statements_->read_key;
  for (const Key& key : keys) {
    const ResetAtEnd reset(statement);
    bind_key(statement, 1, key, key_.terms.size());
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

std::string SqliteSource::select_items() const {
  std::vector<std::string> items;
  for (const ReadColumn& column : spec_.columns)
    items.push_back(column.expression.empty() ? quote_identifier(column.column.name)
                                              : "(" + column.expression + "\n)");
  return join(items, ", ");
}

std::string SqliteSource::range(bool has_lower_bound) const {
  const std::string key = row_value(key_.terms);
  const std::string bound = parameters(key_.terms.size());
  const std::string upper = key + " <= " + bound;
  return has_lower_bound ? key + " > " + bound + " AND " + upper : upper;
}

std::string SqliteSource::key_order(const std::string& direction) const {
  return " ORDER BY " + join(key_.terms, direction + ", ") + direction;
}

std::string SqliteSource::and_where() const {
  return spec_.where.empty() ? "" : " AND (" + spec_.where + "\n)";
}

std::string SqliteSource::cut_sql(bool has_lower_bound) const {
  return keys_sql(has_lower_bound) + " LIMIT 1 OFFSET ?";
}

std::string SqliteSource::cut_rest_sql(bool has_lower_bound) const {
  return keys_sql(has_lower_bound) + " LIMIT ?";
}

std::string SqliteSource::keys_sql(bool has_lower_bound) const {
  return "SELECT " + join(key_.terms, ", ") + " FROM " + key_.from + " WHERE " +
         range(has_lower_bound) + key_order("");
}

std::string SqliteSource::read_sql(bool has_lower_bound) const {
  return "SELECT " + select_items() + " FROM " + key_.from + " WHERE " + range(has_lower_bound) +
         and_where() + key_order("");
}

std::string SqliteSource::read_key_sql() const {
  return "SELECT " + select_items() + " FROM " + key_.from + " WHERE " + row_value(key_.terms) +
         " = " + parameters(key_.terms.size()) + and_where();
}

std::string SqliteSource::last_key_sql() const {
  return "SELECT " + join(key_.terms, ", ") + " FROM " + key_.from + key_order(" DESC") +
         " LIMIT 1";
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
  key_ = key_path(connection_, spec_.table, spec_.key);
  statements_.emplace(prepare_all());
}

void SqliteSource::cancel() noexcept { connection_.interrupt(); }

}  // namespace backfill
