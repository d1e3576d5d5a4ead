// Checkpoint files with anything in them: read, or refused with exit 2 and left as they are.
//
// Input: the bytes of a file; or, when it begins with `edits`, lines `table.column = literal`
// that are applied to every row of a real checkpoint whose columns take anything.

#include <functional>

#include "checkpoint/checkpoint_store.h"
#include "checkpoint/schema.h"
#include "core/quantity_text.h"
#include "core/sql.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "observe/progress_display.h"
#include "sqlite/literal.h"
#include "support/temp_folder.h"

namespace backfill::fuzz {
namespace {

constexpr std::string_view kEdits = "edits\n";
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

void fill(CheckpointStore& store) {
  store.start(half_way(), "users", kFingerprint);
  store.save(half_way(), {{"[\"17\"]", "23505", "duplicate key", "{\"id\":\"17\"}"}}, Sample{});
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
    const std::string_view line = lines.line();
    const std::size_t dot = line.find('.');
    const std::size_t equals = line.find(" = ");
    if (dot == line.npos || equals == line.npos || dot > equals) continue;
    failure_of([&] {
      SqliteStatement statement =
          connection.prepare("UPDATE OR IGNORE " + quote_identifier(line.substr(0, dot)) + " SET " +
                             quote_identifier(line.substr(dot + 1, equals - dot - 1)) + " = ?");
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
