// How a PostgresTarget compares rows with what is there, and takes out those that should not be.

#include <algorithm>

#include "postgres/key_sql.h"
#include "postgres/target.h"

namespace backfill {
namespace {

// One statement's worth of keys: bounds the length of its text.
constexpr std::size_t keys_per_statement = 1000;

// Both ranges meet as a whole.
constexpr const char* by_range =
    "BEGIN READ ONLY; SET LOCAL enable_mergejoin = on; SET LOCAL enable_hashjoin = on; "
    "SET LOCAL enable_nestloop = off; ";

}  // namespace

// No fence: nothing is written.
std::vector<RowDifference> PostgresTarget::compare(const Batch& rows) {
  rollback();
  connection_.attempt("compare rows with " + spec_.table);
  if (rows.empty()) return {};
  const std::vector<std::size_t> values = sql_->values();
  std::vector<RowDifference> differences;
  try {
    make_stage();
    opening_ = "BEGIN ISOLATION LEVEL READ COMMITTED; ";
    stage_rows(rows, 0, rows.rows());
    const PgResult found = connection_.query(sql_->compare());
    for (int row = 0; row < found.rows(); ++row) {
      RowDifference difference{
          static_cast<std::size_t>(found.integer(row, 0)), found.boolean(row, 1), {}};
      for (std::size_t i = 0; i < values.size() && !difference.is_missing; ++i) {
        if (found.boolean(row, static_cast<int>(i) + 2))
          difference.columns.push_back(static_cast<int>(values[i]));
      }
      differences.push_back(std::move(difference));
    }
  } catch (const Error&) {
    rollback();
    throw;
  }
  rollback();
  return differences;
}

std::optional<ChunkComparison> PostgresTarget::compare_with_source(const Chunk& chunk) {
  if (!pushdown_sql_) return std::nullopt;
  rollback();
  connection_.attempt("compare " + chunk.display() + " of " + spec_.table);
  const KeySql& key = pushdown_sql_->key();
  const std::string after = chunk.after ? key.literals(*chunk.after) : "";
  ChunkComparison found;
  try {
    const PgResult row = connection_.query(
        by_range + pushdown_sql_->compare(after, key.literals(chunk.upto), chunk));
    found = {row.integer(0, 0), row.integer(0, 1), row.integer(0, 2)};
  } catch (const Error&) {
    rollback();
    throw;
  }
  rollback();
  return found;
}

std::int64_t PostgresTarget::remove(const std::vector<Key>& keys) {
  connection_.attempt("delete rows of " + spec_.table);
  std::int64_t removed = 0;
  try {
    for (std::size_t first = 0; first < keys.size(); first += keys_per_statement) {
      const std::size_t last = std::min(keys.size(), first + keys_per_statement);
      const std::vector<Key> some(keys.begin() + static_cast<std::ptrdiff_t>(first),
                                  keys.begin() + static_cast<std::ptrdiff_t>(last));
      removed += connection_.query(opened(sql_->remove(some))).affected();
    }
  } catch (const Error&) {
    rollback();
    throw;
  }
  return removed;
}

}  // namespace backfill
