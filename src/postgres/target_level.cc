// How a PostgresTarget tells the rows of its transactions from others', and levels them.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/bisect.h"
#include "postgres/flush.h"
#include "postgres/target.h"

namespace backfill {
namespace {

constexpr const char* invalid_parameter = "22023";

// The rows of the range meet the stage as a whole.
constexpr const char* by_hash =
    "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; "
    "SET LOCAL enable_nestloop = off; ";

// A transaction, and the server that gave it its number.
std::string mark_of(std::uint64_t transaction, const std::string& server) {
  return std::to_string(transaction) + "@" + server;
}

std::uint64_t transaction_of(const std::string& mark) {
  std::uint64_t transaction = 0;
  const std::size_t at = std::min(mark.find('@'), mark.size());
  const auto result = std::from_chars(mark.data(), mark.data() + at, transaction);
  if (result.ec == std::errc() && result.ptr == mark.data() + at) return transaction;
  throw Error(ErrorKind::stop, "the checkpoint has a batch in doubt whose mark is none: " + mark);
}

// As a row shows the number of its transaction.
std::string short_number(const std::string& mark) {
  return std::to_string(transaction_of(mark) & UINT32_MAX);
}

}  // namespace

std::string PostgresTarget::mark() {
  if (mark_.empty()) {
    const PgResult begun = connection_.query(
        opened("SELECT pg_catalog.pg_current_xact_id(), pg_catalog.pg_current_snapshot()"));
    mark_ = mark_of(static_cast<std::uint64_t>(begun.integer(0, 0)), connection_.server());
    moment_ = begun.text(0, 1);
    own_->add(connection_.server(), transaction_of(mark_));
  }
  return mark_;
}

LevelReport PostgresTarget::level(const Chunk& chunk, const std::string& mark, const Batch& rows) {
  rollback();
  connection_.attempt(fmt::format("level {} in {}", chunk.display(), spec_.table));
  LevelReport report;
  try {
    make_stage();
    open(chunk);
    try {
      report.updated = level_rows(mark, rows);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::reject) throw;
      reopen();
      find_rejects(
          rows.rows(),
          [&](std::size_t first, std::size_t last) {
            stage_rows(rows, first, last);
            connection_.query(sql_->level_update(short_number(mark)));
          },
          report.rejects);
      copy_accepted(rows, report.rejects, accepted_);
      report.updated = level_rows(mark, accepted_);
    }
    if (spec_.mode != WriteMode::update) {
      report.deleted =
          connection_.query(by_hash + sql_->level_delete(short_number(mark), chunk)).affected();
    }
    connection_.command("COMMIT");
  } catch (const Error&) {
    rollback();
    throw;
  }
  return report;
}

// A number that was given out just before a crash, and not used in what was saved, is given out
// again.
Fate PostgresTarget::fate(const std::string& mark) {
  connection_.attempt("ask what became of transaction " + mark);
  std::string status;
  try {
    status = connection_
                 .query(fmt::format("SELECT pg_catalog.pg_xact_status('{}'::xid8)",
                                    transaction_of(mark)))
                 .text(0, 0);
  } catch (const Error& error) {
    if (error.code() != invalid_parameter) throw;
    return Fate::aborted;  // still to come on this server
  }
  if (status == "in progress") {
    throw Error(ErrorKind::retry,
                fmt::format("write to {}: transaction {} of this job, whose process or connection "
                            "is gone, has not ended yet",
                            spec_.table, transaction_of(mark)));
  }
  if (status == "aborted") return Fate::aborted;
  flush_log(connection_);  // it may have left that to others
  return mark == mark_of(transaction_of(mark), connection_.server()) ? Fate::committed
                                                                     : Fate::unknown;
}

std::int64_t PostgresTarget::level_rows(const std::string& mark, const Batch& rows) {
  stage_rows(rows, 0, rows.rows());
  const std::string sql = sql_->level_update(short_number(mark));
  return sql.empty() ? 0 : connection_.query(sql).affected();
}

}  // namespace backfill
