#include "sqlite/connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

namespace backfill {
namespace {

constexpr std::string_view kUrlPrefix = "sqlite:";
constexpr std::chrono::milliseconds kLockPoll{10};
constexpr int kStepsBetweenClockReads = 1000;

struct CodeMeaning {
  int code;
  const char* name;
  ErrorKind kind;
  const char* remedy = "";
};

#define CODE(code) code, #code

// Extended codes that are not listed mean what their primary code means.
constexpr CodeMeaning kCodes[] = {
    {CODE(SQLITE_BUSY), ErrorKind::retry, "; another connection holds the lock"},
    {CODE(SQLITE_BUSY_RECOVERY), ErrorKind::retry},
    {CODE(SQLITE_BUSY_SNAPSHOT), ErrorKind::retry},
    {CODE(SQLITE_BUSY_TIMEOUT), ErrorKind::retry},
    {CODE(SQLITE_LOCKED), ErrorKind::retry},
    {CODE(SQLITE_LOCKED_SHAREDCACHE), ErrorKind::retry},
    {CODE(SQLITE_PROTOCOL), ErrorKind::retry},
    {CODE(SQLITE_SCHEMA), ErrorKind::retry},
    {CODE(SQLITE_ABORT_ROLLBACK), ErrorKind::retry},
    {CODE(SQLITE_IOERR), ErrorKind::stop, "; check the disk"},
    {CODE(SQLITE_IOERR_BLOCKED), ErrorKind::retry},
    {CODE(SQLITE_IOERR_LOCK), ErrorKind::retry},
    {CODE(SQLITE_IOERR_RDLOCK), ErrorKind::retry},
    {CODE(SQLITE_IOERR_UNLOCK), ErrorKind::retry},
    {CODE(SQLITE_IOERR_CHECKRESERVEDLOCK), ErrorKind::retry},
    {CODE(SQLITE_IOERR_SHMLOCK), ErrorKind::retry},
    {CODE(SQLITE_IOERR_NOMEM), ErrorKind::retry},
    {CODE(SQLITE_IOERR_READ), ErrorKind::stop, "; check the disk"},
    {CODE(SQLITE_IOERR_WRITE), ErrorKind::stop, "; check the disk"},
    {CODE(SQLITE_IOERR_FSYNC), ErrorKind::stop, "; check the disk"},
    {CODE(SQLITE_CONSTRAINT), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_CHECK), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_COMMITHOOK), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_DATATYPE), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_FOREIGNKEY), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_FUNCTION), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_NOTNULL), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_PINNED), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_PRIMARYKEY), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_ROWID), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_TRIGGER), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_UNIQUE), ErrorKind::reject},
    {CODE(SQLITE_CONSTRAINT_VTAB), ErrorKind::reject},
    {CODE(SQLITE_MISMATCH), ErrorKind::reject},
    {CODE(SQLITE_TOOBIG), ErrorKind::reject},
    {CODE(SQLITE_RANGE), ErrorKind::reject},
    {CODE(SQLITE_INTERRUPT), ErrorKind::cancelled},
    {CODE(SQLITE_FULL), ErrorKind::stop, "; make room and resume"},
    {CODE(SQLITE_NOTADB), ErrorKind::stop, "; check the path"},
    {CODE(SQLITE_CORRUPT), ErrorKind::stop, "; see PRAGMA integrity_check"},
    {CODE(SQLITE_CORRUPT_INDEX), ErrorKind::stop, "; see PRAGMA integrity_check"},
    {CODE(SQLITE_READONLY), ErrorKind::stop, "; check the permissions of the file and its folder"},
    {CODE(SQLITE_READONLY_DBMOVED), ErrorKind::stop, "; the file was moved while in use"},
    {CODE(SQLITE_READONLY_DIRECTORY), ErrorKind::stop, "; make its folder writable"},
    {CODE(SQLITE_CANTOPEN), ErrorKind::stop, "; check that it is there and may be read"},
    {CODE(SQLITE_CANTOPEN_ISDIR), ErrorKind::stop, "; it is a folder"},
    {CODE(SQLITE_AUTH), ErrorKind::stop},
    {CODE(SQLITE_PERM), ErrorKind::stop},
    {CODE(SQLITE_NOMEM), ErrorKind::stop},
    {CODE(SQLITE_MISUSE), ErrorKind::stop},
    {CODE(SQLITE_ERROR), ErrorKind::stop},
};

#undef CODE

