#include "postgres/foreground_probe.h"

#include <algorithm>

namespace backfill {
namespace {

// A server that takes longer to tell is in trouble itself.
constexpr std::chrono::milliseconds statement_timeout{5'000};

// Of a session of another role, without pg_read_all_stats, it shows only whether a statement runs:
// such a session counts as there as long as it is. Another backfill is no user.
constexpr const char* others =
    "SELECT count(*) FILTER (WHERE a.state = 'active' OR a.state IS NULL AND a.backend_xmin IS NOT "
    "NULL), count(*) FILTER (WHERE a.state IS NULL), max(a.state_change)::text, count(*) FILTER "
    "(WHERE a.backend_xid IS NOT NULL) FROM "
    "pg_catalog.pg_stat_activity AS a WHERE "
    "a.datid IS NOT NULL AND a.usesysid IS NOT NULL AND coalesce(a.backend_type, 'client backend') "
    "= 'client backend' AND a.pid <> pg_catalog.pg_backend_pid() AND a.application_name NOT LIKE "
    "'backfill:%'";

// One that is new begins slowly, so it need not be known at once.
constexpr std::chrono::seconds between_counts{1};

// Held by each backfill that is at work; of any database of the server.
constexpr const char* begin_work =
    "SELECT pg_catalog.pg_advisory_lock_shared(pg_catalog.hashtextextended('backfill at work', 0))";
constexpr const char* end_work =
    "SELECT "
    "pg_catalog.pg_advisory_unlock_shared(pg_catalog.hashtextextended('backfill at work', 0))";
constexpr const char* backfills =
    "SELECT count(*) FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted AND "
    "l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = "
    "pg_catalog.hashtextextended('backfill at work', 0)";

constexpr const char* small_commit =
    "SELECT pg_catalog.pg_logical_emit_message(true, 'backfill', '')";

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

PostgresForegroundProbe::PostgresForegroundProbe(std::string url, std::string job,
                                                 std::string server)
    : url_(std::move(url)), job_(std::move(job)), server_(std::move(server)) {}

void PostgresForegroundProbe::reconnect() {
  auto made = std::make_unique<PgConnection>(url_, job_, server_,
                                             PgSession{.statement_timeout = statement_timeout});
  made->attempt("look at others' load");
  // Plans and parses once.
  made->command(std::string("PREPARE others AS ") + others);
  made->command(std::string("PREPARE backfills AS ") + backfills);
  changed_.reset();
  is_told_at_work_ = false;
  may_commit_ = !made->query("SELECT pg_catalog.pg_is_in_recovery()").boolean(0, 0);
  const std::lock_guard lock(mutex_);
  connection_ = std::move(made);
}

void PostgresForegroundProbe::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  if (connection_) connection_->cancel();
}

void PostgresForegroundProbe::tell_at_work(bool is_at_work) {
  if (is_at_work == is_told_at_work_ || !may_tell_) return;
  connection_->attempt("tell other backfills whether this one is at work");
  try {
    connection_->query(is_at_work ? begin_work : end_work);
    is_told_at_work_ = is_at_work;
  } catch (const Error& error) {
    // Of a role that may not call the function.
    if (error.kind() != ErrorKind::stop) throw;
    may_tell_ = false;
  }
}

ForegroundSample PostgresForegroundProbe::sample() {
  connection_->attempt("look at others' load");
  const auto began = std::chrono::steady_clock::now();
  const PgResult now = connection_->query("EXECUTE others");
  ForegroundSample sample;
  sample.read_seconds = seconds_since(began);
  sample.writing = static_cast<double>(now.integer(0, 3));
  const auto active = static_cast<double>(now.integer(0, 0));
  sample.active = active;
  // Who has begun or ended something since the last look was at work meanwhile.
  const std::string changed = now.text(0, 2);
  const bool has_changed = changed_ && *changed_ != changed && !changed.empty();
  changed_ = changed;
  sample.is_somebody_there = active > 0 || now.integer(0, 1) > 0 || has_changed;
  if (sample.is_somebody_there) count_backfills();
  sample.backfills = backfills_;
  if (sample.is_somebody_there && may_commit_) {
    try {
      sample.commit_seconds = commit();
    } catch (const Error& error) {
      // Of a role or a server that may not write.
      if (error.kind() != ErrorKind::stop) throw;
      may_commit_ = false;
    }
  }
  return sample;
}

void PostgresForegroundProbe::count_backfills() {
  const auto now = std::chrono::steady_clock::now();
  if (now - counted_at_ < between_counts) return;
  counted_at_ = now;
  const std::int64_t at_work = connection_->query("EXECUTE backfills").integer(0, 0);
  backfills_ = static_cast<int>(std::max<std::int64_t>(1, at_work));
}

double PostgresForegroundProbe::commit() {
  const auto began = std::chrono::steady_clock::now();
  connection_->command(small_commit);
  return seconds_since(began);
}

}  // namespace backfill
