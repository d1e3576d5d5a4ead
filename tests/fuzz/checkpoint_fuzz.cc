// Checkpoint files with anything in them: read, or refused with exit 2 and left as they are.
//
// Input: the bytes of a file; or, when it begins with `edits`, lines `table.column = literal`
// that are applied to every row of a real checkpoint whose columns take anything; those that begin
// with `last` to the last row only.

#include <functional>

#include "checkpoint/checkpoint_store.h"
#include "checkpoint/schema.h"
#include "core/quantity_text.h"
#include "core/sql.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "observe/progress_display.h"
#include "observe/report.h"
#include "sqlite/literal.h"
#include "support/temp_folder.h"

namespace backfill::fuzz {
namespace {

constexpr std::string_view kEdits = "edits\n";
constexpr std::string_view kOfLast = "last ";
constexpr std::size_t kDeadLetters = 10;

using Mode = SqliteConnection::Mode;
using Path = std::filesystem::path;

SavedRun half_way() {
  SavedRun run;
  run.run_id = "run-1";
  run.state = RunState::stopped;
  run.reason = "SIGTERM";
  run.started_at = "2026-11-22T13:05:00.123Z";
  run.updated_at = "2026-11-22T13:06:00.123Z";
  run.rows.read = 8000;
  run.rows.written = 7999;
  run.estimated_total = 10'000;
  run.rate_rows_per_s = 1500.5;
  run.eta_low_s = 1;
  run.eta_high_s = 2;
  run.batch_size = 1000;
  run.workers = 2;
  run.watermark = Key{{"7000"}};
  run.end_key = Key{{"10000"}};
  run.done_ahead = {{Key{{"8000"}}, Key{{"9000"}}}};
  run.in_doubt = {{Key{{"7000"}}, Key{{"8000"}}, "734"}};
  return run;
}

const FingerprintFields kFingerprint = {{"source.table", "public.users"}};

// One a second, of a run that was paused, and died, and went on ten seconds later.
Sample sample_after(int second) {
  Sample sample;
  sample.taken_at =
      "2026-11-22T13:05:" + std::to_string(second < 4 ? 10 + second : 20 + second) + "Z";
  sample.elapsed_s = second;
  sample.rows_read = 1000 * second;
  sample.rows_written = 999 * second;
  sample.batch_size = 1000;
  sample.batch_ms = 12.5;
  sample.share = second == 2 ? 0 : 0.5;
  sample.reason = second == 2 ? "replica lag 12.4s >= 10s" : "throttle.share = 0.5";
  sample.progress = 0.1 * second;
  sample.batches_retried = second / 4;
  sample.signals = {{"replica_lag", 0.5}};
  sample.phases_ms = {{"read", 100}, {"write", 300}};
  return sample;
}

void fill(CheckpointStore& store) {
  store.start(half_way(), "users", kFingerprint);
  store.save(half_way(), {{"[\"17\"]", "23505", "duplicate key", "{\"id\":\"17\"}"}},
             sample_after(1));
  for (int second = 2; second <= 5; ++second) store.save(half_way(), {}, sample_after(second));
}

// A checkpoint whose tables were made by somebody who does not mind what is in them.
std::string lenient_checkpoint(const Path& file) {
  std::string schema = kCheckpointSchema;
  for (const std::string_view promise_made : {" NOT NULL", " WITHOUT ROWID"}) {
    for (std::size_t at; (at = schema.find(promise_made)) != schema.npos;)
      schema.erase(at, promise_made.size());
  }
  {
    SqliteConnection connection(file.string(), Mode::create);
    connection.execute("PRAGMA page_size = 512");
    connection.execute(schema);
    connection.execute("PRAGMA application_id = " + std::to_string(kCheckpointApplicationId));
    connection.execute("PRAGMA user_version = " + std::to_string(kCheckpointFormat));
  }
  {
    CheckpointStore store = CheckpointStore::open(file);
    fill(store);
  }
  // Opening it to write turns it back to WAL, which a refused file must not see.
  SqliteConnection(file.string(), Mode::read_write).execute("PRAGMA journal_mode = DELETE");
  return read_file(file);
}

void apply_edits(const Path& file, Input lines) {
  SqliteConnection connection(file.string(), Mode::read_write);
  connection.execute("PRAGMA journal_mode = MEMORY");
  SqliteTransaction transaction(connection);
  lines.line();
  while (!lines.empty()) {
    std::string_view line = lines.line();
    const bool is_of_last = line.starts_with(kOfLast);
    if (is_of_last) line.remove_prefix(kOfLast.size());
    const std::size_t dot = line.find('.');
    const std::size_t equals = line.find(" = ");
    if (dot == line.npos || equals == line.npos || dot > equals) continue;
    failure_of([&] {
      const std::string table = quote_identifier(line.substr(0, dot));
      const std::string column = quote_identifier(line.substr(dot + 1, equals - dot - 1));
      SqliteStatement statement = connection.prepare(
          "UPDATE OR IGNORE " + table + " SET " + column + " = ?" +
          (is_of_last ? " WHERE rowid = (SELECT max(rowid) FROM " + table + ")" : ""));
      const std::string_view literal = line.substr(equals + 3);
      if (literal != "NULL") bind_key(statement, 1, Key{{std::string(literal)}}, 1);
      statement.run();
    });
  }
  transaction.commit();
}

void make_file(const Path& file, const Path& folder, const std::string& input, Input lines) {
  static const std::string edited = lenient_checkpoint(folder / "edited.db");
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    std::filesystem::remove(file.string() + suffix);
  const bool is_edits = input.starts_with(kEdits);
  write_file(file, is_edits ? edited : input);
  if (is_edits) apply_edits(file, lines);
}

// What `status` makes of a file.
void read_as_status(const Path& file) {
  auto store = CheckpointStore::open_existing(file);
  if (!store) return;
  if (const auto run = store->load()) {
    run_state_name(run->state);
    progress_line(*run);
    duration_text(run->throttled_s);
    if (run->watermark) run->watermark->display();
  }
  store->fingerprint();
  for (const DeadLetter& letter : store->dead_letters(kDeadLetters)) Key::from_json(letter.key);
}

// A browser draws nothing where a place or a length is no number.
void check_figures(const std::string& page) {
  for (const char* none : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf"})
    promise(page.find(none) == page.npos, "a chart is drawn with figures", none);
  constexpr std::string_view kPath = " d=\"";
  for (std::size_t at = 0; (at = page.find(kPath, at)) != page.npos;) {
    at += kPath.size();
    const std::string path = page.substr(at, page.find('"', at) - at);
    promise(path.find('n') == path.npos, "a line is drawn with figures", path);
  }
}

// What `report` makes of it.
void read_as_report(const Path& file) {
  auto store = CheckpointStore::open_existing(file);
  if (!store) return;
  const std::optional<SavedRun> run = store->load();
  if (!run) return;
  Report report{.job = "users",
                .run = *run,
                .fingerprint = store->fingerprint(),
                .controls = store->controls(),
                .dead_letter_count = store->dead_letter_count(),
                .dead_letters = store->dead_letters(kDeadLetters),
                .verify = std::nullopt,
                .timeline = Timeline(store->sample_count()),
                .made_at = "2026-11-22T13:07:00.123Z",
                .nonce = "0123456789abcdef"};
  store->visit_samples([&](const Sample& sample) { report.timeline.add(sample); });
  check_figures(report_page(report));
}

// What `run` makes of it.
void read_as_run(const Path& file) {
  CheckpointStore store = CheckpointStore::open(file);
  store.load();
  store.fingerprint();
}

void check_refusal(const Error& error, const Path& file, const std::string& before) {
  promise(error.exit_code() == ExitCode::usage, "a checkpoint is refused with exit 2",
          error.what());
  promise(std::string(error.what()).find(file.string()) != std::string::npos,
          "a refusal names the file", error.what());
  promise(read_file(file) == before, "a refused file is left as it is", error.what());
}

// Going on costs more than all the rest, so few inputs do.
bool is_to_go_on(const std::string& input) { return std::hash<std::string>()(input) % 8 == 0; }

// A file that was taken goes on, or says why it cannot: the rest of it may be broken.
void check_goes_on(const Path& file) {
  failure_of([&] {
    CheckpointStore store = CheckpointStore::open(file);
    std::optional<SavedRun> run = store.load();
    if (run) {
      run->rows.read = 8001;
      store.go_on(*run, "users", kFingerprint);
      store.save(*run, {}, Sample{});
      promise(store.load()->rows.read == 8001, "a step is there to be read");
    }
    fill(store);
    promise(store.load()->run_id == half_way().run_id, "a new run takes the place of the old");
  });
}

void check(const std::string& input, Input lines) {
  static const TempFolder folder;
  const Path file = folder / "job.checkpoint.db";
  make_file(file, folder.path(), input, lines);
  const std::string before = read_file(file);

  const auto refused_status = failure_of([&] { read_as_status(file); });
  if (refused_status) check_refusal(*refused_status, file, before);
  const auto refused_report = failure_of([&] { read_as_report(file); });
  if (refused_report) check_refusal(*refused_report, file, before);
  promise(read_file(file) == before, "a look changes nothing");
  const auto refused_run = failure_of([&] { read_as_run(file); });
  if (refused_run) return check_refusal(*refused_run, file, before);
  if (is_to_go_on(input)) check_goes_on(file);
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check({reinterpret_cast<const char*>(bytes), size},
                        backfill::fuzz::Input(bytes, size));
  return 0;
}
