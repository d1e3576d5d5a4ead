#include "checkpoint/checkpoint_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "checkpoint/checkpoint_read.h"
#include "checkpoint/schema.h"
#include "core/error.h"
#include "sqlite/fields.h"
#include "support/clock.h"

namespace backfill {
namespace {

constexpr std::chrono::seconds kOpeningMax{5};
constexpr std::chrono::milliseconds kOpeningPause{5};

std::string left_as_it_is(const std::filesystem::path& path, const std::string& why) {
  return "open the checkpoint " + path.string() + ": " + why +
         "; it is left as it is: name another with --checkpoint, or move it away";
}

// A file readable by its owner only, made before SQLite would make one that others can read.
void create_file(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) {
    ::close(file);
    return;
  }
  if (errno == EEXIST) return;
  throw Error(ExitCode::usage, "create the checkpoint " + path.string() + ": " +
                                   std::strerror(errno) +
                                   "; its folder must exist and be writable");
}

bool is_empty(SqliteConnection& connection) {
  SqliteStatement statement = connection.prepare("SELECT count(*) FROM sqlite_schema");
  statement.step();
  return statement.integer(0) == 0;
}

// Whatever is wrong with the file itself is a matter of usage.
template <class Read>
auto read_or_refuse(const std::filesystem::path& path, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.exit_code() == ExitCode::usage || error.kind() == ErrorKind::retry) throw;
    throw Error(ExitCode::usage, left_as_it_is(path, error.what()));
  }
}

// What is read while it lives is of one moment.
class Snapshot {
 public:
  explicit Snapshot(SqliteConnection& connection) : connection_(connection) {
    connection_.execute("BEGIN");
  }
  ~Snapshot() {
    try {
      connection_.execute("ROLLBACK");
    } catch (const Error&) {
      // Nothing was written; it ends with the connection.
    }
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  SqliteConnection& connection_;
};

// To today's format, from an older one or an empty database. Another process may be at it, too:
// what the file is counts once it is locked.
void make_schema(SqliteConnection& connection) {
  if (read_pragma(connection, "user_version") == kCheckpointFormat) return;
  SqliteTransaction transaction(connection);
  const std::int64_t format = read_pragma(connection, "user_version");
  if (format == kCheckpointFormat) return;
  if (is_empty(connection)) {
    connection.execute(kCheckpointSchema);
  } else {
    for (auto at = static_cast<std::size_t>(format); at < kUpgradeFrom.size(); ++at)
      connection.execute(kUpgradeFrom.at(at));
  }
  connection.execute("PRAGMA application_id = " + std::to_string(kCheckpointApplicationId));
  connection.execute("PRAGMA user_version = " + std::to_string(kCheckpointFormat));
  transaction.commit();
}

// Whether it holds a checkpoint, all of whose run could be read; not when it is an empty database.
// In one snapshot: a run may be making the schema this very moment.
bool check_content(SqliteConnection& connection, const std::filesystem::path& path) {
  const Snapshot snapshot(connection);
  const std::int64_t application = read_pragma(connection, "application_id");
  if (application == 0 && is_empty(connection)) return false;
  if (application != kCheckpointApplicationId) {
    throw Error(ExitCode::usage, left_as_it_is(path, "it is a SQLite database of another program"));
  }
  const std::int64_t format = read_pragma(connection, "user_version");
  if (format > kCheckpointFormat) {
    throw Error(ExitCode::usage, left_as_it_is(path, "its format " + std::to_string(format) +
                                                         " is newer than this program's " +
                                                         std::to_string(kCheckpointFormat)));
  }
  if (format < 1) throw Error(ExitCode::usage, left_as_it_is(path, "it has no format"));
  read_run(connection);
  read_fingerprint(connection);
  return true;
}

std::unique_ptr<SqliteConnection> connect(const std::filesystem::path& path,
                                          SqliteConnection::Mode mode) {
  // SQLite would take a single byte, whatever it is, for an empty database.
  if (std::filesystem::is_regular_file(path) && std::filesystem::file_size(path) == 1) {
    throw Error(ExitCode::usage, left_as_it_is(path, "it is not a database"));
  }
  return std::make_unique<SqliteConnection>(path.string(), mode);
}

}  // namespace

