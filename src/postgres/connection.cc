#include "postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "postgres/connect_words.h"
#include "postgres/fence.h"
#include "postgres/sqlstate.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// After cancel() a server that does not answer is given up on; before a stop would lose patience.
constexpr milliseconds cancel_patience{3000};
constexpr milliseconds silence_slack_min{5'000};
constexpr milliseconds silence_slack_max{30'000};
constexpr std::string_view connection_lost = "08006";

std::int64_t now_ns() { return steady_clock::now().time_since_epoch().count(); }

// What to do about a connection that was refused.
std::string advice(std::string_view code, const std::string& role) {
  if (code == "28P01") return "check PGPASSWORD, PGPASSFILE or the service file";
  if (code == connection_lost) return "start the server, or mend the URL of the " + role;
  return "check user and database in the URL of the " + role + ", and what pg_hba.conf allows";
}

// As libpq wants them; valid as long as the parameters are.
std::vector<const char*> texts(const PgParameters& parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  return values;
}

void drop_notice(void*, const PGresult*) {}

// Whether the user chose settings: in the URL, a service file or PGOPTIONS.
bool has_options(PGconn* connection) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> all(PQconninfo(connection),
                                                                           PQconninfoFree);
  for (const PQconninfoOption* each = all.get(); each && each->keyword; ++each) {
    if (std::string_view(each->keyword) == "options") return each->val && *each->val != '\0';
  }
  return true;  // not known
}

std::string field(const PGresult* result, int code) {
  const char* text = result ? PQresultErrorField(result, code) : nullptr;
  return text ? one_line(text) : "";
}

}  // namespace

