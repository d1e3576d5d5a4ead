// sqlite/connection.h
//
// A SQLite database file, opened; its prepared statements; a transaction that ends with its
// scope. The only place where SQLite's result codes become Errors.
//
// One thread at a time, except interrupt(). Statements and transactions must go before their
// connection does. Every failure is an Error whose code() is SQLite's extended result code as
// text, `SQLITE_CONSTRAINT_UNIQUE`, and whose kind one table decides: busy is retry, a broken
// constraint is reject, an interrupt is cancelled, all else is stop.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "core/error.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_value;

namespace backfill {

// True for `sqlite:PATH`.
bool is_sqlite_url(const std::string& url);

// The PATH of `sqlite:PATH`. Throws Error(ExitCode::usage) when it is no such URL.
std::string sqlite_path(const std::string& url);

// What a SQLite value is, whatever its column was declared as.
enum class StorageClass { null, integer, real, text, blob };

class SqliteConnection;

// A prepared statement. Columns count from 0, parameters from 1, as in SQLite.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&& other) noexcept;
  ~SqliteStatement();

  // Bytes are copied; text may hold zero bytes. Bindings stay across reset().
  void bind_integer(int parameter, std::int64_t value);
  void bind_real(int parameter, double value);
  void bind_text(int parameter, std::string_view text);
  void bind_blob(int parameter, std::string_view bytes);
  void bind_null(int parameter);
  // Without a copy: the bytes must stay until the parameter is bound again, or is not read any
  // more.
  void lend_text(int parameter, std::string_view text);
  void lend_blob(int parameter, std::string_view bytes);

  // True when it stands on a row, false at the end.
  bool step();
  // Steps to the end, then resets.
  void run();
  // Ready to be bound and stepped again. A statement that stands on a row holds a read lock.
  void reset() noexcept;

  int columns() const;
  StorageClass storage_class(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  // Of a text or a blob; valid until the next step or reset.
  std::string_view bytes(int column) const;
  bool is_null(int column) const { return storage_class(column) == StorageClass::null; }
  // For sqlite3_value_*(), which cost less than a call a question; valid as bytes() is.
  sqlite3_value* value(int column) const;

 private:
  friend class SqliteConnection;
  SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}
  void check(int code) const;

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
};

// Resets a statement that is kept for later, however the scope ends.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(SqliteStatement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  SqliteStatement& statement_;
};

class SqliteConnection {
 public:
  // Only `create` makes a file that is not there.
  enum class Mode { read_only, read_write, create };

  // Waits for another connection's lock no longer than `lock_wait_max`, then it is Error(retry).
  SqliteConnection(std::string path, Mode mode,
                   std::chrono::milliseconds lock_wait_max = std::chrono::seconds(5));
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // One or more statements whose rows nobody wants.
  void execute(const std::string& sql);
  // Exactly one statement.
  SqliteStatement prepare(const std::string& sql);
  // Rows that the last finished INSERT, UPDATE or DELETE itself changed; triggers do not count.
  std::int64_t changes() const;
  bool in_transaction() const;

  // How often a lock of another connection had to be waited for, so far.
  std::int64_t lock_waits() const { return lock_waits_; }

  // The collation a column was declared with, such as BINARY. `table` is unquoted.
  std::string declared_collation(const std::string& table, const std::string& column);

  // Closes and opens again. No statement or transaction may be left.
  void reopen();

  // Makes what runs now, a wait for a lock included, fail soon with Error(cancelled); nothing
  // happens when nothing runs. From any thread.
  void interrupt() noexcept;

  const std::string& path() const { return path_; }

 private:
  friend class SqliteStatement;
  friend class SqliteTimeLimit;
  friend class SqliteBatchTable;
  void open();
  void close() noexcept;
  void begin_call() { interrupted_.store(false, std::memory_order_relaxed); }
  [[noreturn]] void fail(int code) const;
  static int wait_for_lock(void* connection, int waits);

  const std::string path_;
  const Mode mode_;
  const std::chrono::milliseconds lock_wait_max_;
  sqlite3* handle_ = nullptr;
  std::mutex handle_mutex_;  // guards handle_ between reopen() and interrupt()
  std::atomic<bool> interrupted_ = false;
  std::int64_t lock_waits_ = 0;
};

// Ends what a connection runs, as interrupt() does, once the time is over.
class SqliteTimeLimit {
 public:
  SqliteTimeLimit(SqliteConnection& connection, std::chrono::milliseconds limit);
  ~SqliteTimeLimit();
  SqliteTimeLimit(const SqliteTimeLimit&) = delete;
  SqliteTimeLimit& operator=(const SqliteTimeLimit&) = delete;

 private:
  static int is_over(void* limit);

  SqliteConnection& connection_;
  const std::chrono::steady_clock::time_point end_;
};

// A write transaction: takes the write lock at once, so that nothing in it can find the
// database busy before the commit. Rolled back unless committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  void commit();

 private:
  SqliteConnection& connection_;
  bool open_ = true;
};

}  // namespace backfill
