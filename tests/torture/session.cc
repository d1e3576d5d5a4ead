#include "torture/session.h"

#include <string_view>
#include <utility>

namespace backfill {
namespace {

using Result = std::unique_ptr<PGresult, void (*)(PGresult*)>;

bool is_shutdown(std::string_view sqlstate) {
  return sqlstate.starts_with("57P") || sqlstate.starts_with("08");
}

}  // namespace

Session::Session(std::string url, std::string isolation)
    : url_(std::move(url)), isolation_(std::move(isolation)) {}

void Session::connect() {
  connection_.reset(PQconnectdb(url_.c_str()));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    const std::string why = PQerrorMessage(connection_.get());
    connection_.reset();
    throw SessionLost(why);
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  query("SET application_name = 'application'; SET default_transaction_isolation = '" + isolation_ +
        "'");
}

std::vector<Session::Row> Session::query(const std::string& sql) {
  if (!connection_) connect();
  const Result result(PQexec(connection_.get(), sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    const char* field = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const std::string sqlstate = field == nullptr ? "" : field;
    const std::string why = sql + ": " + PQerrorMessage(connection_.get());
    if (PQstatus(connection_.get()) != CONNECTION_OK || is_shutdown(sqlstate)) {
      connection_.reset();
      throw SessionLost(why);
    }
    if (sqlstate == "40001" || sqlstate == "40P01") throw SerializationFailure(why);
    throw std::runtime_error(why);
  }
  std::vector<Row> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    Row& cells = rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      cells.emplace_back(PQgetvalue(result.get(), row, column));
    }
  }
  return rows;
}

std::string Session::value(const std::string& sql) {
  const std::vector<Row> rows = query(sql);
  return rows.empty() ? "" : rows.front().front();
}

void Session::rollback() { query("ROLLBACK"); }

}  // namespace backfill