const CodeMeaning& meaning_of(int code) {
  const auto find = [](int wanted) {
    return std::find_if(std::begin(kCodes), std::end(kCodes),
                        [wanted](const CodeMeaning& entry) { return entry.code == wanted; });
  };
  const auto exact = find(code);
  if (exact != std::end(kCodes)) return *exact;
  const auto primary = find(code & 0xff);
  if (primary != std::end(kCodes)) return *primary;
  static constexpr CodeMeaning unknown{0, "SQLITE_UNKNOWN", ErrorKind::stop};
  return unknown;
}

Error make_error(int code, const std::string& path, const std::string& said) {
  const CodeMeaning& meaning = meaning_of(code);
  return Error(meaning.kind,
               "SQLite database " + path + ": " + said + " (" + meaning.name + ")" + meaning.remedy,
               meaning.name);
}

// SQLite's count of its own memory is of no use here and takes a lock of the whole process for
// every allocation; without it a copy takes an eighth less CPU time. Only possible before the
// first connection.
void keep_no_memory_statistics() {
  static const int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(code);  // in a process where somebody used SQLite before, it stays as it is
}

// An empty view may have no address, which SQLite would take for NULL.
const char* address(std::string_view bytes) { return bytes.data() ? bytes.data() : ""; }

}  // namespace

bool is_sqlite_url(const std::string& url) { return url.starts_with(kUrlPrefix); }

std::string sqlite_path(const std::string& url) {
  if (!is_sqlite_url(url) || url.size() == kUrlPrefix.size())
    throw Error(ExitCode::usage, "\"" + url + "\" is not a SQLite URL; write sqlite:PATH");
  return url.substr(kUrlPrefix.size());
}

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement& SqliteStatement::operator=(SqliteStatement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(statement_, other.statement_);
  return *this;
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::check(int code) const {
  if (code != SQLITE_OK) connection_->fail(code);
}

void SqliteStatement::bind_integer(int parameter, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, parameter, value));
}

void SqliteStatement::bind_real(int parameter, double value) {
  check(sqlite3_bind_double(statement_, parameter, value));
}