void PgResult::clear(pg_result* result) { PQclear(result); }
int PgResult::rows() const { return PQntuples(result_.get()); }
int PgResult::columns() const { return PQnfields(result_.get()); }
bool PgResult::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}
std::string_view PgResult::view(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::int64_t PgResult::integer(int row, int column) const {
  const std::string_view digits = view(row, column);
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
std::int64_t PgResult::affected() const { return std::atoll(PQcmdTuples(result_.get())); }
std::string PgResult::tag() const { return PQcmdStatus(result_.get()); }
std::string PgResult::column_name(int column) const { return PQfname(result_.get(), column); }
std::uint32_t PgResult::column_type(int column) const { return PQftype(result_.get(), column); }
int PgResult::column_modifier(int column) const { return PQfmod(result_.get(), column); }

PgConnection::PgConnection(std::string url, std::string job, std::string role, PgSession session)
    : url_(std::move(url)), job_(std::move(job)), role_(std::move(role)), session_(session) {
  connect();
}

PgConnection::~PgConnection() { disconnect(); }

void PgConnection::reconnect() {
  disconnect();
  connect();
}

void PgConnection::connect() {
  const std::string application_name = "backfill:" + job_;
  attempt_ = fmt::format("connect to the {} ({})", role_, describe_url(url_));
  const ConnectWords words = connect_words(url_, application_name);
  PGconn* made = PQconnectdbParams(words.keywords.data(), words.values.data(), 1);
  if (!made) throw Error(ErrorKind::stop, attempt_ + ": out of memory");
  if (PQstatus(made) != CONNECTION_OK) {
    const std::string words_of_server = without_secrets(one_line(PQerrorMessage(made)), url_);
    const bool lacks_password = PQconnectionNeedsPassword(made) != 0;
    PQfinish(made);
    std::string code = lacks_password ? "28P01" : refusal_sqlstate(words);
    if (code.empty()) code = connection_lost;
    throw Error(kind_of_sqlstate(code),
                fmt::format("{}: {} (SQLSTATE {}); {}", attempt_, words_of_server, code,
                            advice(code, role_)),
                code);
  }
  PQsetNoticeReceiver(made, drop_notice, nullptr);
  PQsetnonblocking(made, 1);
  connection_ = made;
  {
    const std::lock_guard lock(cancel_mutex_);
    cancel_.reset(PQgetCancel(made), PQfreeCancel);
  }
  set_up_session();
}

void PgConnection::disconnect() noexcept {
  {
    const std::lock_guard lock(cancel_mutex_);
    cancel_.reset();
    cancelling_ = {};
  }
  PQfinish(connection_);
  connection_ = nullptr;
  prepared_.clear();
}

// One round trip sets what this server's version knows. What the user chose in the URL's
// `options` stays, except where values would change their text form or rows could be hidden.
void PgConnection::set_up_session() {
  std::string chosen;
  if (has_options(connection_)) {
    chosen =
        " AND (v.must OR NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE s.name "
        "OPERATOR(pg_catalog.=) v.name AND s.source OPERATOR(pg_catalog.=) 'client'))";
  }
  query(fmt::format(
      "SELECT pg_catalog.set_config(v.name, v.value, false) FROM (VALUES "
      "('TimeZone', 'UTC', true), ('DateStyle', 'ISO, YMD', true), "
      "('IntervalStyle', 'postgres', true), ('extra_float_digits', '1', true), "
      "('bytea_output', 'hex', true), ('standard_conforming_strings', 'on', true), "
      "('row_security', 'off', true), {}"
      // What the checkpoint calls done must outlive a crash of the server.
      "('synchronous_commit', CASE WHEN pg_catalog.current_setting('synchronous_commit') "
      "OPERATOR(pg_catalog.=) 'off' THEN 'local' ELSE "
      "pg_catalog.current_setting('synchronous_commit') END, true), "
      "('jit', 'off', false), ('max_parallel_workers_per_gather', '0', false), "
      "('lock_timeout', '2s', false), ('statement_timeout', '{}ms', false), "
      "('idle_in_transaction_session_timeout', '60s', false), "
      // A batch of a machine that is gone must not hold its locks for hours.
      "('tcp_keepalives_idle', '15', false), ('tcp_keepalives_interval', '5', false), "
      "('tcp_keepalives_count', '4', false), ('tcp_user_timeout', '40s', false), "
      "('idle_session_timeout', '0', false)) AS v(name, value, must) "
      "WHERE pg_catalog.current_setting(v.name, true) IS NOT NULL{}",
      session_.read_only ? "('default_transaction_read_only', 'on', true), " : "",
      session_.statement_timeout.count(), chosen));
  const PgResult now = query(
      "SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time()), (extract(epoch FROM "
      "pg_catalog.current_setting('statement_timeout')::pg_catalog.interval) "
      "OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8");
  server_ = now.text(0, 0);
  const milliseconds statement_timeout{now.integer(0, 1)};
  // Without a statement timeout only the kernel's keepalives tell a dead network.
  silence_max_.reset();
  if (statement_timeout.count() > 0) {
    silence_max_ =
        statement_timeout + std::clamp(statement_timeout / 2, silence_slack_min, silence_slack_max);
  }
  attempt_ = "query the " + role_;
}

int PgConnection::server_version() const { return connection_ ? PQserverVersion(connection_) : 0; }

std::int64_t PgConnection::announced_session() const { return PQbackendPID(connection_); }

bool PgConnection::in_transaction() const {
  if (is_lost()) return false;
  return PQtransactionStatus(connection_) != PQTRANS_IDLE;
}

bool PgConnection::is_lost() const {
  return !connection_ || PQstatus(connection_) != CONNECTION_OK;
}

void PgConnection::begin_call() {
  cancelled_at_ = 0;
  heard_at_ = steady_clock::now();
  if (is_lost()) {
    throw Error(ErrorKind::retry, attempt_ + ": the connection is lost (SQLSTATE 08003)", "08003");
  }
}

PgResult PgConnection::query(const std::string& sql) {
  begin_call();
  if (!PQsendQuery(connection_, sql.c_str())) fail(nullptr);
  return last_result();
}

std::vector<PgResult> PgConnection::query_all(const std::string& sql) {
  begin_call();
  if (!PQsendQuery(connection_, sql.c_str())) fail(nullptr);
  std::vector<PgResult> all;
  while (PGresult* next = next_result()) all.emplace_back(next);
  if (all.empty()) fail(nullptr);
  return all;
}

PgResult PgConnection::query(const std::string& sql, const PgParameters& parameters) {
  begin_call();
  const std::vector<const char*> values = texts(parameters);
  if (!PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                         values.data(), nullptr, nullptr, 0)) {
    fail(nullptr);
  }
  return last_result();
}

PgResult PgConnection::query_prepared(const std::string& sql, const PgParameters& parameters) {
  begin_call();
  auto found = prepared_.find(sql);
  if (found == prepared_.end()) {
    const std::string name = "backfill_" + std::to_string(prepared_.size());
    if (!PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr)) fail(nullptr);
    last_result();
    found = prepared_.emplace(sql, name).first;
  }
  const std::vector<const char*> values = texts(parameters);
  if (!PQsendQueryPrepared(connection_, found->second.c_str(), static_cast<int>(values.size()),
                           values.data(), nullptr, nullptr, 0)) {
    fail(nullptr);
  }
  return last_result();
}

