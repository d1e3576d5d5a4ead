#include "checkpoint/checkpoint_read.h"

#include <array>
#include <nlohmann/json.hpp>

#include "checkpoint/schema.h"
#include "core/error.h"
#include "sqlite/fields.h"

namespace backfill {
namespace {

constexpr std::array kStateNames = {"running", "paused", "stopped", "complete", "failed"};

RunState run_state(const std::string& name) {
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    if (name == kStateNames[i]) return static_cast<RunState>(i);
  }
  throw Error(ErrorKind::stop, "the checkpoint holds a run in an unknown state: " + name);
}

// A file of an older format that is only looked at has none.
void read_doubts(SqliteConnection& connection, SavedRun& run) {
  if (read_pragma(connection, "user_version") < 2) return;
  SqliteStatement doubts = connection.prepare("SELECT after, upto, mark FROM in_doubt");
  while (doubts.step()) {
    Reader doubt(doubts);
    const std::optional<Key> after = doubt.maybe_key();
    const Key upto = doubt.key();
    run.in_doubt.push_back({after, upto, doubt.text()});
  }
}

Figures figures_in(const std::string& text) {
  try {
    return nlohmann::json::parse(text).get<Figures>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::stop, "the checkpoint holds no object of numbers: " + text);
  }
}

}  // namespace

const char* run_state_name(RunState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::vector<Control> read_controls(SqliteConnection& connection) {
  SqliteStatement statement =
      connection.prepare("SELECT key, value, set_at FROM control ORDER BY key");
  std::vector<Control> controls;
  while (statement.step()) {
    controls.push_back({std::string(statement.bytes(0)), std::string(statement.bytes(1)),
                        std::string(statement.bytes(2))});
  }
  return controls;
}

std::int64_t read_pragma(SqliteConnection& connection, const std::string& name) {
  SqliteStatement statement = connection.prepare("PRAGMA " + name);
  return statement.step() ? statement.integer(0) : 0;
}

std::optional<SavedRun> read_run(SqliteConnection& connection) {
  const bool has_objects = read_pragma(connection, "user_version") >= 3;
  SqliteStatement statement =
      connection.prepare(std::string("SELECT ") + kRunColumns + ", " +
                         (has_objects ? kRunObjectColumns : "'{}', '{}'") + " FROM run");
  if (!statement.step()) return std::nullopt;
  Reader row(statement);
  SavedRun run;
  run.run_id = row.text();
  run.state = run_state(row.text());
  run.reason = row.text();
  run.started_at = row.text();
  run.updated_at = row.text();
  run.elapsed_s = row.real();
  run.throttled_s = row.real();
  for (std::int64_t* count : {&run.rows.read, &run.rows.written, &run.rows.skipped,
                              &run.rows.rejected, &run.rows.unchanged, &run.rows.conflicts}) {
    *count = row.integer();
  }
  run.estimated_total = row.maybe_integer();
  run.batches.done = row.integer();
  run.batches.retried = row.integer();
  run.batches.split = row.integer();
  run.progress = row.real();
  run.rate_rows_per_s = row.maybe_real();
  run.eta_low_s = row.maybe_real();
  run.eta_high_s = row.maybe_real();
  run.batch_size = row.integer();
  run.workers = static_cast<int>(row.integer());
  run.share = row.real();
  run.pressure = row.maybe_real();
  run.pressure_signal = row.text();
  run.all_visited = row.integer() != 0;
  run.forced = row.text();
  run.signals = figures_in(row.text());
  run.rested_s = figures_in(row.text());
  if (run.run_id.empty())
    throw Error(ErrorKind::stop, "the checkpoint holds a run without a run_id");
  if (statement.step()) throw Error(ErrorKind::stop, "the checkpoint holds more than one run");

  SqliteStatement bounds = connection.prepare("SELECT key, end_key FROM watermark");
  if (bounds.step()) {
    Reader keys(bounds);
    run.watermark = keys.maybe_key();
    run.end_key = keys.maybe_key();
  }
  SqliteStatement ranges = connection.prepare("SELECT after, upto FROM done_range ORDER BY place");
  while (ranges.step()) {
    Reader range(ranges);
    const std::optional<Key> after = range.maybe_key();
    run.done_ahead.push_back({after, range.key()});
  }
  read_doubts(connection, run);
  return run;
}

FingerprintFields read_fingerprint(SqliteConnection& connection) {
  FingerprintFields fields;
  SqliteStatement statement = connection.prepare("SELECT field, value FROM job");
  while (statement.step()) fields.emplace(statement.bytes(0), statement.bytes(1));
  return fields;
}

std::vector<DeadLetter> read_dead_letters(SqliteConnection& connection, std::size_t limit) {
  SqliteStatement statement = connection.prepare(
      "SELECT key, code, message, \"values\" FROM dead_letter ORDER BY recorded_at, key LIMIT ?");
  statement.bind_integer(1, static_cast<std::int64_t>(limit));
  std::vector<DeadLetter> letters;
  while (statement.step()) {
    Reader row(statement);
    DeadLetter letter;
    letter.key = row.key().to_json();
    letter.code = row.text();
    letter.message = row.text();
    letter.values = row.text();
    letters.push_back(std::move(letter));
  }
  return letters;
}

void read_samples(SqliteConnection& connection, const std::function<void(const Sample&)>& visit) {
  const bool has_all = read_pragma(connection, "user_version") >= 3;
  SqliteStatement statement =
      connection.prepare(std::string("SELECT ") + kSampleColumns + ", " +
                         (has_all ? kSampleLaterColumns : "0, 0, 0, 0, 0, '{}', '{}', '{}'") +
                         " FROM sample ORDER BY rowid");
  while (statement.step()) {
    Reader row(statement);
    Sample sample;
    sample.taken_at = row.text();
    sample.elapsed_s = row.real();
    sample.rows_read = row.integer();
    sample.rows_written = row.integer();
    sample.rate_rows_per_s = row.real();
    sample.batch_size = row.integer();
    sample.batch_ms = row.real();
    sample.share = row.real();
    sample.pressure = row.maybe_real();
    sample.reason = row.text();
    sample.progress = row.real();
    sample.batches_done = row.integer();
    sample.batches_retried = row.integer();
    sample.rows_conflicts = row.integer();
    sample.rows_rejected = row.integer();
    sample.signals = figures_in(row.text());
    sample.rested_s = figures_in(row.text());
    sample.phases_ms = figures_in(row.text());
    visit(sample);
  }
}

std::int64_t read_count(SqliteConnection& connection, const std::string& table) {
  SqliteStatement statement = connection.prepare("SELECT count(*) FROM " + table);
  statement.step();
  return statement.integer(0);
}

}  // namespace backfill