void SqliteStatement::bind_text(int parameter, std::string_view text) {
  check(sqlite3_bind_text64(statement_, parameter, address(text), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}

void SqliteStatement::bind_blob(int parameter, std::string_view bytes) {
  check(sqlite3_bind_blob64(statement_, parameter, address(bytes), bytes.size(), SQLITE_TRANSIENT));
}

void SqliteStatement::lend_text(int parameter, std::string_view text) {
  check(sqlite3_bind_text64(statement_, parameter, address(text), text.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
}

void SqliteStatement::lend_blob(int parameter, std::string_view bytes) {
  check(sqlite3_bind_blob64(statement_, parameter, address(bytes), bytes.size(), SQLITE_STATIC));
}

void SqliteStatement::bind_null(int parameter) { check(sqlite3_bind_null(statement_, parameter)); }

bool SqliteStatement::step() {
  if (!sqlite3_stmt_busy(statement_)) connection_->begin_call();
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  connection_->fail(code);
}

void SqliteStatement::run() {
  const ResetAtEnd reset(*this);
  while (step()) {
  }
}

void SqliteStatement::reset() noexcept { sqlite3_reset(statement_); }

int SqliteStatement::columns() const { return sqlite3_column_count(statement_); }

StorageClass SqliteStatement::storage_class(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return StorageClass::integer;
    case SQLITE_FLOAT:
      return StorageClass::real;
    case SQLITE_TEXT:
      return StorageClass::text;
    case SQLITE_BLOB:
      return StorageClass::blob;
    default:
      return StorageClass::null;
  }
}

std::int64_t SqliteStatement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double SqliteStatement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view SqliteStatement::bytes(int column) const {
  // The bytes of a text are its UTF-8 form only after it was asked for as text.
  const void* start = sqlite3_column_type(statement_, column) == SQLITE_BLOB
                          ? sqlite3_column_blob(statement_, column)
                          : sqlite3_column_text(statement_, column);
  if (start == nullptr) return {};
  return {static_cast<const char*>(start),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

sqlite3_value* SqliteStatement::value(int column) const {
  return sqlite3_column_value(statement_, column);
}

SqliteConnection::SqliteConnection(std::string path, Mode mode,
                                   std::chrono::milliseconds lock_wait_max)
    : path_(std::move(path)), mode_(mode), lock_wait_max_(lock_wait_max) {
  open();
}

SqliteConnection::~SqliteConnection() { close(); }

void SqliteConnection::open() {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
  if (mode_ == Mode::create) flags |= SQLITE_OPEN_CREATE;
  if (mode_ == Mode::read_only) flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY;
  keep_no_memory_statistics();
  // Builds differ in whether `file:…` is a URI; here it is always a file's name.
  const std::string name = path_.starts_with("file:") ? "./" + path_ : path_;
  const std::lock_guard lock(handle_mutex_);
  const int code = sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    const std::string said = handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    sqlite3_close_v2(std::exchange(handle_, nullptr));
    throw make_error(code, path_, said).within("open");
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_handler(handle_, wait_for_lock, this);
}

void SqliteConnection::close() noexcept {
  const std::lock_guard lock(handle_mutex_);
  sqlite3_close_v2(std::exchange(handle_, nullptr));
}

void SqliteConnection::reopen() {
  close();
  open();
}

// SQLite's own busy timeout sleeps through an interrupt; this one looks between short waits.
int SqliteConnection::wait_for_lock(void* connection, int waits) {
  auto* self = static_cast<SqliteConnection*>(connection);
  if (waits == 0) ++self->lock_waits_;
  if (self->interrupted_.load(std::memory_order_relaxed)) return 0;
  if (kLockPoll * waits >= self->lock_wait_max_) return 0;
  sqlite3_sleep(waits == 0 ? 1 : static_cast<int>(kLockPoll.count()));
  return 1;
}

void SqliteConnection::fail(int code) const {
  if ((code & 0xff) == SQLITE_BUSY && interrupted_.load(std::memory_order_relaxed))
    throw make_error(SQLITE_INTERRUPT, path_, "stopped while it waited for a lock");
  const std::string said = handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  throw make_error(handle_ ? sqlite3_extended_errcode(handle_) : code, path_, said);
}

void SqliteConnection::execute(const std::string& sql) {
  begin_call();
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

SqliteStatement SqliteConnection::prepare(const std::string& sql) {
  begin_call();
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.c_str(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, &rest);
  if (code != SQLITE_OK) fail(code);
  SqliteStatement statement(*this, raw);
  const auto after = static_cast<std::size_t>(rest - sql.c_str());
  if (raw == nullptr || sql.find_first_not_of(" \t\r\n;", after) != std::string::npos)
    throw make_error(SQLITE_ERROR, path_, "not exactly one statement: " + sql);
  return statement;
}

std::int64_t SqliteConnection::changes() const { return sqlite3_changes64(handle_); }

bool SqliteConnection::in_transaction() const {
  return handle_ != nullptr && sqlite3_get_autocommit(handle_) == 0;
}

std::string SqliteConnection::declared_collation(const std::string& table,
                                                 const std::string& column) {
  const char* collation = nullptr;
  const int code = sqlite3_table_column_metadata(handle_, "main", table.c_str(), column.c_str(),
                                                 nullptr, &collation, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
  return collation ? collation : "BINARY";
}

void SqliteConnection::interrupt() noexcept {
  const std::lock_guard lock(handle_mutex_);
  interrupted_.store(true, std::memory_order_relaxed);
  if (handle_ != nullptr) sqlite3_interrupt(handle_);
}

SqliteTimeLimit::SqliteTimeLimit(SqliteConnection& connection, std::chrono::milliseconds limit)
    : connection_(connection), end_(std::chrono::steady_clock::now() + limit) {
  sqlite3_progress_handler(connection_.handle_, kStepsBetweenClockReads, is_over, this);
}

SqliteTimeLimit::~SqliteTimeLimit() {
  sqlite3_progress_handler(connection_.handle_, 0, nullptr, nullptr);
}

int SqliteTimeLimit::is_over(void* limit) {
  return std::chrono::steady_clock::now() >= static_cast<SqliteTimeLimit*>(limit)->end_ ? 1 : 0;
}

SqliteTransaction::SqliteTransaction(SqliteConnection& connection) : connection_(connection) {
  connection_.execute("BEGIN IMMEDIATE");
}

SqliteTransaction::~SqliteTransaction() {
  if (!open_ || !connection_.in_transaction()) return;
  try {
    connection_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite rolls back what is left open when the connection closes.
  }
}

void SqliteTransaction::commit() {
  connection_.execute("COMMIT");
  open_ = false;
}

}  // namespace backfill