bool PgConnection::copy_out(const std::string& sql,
                            const std::function<bool(std::string_view)>& take) {
  begin_call();
  if (!PQsendQuery(connection_, sql.c_str())) fail(nullptr);
  await_copy(PGRES_COPY_OUT);
  while (true) {
    char* bytes = nullptr;
    const int length = PQgetCopyData(connection_, &bytes, 1);
    if (length == 0) {
      wait_until_readable();
      continue;
    }
    if (length < 0) break;
    const std::unique_ptr<char, void (*)(void*)> freed(bytes, PQfreemem);
    try {
      if (!take({bytes, static_cast<std::size_t>(length)})) {
        cancel_and_drain();
        return false;
      }
    } catch (...) {
      cancel_and_drain();
      throw;
    }
  }
  last_result();
  return true;
}

std::int64_t PgConnection::copy_in(const std::string& sql,
                                   const std::vector<std::string_view>& pieces) {
  constexpr std::size_t message_bytes = 256 << 10;
  begin_call();
  if (!PQsendQuery(connection_, sql.c_str())) fail(nullptr);
  await_copy(PGRES_COPY_IN);
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const std::string_view message = piece.substr(0, message_bytes);
      if (PQputCopyData(connection_, message.data(), static_cast<int>(message.size())) < 0) {
        fail(nullptr);
      }
      flush();
      piece.remove_prefix(message.size());
    }
  }
  if (PQputCopyEnd(connection_, nullptr) < 0) fail(nullptr);
  return last_result().affected();
}

void PgConnection::flush() {
  while (true) {
    const int left = PQflush(connection_);
    if (left < 0) fail(nullptr);
    if (left == 0) return;
    wait_for(POLLIN | POLLOUT);
    // A server that has something to say may not read on before it is heard.
    if (!PQconsumeInput(connection_)) fail(nullptr);
  }
}

void PgConnection::wait_until_readable() {
  wait_for(POLLIN);
  if (!PQconsumeInput(connection_)) fail(nullptr);
  heard_at_ = steady_clock::now();
}

void PgConnection::wait_for(short events) {
  while (true) {
    pollfd socket{PQsocket(connection_), events, 0};
    const int ready = poll(&socket, 1, 500);
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail(nullptr);
    const std::int64_t cancelled_at = cancelled_at_;
    if (cancelled_at != 0 &&
        now_ns() - cancelled_at > std::chrono::nanoseconds(cancel_patience).count()) {
      disconnect();
      throw Error(ErrorKind::cancelled, attempt_ + ": cancelled; the server did not answer");
    }
    if (silence_max_ && steady_clock::now() - heard_at_ > *silence_max_) {
      disconnect();
      throw Error(ErrorKind::retry,
                  fmt::format("{}: no word from the server for {} s (SQLSTATE {})", attempt_,
                              silence_max_->count() / 1000, connection_lost),
                  std::string(connection_lost));
    }
  }
}