CheckpointStore CheckpointStore::open(const std::filesystem::path& path) {
  create_file(path);
  const auto give_up_at = std::chrono::steady_clock::now() + kOpeningMax;
  while (true) {
    try {
      return open_once(path);
    } catch (const Error& error) {
      // Another process that makes it at this moment holds locks that SQLite does not wait for.
      const bool is_over = std::chrono::steady_clock::now() >= give_up_at;
      if (error.kind() != ErrorKind::retry || is_over) throw;
      std::this_thread::sleep_for(kOpeningPause);
    }
  }
}

CheckpointStore CheckpointStore::open_once(const std::filesystem::path& path) {
  return read_or_refuse(path, [&] {
    auto connection = connect(path, SqliteConnection::Mode::read_write);
    check_content(*connection, path);
    // What is broken behind all that was read shows when the file is first written to.
    make_schema(*connection);
    connection->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return CheckpointStore(path, std::move(connection));
  });
}

std::optional<CheckpointStore> CheckpointStore::open_existing(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return read_or_refuse(path, [&]() -> std::optional<CheckpointStore> {
    auto connection = connect(path, SqliteConnection::Mode::read_only);
    if (!check_content(*connection, path)) return std::nullopt;
    return CheckpointStore(path, std::move(connection));
  });
}

CheckpointStore::CheckpointStore(std::filesystem::path path,
                                 std::unique_ptr<SqliteConnection> connection)
    : path_(std::move(path)), identity_(identity(path_)), connection_(std::move(connection)) {}

