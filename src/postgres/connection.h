// postgres/connection.h
//
// One session with a PostgreSQL server, and the results it gives. A connection belongs to
// one thread; only cancel() may come from another. The session is set up so that it is the
// victim whenever it stands in an application's way (short lock and statement timeouts) and
// so that values have one text form whatever the server's settings.
//
// Every failure is an Error whose kind the table in sqlstate.h gives; a lost connection is
// Error(retry), after which only reconnect() helps. No message holds a password.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

struct pg_conn;
struct pg_result;
struct pg_cancel;

namespace backfill {

// The answer to a statement. Views into it live as long as it does.
class PgResult {
 public:
  explicit PgResult(pg_result* result) : result_(result, &clear) {}

  const pg_result* get() const { return result_.get(); }  // null: there is none

  int rows() const;
  int columns() const;
  bool is_null(int row, int column) const;
  std::string_view view(int row, int column) const;  // empty for NULL
  std::string text(int row, int column) const { return std::string(view(row, column)); }
  std::int64_t integer(int row, int column) const;  // 0 for NULL
  bool boolean(int row, int column) const { return view(row, column) == "t"; }

  std::int64_t affected() const;  // rows inserted or updated; 0 for others
  std::string tag() const;        // `COMMIT`, `INSERT 0 12`, …

  std::string column_name(int column) const;
  std::uint32_t column_type(int column) const;
  int column_modifier(int column) const;

 private:
  static void clear(pg_result* result);

  std::unique_ptr<pg_result, void (*)(pg_result*)> result_;
};

// A value for $1, $2, … in its text form; none is NULL.
using PgParameters = std::vector<std::optional<std::string>>;

struct PgSession {
  bool read_only = false;
  // Where the URL's own `options` say nothing else.
  std::chrono::milliseconds statement_timeout{60'000};
};

class PgConnection {
 public:
  // Connects. `role` says in messages whose connection it is: `source`, `target`, …
  PgConnection(std::string url, std::string job, std::string role, PgSession session = {});
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // What the calls from now on are for; errors begin with it: `read chunk 41 …`.
  void attempt(std::string what) { attempt_ = std::move(what); }

  // Several statements may stand in `sql`; the answer is that of the last one.
  PgResult query(const std::string& sql);
  // The answers of all of them; at least one.
  std::vector<PgResult> query_all(const std::string& sql);
  PgResult query(const std::string& sql, const PgParameters& parameters);
  // As query(), of one statement that is asked again and again: the server reads it once a session.
  PgResult query_prepared(const std::string& sql, const PgParameters& parameters = {});
  void command(const std::string& sql) { query(sql); }

  // As query(), `sql` may hold several statements: the COPY is the last of them.
  //
  // Hands what `COPY … TO STDOUT` sends to `take`, piece by piece, until the server has said
  // that all was sent. When `take` returns false the statement is cancelled and false returned.
  bool copy_out(const std::string& sql, const std::function<bool(std::string_view)>& take);

  // Feeds `COPY … FROM STDIN` with these pieces, in order; returns the rows it took.
  std::int64_t copy_in(const std::string& sql, const std::vector<std::string_view>& pieces);

  int server_version() const;  // 150018 is 15.18
  // Tells the server that answers now from any other, and from itself before a restart.
  const std::string& server() const { return server_; }
  // The server process that this connection was told at its beginning is its own.
  std::int64_t announced_session() const;
  bool in_transaction() const;
  bool is_lost() const;
  const std::string& role() const { return role_; }

  // Ends the session and begins another.
  void reconnect();

  // Makes a call in progress fail soon with Error(cancelled), also when the network answers no
  // more. Returns at once. From any thread.
  void cancel() noexcept;

 private:
  void connect();
  void disconnect() noexcept;
  void set_up_session();
  void begin_call();
  void flush();
  void wait_until_readable();
  void wait_for(short events);
  void await_copy(int state);
  PgResult last_result();
  pg_result* next_result();
  void cancel_and_drain() noexcept;
  std::shared_future<void> request_cancel() noexcept;
  [[noreturn]] void fail(const pg_result* result);

  const std::string url_;
  const std::string job_;
  const std::string role_;
  const PgSession session_;
  std::string attempt_;
  std::string server_;
  pg_conn* connection_ = nullptr;
  std::map<std::string, std::string> prepared_;  // in this session: names by their SQL
  // A server whose own timeout passed long ago without a word is as good as gone.
  std::optional<std::chrono::milliseconds> silence_max_;
  std::chrono::steady_clock::time_point heard_at_;

  std::atomic<std::int64_t> cancelled_at_{0};  // steady clock, ns; 0: not in this call
  std::mutex cancel_mutex_;                    // guards the two below
  std::shared_ptr<pg_cancel> cancel_;
  std::shared_future<void> cancelling_;  // a request under way, or the last one
};

}  // namespace backfill