// The next result, or null when the statement is done. Before an error is thrown the rest is
// read, so that the connection is ready for more.
pg_result* PgConnection::next_result() {
  flush();
  while (PQisBusy(connection_)) wait_until_readable();
  PGresult* result = PQgetResult(connection_);
  const ExecStatusType status = PQresultStatus(result);
  const bool failed = result && (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE);
  if (!failed) return result;
  const PgResult error(result);
  while (PGresult* rest = PQgetResult(connection_)) PQclear(rest);
  fail(result);
}

// Passes over the answers to statements that stand before the COPY.
void PgConnection::await_copy(int state) {
  while (true) {
    const PgResult result(next_result());
    if (!result.get()) fail(nullptr);
    if (PQresultStatus(result.get()) == state) return;
  }
}

PgResult PgConnection::last_result() {
  PGresult* last = next_result();
  if (!last) fail(nullptr);
  while (true) {
    PgResult kept(last);
    PGresult* next = next_result();
    if (!next) return kept;
    last = next;
  }
}

// Ends a COPY TO STDOUT early. Whether it still ran to its end or was cancelled does not matter.
void PgConnection::cancel_and_drain() noexcept {
  // A request that arrives late would end the next statement.
  const std::shared_future<void> request = request_cancel();
  if (request.valid() && request.wait_for(cancel_patience) != std::future_status::ready) {
    disconnect();
    return;
  }
  try {
    while (true) {
      char* bytes = nullptr;
      const int length = PQgetCopyData(connection_, &bytes, 1);
      PQfreemem(bytes);
      if (length < 0) break;
      if (length == 0) wait_until_readable();
    }
    last_result();
  } catch (const Error&) {
    // The cancelled statement's own error; a lost connection shows at the next call.
  }
}

// libpq's call has no time limit, and a network that swallows what is sent would hold its caller
// for ever: it gets a thread that may be left behind. One at a time.
std::shared_future<void> PgConnection::request_cancel() noexcept {
  const std::lock_guard lock(cancel_mutex_);
  const bool under_way =
      cancelling_.valid() && cancelling_.wait_for(milliseconds(0)) != std::future_status::ready;
  if (under_way || !cancel_) return cancelling_;
  try {
    std::packaged_task<void()> request([cancel = cancel_] {
      char message[256];
      PQcancel(cancel.get(), message, sizeof message);
    });
    cancelling_ = request.get_future().share();
    std::thread(std::move(request)).detach();
  } catch (const std::exception&) {
    // No thread to be had: the patience of those who wait ends the call.
    cancelling_ = {};
  }
  return cancelling_;
}

void PgConnection::cancel() noexcept {
  // Asked again and again, its patience still counts from the first time.
  std::int64_t not_yet = 0;
  cancelled_at_.compare_exchange_strong(not_yet, now_ns());
  request_cancel();
}

void PgConnection::fail(const pg_result* result) {
  std::string code = field(result, PG_DIAG_SQLSTATE);
  std::string primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (primary.empty()) primary = one_line(PQerrorMessage(connection_));
  ErrorKind kind = kind_of_sqlstate(code);
  if (code.empty() && is_lost()) {
    kind = ErrorKind::retry;
    code = connection_lost;
  } else if (is_lost() && kind != ErrorKind::retry) {
    kind = ErrorKind::retry;
  } else if (code == "57014") {
    // The words decide only between an operator's pg_cancel_backend and a timeout: where they
    // are in another language, a smaller chunk does no harm.
    if (cancelled_at_ != 0) {
      kind = ErrorKind::cancelled;
    } else if (primary.find("user request") != std::string::npos) {
      kind = ErrorKind::retry;
    }
  }
  if (is_fence_failure(code, primary)) {
    kind = ErrorKind::retry;
    primary = "the lease on the job is lost; nothing is written without it";
  }
  std::string message = fmt::format("{}: {}", attempt_, primary);
  if (!code.empty()) message += fmt::format(" (SQLSTATE {})", code);
  const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  if (!detail.empty()) message += ": " + detail;
  throw Error(kind, message, code);
}

}  // namespace backfill