std::optional<CheckpointStore::Identity> CheckpointStore::identity(
    const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

// SQLite goes on writing to a file that has no name any more, and what it holds would go with us.
void CheckpointStore::check_file() const {
  const std::optional<Identity> there = identity(path_);
  if (there && there == identity_) return;
  throw Error(ErrorKind::stop, "save the checkpoint " + path_.string() + ": the file was " +
                                   (there ? "replaced" : "deleted") + " while a run was using it");
}

std::optional<SavedRun> CheckpointStore::load() {
  return read_or_refuse(connection_->path(), [&] { return read_run(*connection_); });
}

FingerprintFields CheckpointStore::fingerprint() {
  return read_or_refuse(connection_->path(), [&] { return read_fingerprint(*connection_); });
}

void CheckpointStore::start(const SavedRun& run, const std::string& job,
                            const FingerprintFields& fingerprint) {
  SqliteTransaction transaction(*connection_);
  for (const char* table :
       {"job", "run", "watermark", "done_range", "in_doubt", "dead_letter", "sample"}) {
    connection_->execute(std::string("DELETE FROM ") + table);
  }
  job_ = job;
  saved_watermark_.reset();
  saved_ranges_.reset();
  saved_doubts_.reset();
  write_fingerprint(fingerprint);
  write_run(run);
  write_watermark(run);
  write_doubts(run);
  transaction.commit();
}

void CheckpointStore::go_on(const SavedRun& run, const std::string& job,
                            const FingerprintFields& fingerprint) {
  SqliteTransaction transaction(*connection_);
  job_ = job;
  connection_->execute("DELETE FROM job");
  write_fingerprint(fingerprint);
  write_run(run);
  transaction.commit();
}

void CheckpointStore::write_fingerprint(const FingerprintFields& fingerprint) {
  SqliteStatement statement =
      connection_->prepare("INSERT INTO job (name, field, value) VALUES (?, ?, ?)");
  for (const auto& [field, value] : fingerprint) {
    Binder(statement).text(job_).text(field).text(value);
    statement.run();
  }
}

void CheckpointStore::save(const SavedRun& run, const std::vector<DeadLetter>& dead_letters,
                           const std::optional<Sample>& sample) {
  SqliteTransaction transaction(*connection_);
  write_run(run);
  write_watermark(run);
  write_doubts(run);
  write_dead_letters(dead_letters, run.updated_at);
  if (sample) {
    SqliteStatement statement = connection_->prepare(
        "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    Binder(statement)
        .text(sample->taken_at)
        .real(sample->elapsed_s)
        .integer(sample->rows_read)
        .integer(sample->rows_written)
        .real(sample->rate_rows_per_s)
        .integer(sample->batch_size)
        .real(sample->batch_ms)
        .real(sample->share)
        .real(sample->pressure)
        .text(sample->reason)
        .real(sample->progress)
        .integer(sample->batches_done)
        .integer(sample->batches_retried)
        .integer(sample->rows_conflicts)
        .integer(sample->rows_rejected)
        .text(nlohmann::json(sample->signals).dump())
        .text(nlohmann::json(sample->rested_s).dump())
        .text(nlohmann::json(sample->phases_ms).dump());
    statement.run();
  }
  transaction.commit();
  check_file();
}

void CheckpointStore::write_dead_letters(const std::vector<DeadLetter>& dead_letters,
                                         const std::string& recorded_at) {
  if (dead_letters.empty()) return;
  SqliteStatement statement = connection_->prepare(
      "INSERT OR REPLACE INTO dead_letter (key, code, message, \"values\", recorded_at) VALUES "
      "(?, ?, ?, ?, ?)");
  for (const DeadLetter& letter : dead_letters) {
    Binder(statement)
        .text(letter.key)
        .text(letter.code)
        .text(letter.message)
        .text(letter.values)
        .text(recorded_at);
    statement.run();
  }
}

void CheckpointStore::settle(const SavedRun& run, const std::vector<Key>& settled,
                             const std::vector<DeadLetter>& rejected_again) {
  SqliteTransaction transaction(*connection_);
  {
    SqliteStatement statement = connection_->prepare("DELETE FROM dead_letter WHERE key = ?");
    for (const Key& key : settled) {
      statement.bind_text(1, key.to_json());
      statement.run();
    }
  }
  write_dead_letters(rejected_again, run.updated_at);
  write_doubts(run);
  write_run(run);
  transaction.commit();
  check_file();
}

std::vector<Key> CheckpointStore::dead_letter_keys(const std::string& after, std::size_t limit) {
  SqliteStatement statement =
      connection_->prepare("SELECT key FROM dead_letter WHERE key > ? ORDER BY key LIMIT ?");
  statement.bind_text(1, after);
  statement.bind_integer(2, static_cast<std::int64_t>(limit));
  std::vector<Key> keys;
  while (statement.step()) keys.push_back(Key::from_json(std::string(statement.bytes(0))));
  return keys;
}

bool CheckpointStore::has_dead_letter(const Key& key) {
  SqliteStatement statement = connection_->prepare("SELECT 1 FROM dead_letter WHERE key = ?");
  statement.bind_text(1, key.to_json());
  return statement.step();
}

std::int64_t CheckpointStore::dead_letter_count() {
  return read_or_refuse(connection_->path(),
                        [&] { return read_count(*connection_, "dead_letter"); });
}

std::int64_t CheckpointStore::sample_count() {
  return read_or_refuse(connection_->path(), [&] { return read_count(*connection_, "sample"); });
}

void CheckpointStore::visit_samples(const std::function<void(const Sample&)>& visit) {
  read_or_refuse(connection_->path(), [&] { read_samples(*connection_, visit); });
}

void CheckpointStore::read_at_once(const std::function<void()>& read) {
  const Snapshot snapshot(*connection_);
  read();
}

std::vector<DeadLetter> CheckpointStore::dead_letters(std::size_t limit) {
  return read_or_refuse(connection_->path(),
                        [&] { return read_dead_letters(*connection_, limit); });
}

std::vector<Control> CheckpointStore::controls() {
  return read_or_refuse(connection_->path(), [&] { return read_controls(*connection_); });
}

void CheckpointStore::change_controls(const std::vector<Control>& set,
                                      const std::vector<std::string>& unset) {
  SqliteTransaction transaction(*connection_);
  {
    SqliteStatement statement = connection_->prepare(
        "INSERT OR REPLACE INTO control (key, value, set_at) VALUES (?, ?, ?)");
    for (const Control& control : set) {
      Binder(statement).text(control.key).text(control.value).text(control.set_at);
      statement.run();
    }
  }
  {
    SqliteStatement statement = connection_->prepare("DELETE FROM control WHERE key = ?");
    for (const std::string& key : unset) {
      Binder(statement).text(key);
      statement.run();
    }
  }
  transaction.commit();
}

bool CheckpointStore::has_changed() {
  const std::int64_t version = read_pragma(*connection_, "data_version");
  return std::exchange(seen_version_, version) != version;
}

// What every step says again is parsed once.
SqliteStatement& CheckpointStore::kept(const std::string& sql) {
  const auto found = kept_.find(sql);
  if (found != kept_.end()) return found->second;
  return kept_.emplace(sql, connection_->prepare(sql)).first->second;
}

void CheckpointStore::write_run(const SavedRun& run) {
  static const std::string sql =
      std::string("INSERT OR REPLACE INTO run (") + kRunColumns + ", " + kRunObjectColumns +
      ", job) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  SqliteStatement& statement = kept(sql);
  Binder(statement)
      .text(run.run_id)
      .text(run_state_name(run.state))
      .text(run.reason)
      .text(run.started_at)
      .text(run.updated_at)
      .real(run.elapsed_s)
      .real(run.throttled_s)
      .integer(run.rows.read)
      .integer(run.rows.written)
      .integer(run.rows.skipped)
      .integer(run.rows.rejected)
      .integer(run.rows.unchanged)
      .integer(run.rows.conflicts)
      .integer(run.estimated_total)
      .integer(run.batches.done)
      .integer(run.batches.retried)
      .integer(run.batches.split)
      .real(run.progress)
      .real(run.rate_rows_per_s)
      .real(run.eta_low_s)
      .real(run.eta_high_s)
      .integer(run.batch_size)
      .integer(run.workers)
      .real(run.share)
      .real(run.pressure)
      .text(run.pressure_signal)
      .integer(run.all_visited ? 1 : 0)
      .text(run.forced)
      .text(nlohmann::json(run.signals).dump())
      .text(nlohmann::json(run.rested_s).dump())
      .text(job_);
  statement.run();
}

void CheckpointStore::write_watermark(const SavedRun& run) {
  if (run.watermark != saved_watermark_ || !saved_watermark_) {
    SqliteStatement& statement =
        kept("INSERT OR REPLACE INTO watermark (run_id, key, end_key) VALUES (?, ?, ?)");
    Binder(statement).text(run.run_id).key(run.watermark).key(run.end_key);
    statement.run();
    saved_watermark_ = run.watermark;
  }
  if (run.done_ahead == saved_ranges_) return;
  kept("DELETE FROM done_range").run();
  SqliteStatement& statement = kept("INSERT INTO done_range (upto, after, place) VALUES (?, ?, ?)");
  for (std::size_t place = 0; place < run.done_ahead.size(); ++place) {
    const DoneRange& range = run.done_ahead[place];
    Binder(statement).key(range.upto).key(range.after).integer(static_cast<std::int64_t>(place));
    statement.run();
  }
  saved_ranges_ = run.done_ahead;
}

void CheckpointStore::write_doubts(const SavedRun& run) {
  if (run.in_doubt == saved_doubts_) return;
  kept("DELETE FROM in_doubt").run();
  SqliteStatement& statement = kept("INSERT INTO in_doubt (upto, after, mark) VALUES (?, ?, ?)");
  for (const Doubt& doubt : run.in_doubt) {
    Binder(statement).key(doubt.upto).key(doubt.after).text(doubt.mark);
    statement.run();
  }
  saved_doubts_ = run.in_doubt;
}

}  // namespace backfill
