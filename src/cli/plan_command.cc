#include <fmt/format.h>

#include "assemble.h"
#include "checkpoint/checkpoint_store.h"
#include "cli/commands.h"
#include "cli/live_control.h"
#include "core/quantity_text.h"
#include "core/sql.h"

namespace backfill {
namespace {

constexpr int kSampleBatches = 3;
constexpr std::int64_t kSmallTable = 50'000;
constexpr int kRoomyFillfactor = 70;  // percent: from here on half of the updates or more stay HOT

void heading(const char* text) { fmt::print("\n{}\n", text); }

void print_settings(const Job& job) {
  heading("Settings");
  for (const Setting& setting : job.settings) {
    fmt::print("  {:<30} {:<44} {}\n", setting.name, setting.value.empty() ? "-" : setting.value,
               setting.origin);
  }
}

std::string estimate(const std::optional<std::int64_t>& count, const char* unit) {
  return count ? fmt::format("about {} {}", count_text(*count), unit)
               : fmt::format("an unknown number of {}", unit);
}

void print_table(const char* side, const TableFacts& table) {
  fmt::print("  {:<8} {}: {}, {} (both estimates); key ({}) by index {}\n", side, table.name,
             estimate(table.estimated_rows, "rows"), estimate(table.estimated_bytes, "bytes"),
             join(table.key, ", "), table.key_index);
}

void print_columns(const Assembly& assembly) {
  std::vector<std::string> written;
  for (const WriteColumn& column : assembly.layout.write) {
    if (column.role != WriteColumn::Role::guard) written.push_back(column.target.name);
  }
  std::vector<std::string> read;
  for (const ReadColumn& column : assembly.layout.read) read.push_back(column.column.name);
  fmt::print("  reads    {}\n  writes   {}\n", join(read, ", "), join(written, ", "));
  if (assembly.plugin) {
    fmt::print("  plugin   {} version {} from {}\n", assembly.plugin->name(),
               assembly.plugin->version(), assembly.plugin->path().string());
  }
  if (assembly.write.from) {
    fmt::print("  pushdown one statement a chunk reads and writes; rows stay in the database\n");
  }
  for (const std::string& note : assembly.layout.notes) fmt::print("  note     {}\n", note);
  for (const std::string& line : assembly.target->conversions(assembly.write))
    fmt::print("  converts {}\n", line);
}

void print_statements(const Assembly& assembly) {
  heading("SQL");
  std::vector<Statement> statements = assembly.source->make_source(assembly.read)->statements();
  for (Statement& statement : assembly.target->make_target(assembly.write)->statements()) {
    statements.push_back(std::move(statement));
  }
  for (const Statement& statement : statements) {
    fmt::print("  -- {}\n  {}\n", statement.purpose, statement.sql);
  }
}

// Whole chunks from the start of the table, read and transformed and thrown away.
void print_time(const Assembly& assembly) {
  heading("Time");
  const std::unique_ptr<Source> source = assembly.source->make_source(assembly.read);
  const std::optional<Key> end = source->last_key();
  if (!end) {
    fmt::print("  the table is empty: nothing to do\n");
    return;
  }
  const std::unique_ptr<Transform> transform = make_transform(assembly);
  SystemClock clock;
  Batch batch;
  Transformed transformed;
  std::int64_t rows = 0;
  std::optional<Key> after;
  const TimePoint began = clock.now();
  for (int sample = 0; sample < kSampleBatches; ++sample) {
    const auto cut = source->cut(after, *end, assembly.job.batch.size);
    if (!cut) break;
    Chunk chunk;
    chunk.after = after;
    chunk.upto = cut->upto;
    source->read(chunk, batch);
    transformed.clear();
    transform->apply(batch, transformed);
    rows += static_cast<std::int64_t>(batch.rows());
    after = cut->upto;
  }
  const double seconds = std::chrono::duration<double>(clock.now() - began).count();
  const double rate = static_cast<double>(rows) / seconds;
  fmt::print(
      "  {} rows of {} sample batches were read and transformed at {} rows/s by one worker; "
      "nothing was written\n",
      count_text(rows), kSampleBatches, count_text(static_cast<std::int64_t>(rate)));
  if (!assembly.source_table.estimated_rows || rows == 0) return;
  const double whole = static_cast<double>(*assembly.source_table.estimated_rows) / rate;
  fmt::print(
      "  at that rate the whole table takes {}; writing comes on top, often several times as "
      "much\n",
      duration_text(whole));
}

void print_small_table(const Assembly& assembly) {
  const auto& rows = assembly.source_table.estimated_rows;
  if (!rows || *rows > kSmallTable) return;
  fmt::print("  {} rows are few: where no plugin is needed, one plain {} statement would do\n",
             count_text(*rows), assembly.layout.in_place ? "UPDATE" : "INSERT … SELECT");
}

// Advice for an update in place, where what costs is the indexes: an update that finds room on its
// page and changes no indexed column adds no entry to any of them (PostgreSQL calls it HOT).
void print_index_advice(const Assembly& assembly) {
  if (!assembly.layout.in_place) return;
  std::vector<std::string> indexed;
  const auto& names = assembly.target_table.indexed_columns;
  for (const WriteColumn& column : assembly.layout.write) {
    const bool is_indexed =
        std::find(names.begin(), names.end(), column.target.name) != names.end();
    if (column.role == WriteColumn::Role::value && is_indexed)
      indexed.push_back(column.target.name);
  }
  if (!indexed.empty()) {
    fmt::print(
        "  column {} is written and indexed: every index of the table gets a new entry for every "
        "row; build that index after the backfill if you can\n",
        join(indexed, ", "));
    return;
  }
  const auto& fillfactor = assembly.target_table.fillfactor;
  if (!fillfactor || *fillfactor < kRoomyFillfactor) return;
  fmt::print(
      "  fillfactor is {}: a page has little room for new versions of its rows, so most updates "
      "add an entry to every index; a table written with ALTER TABLE {} SET (fillfactor = 50) is "
      "updated several times as fast, but that holds for rows stored after it (VACUUM FULL stores "
      "all of them anew, and locks the table)\n",
      *fillfactor, assembly.target_table.name);
}

void print_live_write_hazard(const Assembly& assembly) {
  if (assembly.layout.in_place) {
    fmt::print(
        "  live writes: a row that changes between its read and its write is read again and "
        "redone; no newer value is overwritten\n");
    return;
  }
  switch (assembly.consistency) {
    case Consistency::validate:
      fmt::print(
          "  live writes: after each commit the source is looked at again, and rows that changed "
          "or went since they were read are set right; the application must write the source "
          "first and the target second\n");
      return;
    case Consistency::lock:
      fmt::print(
          "  live writes: rows are locked (FOR SHARE) from their read to their commit; the "
          "application must write the source first and the target second\n");
      return;
    case Consistency::none:
      break;
  }
  fmt::print(
      "  live writes: {}; a row that changes between its read and its write is copied as "
      "it was{}\n",
      assembly.why_not_validated.empty() ? "source.consistency = \"none\""
                                         : assembly.why_not_validated,
      assembly.why_not_validated.empty() ? "" : "; verify the target afterwards");
}

void print_hazards(const Assembly& assembly) {
  heading("Hazards and safety");
  print_live_write_hazard(assembly);
  if (assembly.write.ledger) {
    fmt::print("  ledger: on{}{}\n", assembly.ledger_reason.empty() ? "" : ": ",
               assembly.ledger_reason);
  } else if (!assembly.ledger_reason.empty()) {
    fmt::print(
        "  ledger: off, though {}: a crash between a commit and its checkpoint applies a batch "
        "twice\n",
        assembly.ledger_reason);
  } else {
    fmt::print("  ledger: off: doing a batch twice does no harm\n");
  }
  print_index_advice(assembly);
  if (!assembly.job.target.version_column.empty() && assembly.write.version_column.empty()) {
    fmt::print("  target.version_column has no part in write = \"{}\"\n",
               write_mode_name(assembly.write.mode));
  }
  for (const std::string& note : assembly.source_table.notes) fmt::print("  source: {}\n", note);
  if (!assembly.layout.in_place) {
    for (const std::string& note : assembly.target_table.notes) fmt::print("  target: {}\n", note);
  }
  print_small_table(assembly);
}

// No run needs to be asked for in vain.
void print_schedule(const Job& job) {
  const Schedule schedule(job.schedule.window, job.schedule.timezone);
  if (!schedule.is_limited()) return;
  const WallTime now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  heading("Schedule");
  if (!schedule.is_open(now)) {
    const auto opens = schedule.opens_after(now);
    fmt::print(
        "  closed; {}; a run that is started before waits\n",
        opens ? "opens at " + schedule.local_text(*opens) : "does not open within two weeks");
    return;
  }
  const auto closes = schedule.closes_after(now);
  fmt::print("  open; {}\n",
             closes ? "closes at " + schedule.local_text(*closes) + ", where a run stops as planned"
                    : "does not close within two weeks");
}

void print_throttle(const Assembly& assembly) {
  heading("Watched, to leave others alone");
  for (const std::string& line : describe_watch(assembly)) fmt::print("  {}\n", line);
}

void print_checkpoint(const Assembly& assembly) {
  heading("Checkpoint");
  auto store = CheckpointStore::open_existing(assembly.job.checkpoint);
  const std::optional<SavedRun> saved = store ? store->load() : std::nullopt;
  if (!saved) {
    fmt::print("  {}: none yet, run starts\n", assembly.job.checkpoint.string());
    return;
  }
  fmt::print("  {}: {}\n", assembly.job.checkpoint.string(), describe_run(*saved));
}

}  // namespace

ExitCode plan_command(const Options& options) {
  Job job = load_job(options.job_file, options.overrides);
  if (auto store = CheckpointStore::open_existing(job.checkpoint)) {
    job = controlled_job(job, options.overrides, store->controls());
  }
  const Assembly assembly = assemble(job);
  fmt::print("{}: {} from {} to {}\n", job.name, write_mode_name(assembly.write.mode),
             assembly.source_table.name,
             assembly.layout.in_place ? "itself, in place" : assembly.target_table.name);
  print_settings(job);
  heading("Tables");
  print_table("source", assembly.source_table);
  if (!assembly.layout.in_place) print_table("target", assembly.target_table);
  print_columns(assembly);
  print_statements(assembly);
  print_time(assembly);
  print_hazards(assembly);
  print_schedule(job);
  print_throttle(assembly);
  print_checkpoint(assembly);
  return ExitCode::done;
}

}  // namespace backfill
