// checkpoint/schema.h
//
// The tables of a checkpoint file. A change that an older program could not read raises
// kFormat.

#pragma once

#include <array>

namespace backfill {

inline constexpr int kCheckpointApplicationId = 0x4246494C;  // "BFIL"
inline constexpr int kCheckpointFormat = 3;

inline constexpr const char* kCheckpointSchema = R"sql(
CREATE TABLE job (
  name TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,  -- the fingerprint: what decides which rows become what
  PRIMARY KEY (name, field)) WITHOUT ROWID;
CREATE TABLE run (
  run_id TEXT PRIMARY KEY NOT NULL, job TEXT NOT NULL,
  state TEXT NOT NULL,                    -- running, paused, stopped, complete, failed
  reason TEXT NOT NULL,
  started_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  elapsed_s REAL NOT NULL, throttled_s REAL NOT NULL,
  rows_read INTEGER NOT NULL, rows_written INTEGER NOT NULL, rows_skipped INTEGER NOT NULL,
  rows_rejected INTEGER NOT NULL, rows_unchanged INTEGER NOT NULL, rows_conflicts INTEGER NOT NULL,
  rows_estimated INTEGER,
  batches_done INTEGER NOT NULL, batches_retried INTEGER NOT NULL, batches_split INTEGER NOT NULL,
  progress REAL NOT NULL, rate_rows_per_s REAL, eta_low_s REAL, eta_high_s REAL,
  batch_size INTEGER NOT NULL, workers INTEGER NOT NULL, share REAL NOT NULL,
  pressure REAL, pressure_signal TEXT NOT NULL,
  all_visited INTEGER NOT NULL,           -- 1: the end of the table was proven
  forced TEXT NOT NULL,                   -- what --force overrode
  signals TEXT NOT NULL DEFAULT '{}',     -- a JSON object: each signal that is watched, 1 at its limit
  rested_s TEXT NOT NULL DEFAULT '{}');   -- a JSON object: seconds workers rested by what made them
CREATE TABLE watermark (
  run_id TEXT PRIMARY KEY NOT NULL,
  key TEXT,                               -- every row up to here is done; a JSON array; NULL: none yet
  end_key TEXT);                          -- the last key when the run started; NULL: the table was empty
CREATE TABLE done_range (                 -- done above the watermark: after < key <= upto
  upto TEXT PRIMARY KEY NOT NULL, after TEXT, place INTEGER NOT NULL);
CREATE TABLE in_doubt (                   -- batches that may be in the target and were not validated
  upto TEXT NOT NULL, after TEXT, mark TEXT NOT NULL);
CREATE TABLE dead_letter (
  key TEXT PRIMARY KEY NOT NULL,          -- a JSON array
  code TEXT NOT NULL,                     -- SQLSTATE or SQLite code; transform: the plugin rejected it
  message TEXT NOT NULL,
  "values" TEXT NOT NULL,                 -- the source row, a JSON object
  recorded_at TEXT NOT NULL);
CREATE TABLE sample (                     -- one every few seconds of a run; counts are since its start
  taken_at TEXT NOT NULL, elapsed_s REAL NOT NULL,
  rows_read INTEGER NOT NULL, rows_written INTEGER NOT NULL, rate_rows_per_s REAL NOT NULL,
  batch_size INTEGER NOT NULL, batch_ms REAL NOT NULL,
  share REAL NOT NULL, pressure REAL, reason TEXT NOT NULL,
  progress REAL NOT NULL DEFAULT 0, batches_done INTEGER NOT NULL DEFAULT 0,
  batches_retried INTEGER NOT NULL DEFAULT 0, rows_conflicts INTEGER NOT NULL DEFAULT 0,
  rows_rejected INTEGER NOT NULL DEFAULT 0,
  signals TEXT NOT NULL DEFAULT '{}',     -- as in table run
  rested_s TEXT NOT NULL DEFAULT '{}',    -- as in table run
  phases_ms TEXT NOT NULL DEFAULT '{}');  -- a JSON object: work since the sample before, by phase
CREATE TABLE control (                    -- settings changed while a run goes on
  key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, set_at TEXT NOT NULL);
)sql";

// Of table run, in the order in which they are written and read; `job` comes after them.
inline constexpr const char* kRunColumns =
    "run_id, state, reason, started_at, updated_at, elapsed_s, throttled_s, rows_read, "
    "rows_written, "
    "rows_skipped, rows_rejected, rows_unchanged, rows_conflicts, rows_estimated, batches_done, "
    "batches_retried, batches_split, progress, rate_rows_per_s, eta_low_s, eta_high_s, batch_size, "
    "workers, "
    "share, pressure, pressure_signal, all_visited, forced";
// Likewise, after those; files before format 3 have none.
inline constexpr const char* kRunObjectColumns = "signals, rested_s";

// Of table sample, in the order in which they are read; the later ones are of format 3.
inline constexpr const char* kSampleColumns =
    "taken_at, elapsed_s, rows_read, rows_written, rate_rows_per_s, batch_size, batch_ms, share, "
    "pressure, reason";
inline constexpr const char* kSampleLaterColumns =
    "progress, batches_done, batches_retried, rows_conflicts, rows_rejected, signals, rested_s, "
    "phases_ms";

// What makes a file of format N one of the next, from 1 on.
inline constexpr std::array<const char*, kCheckpointFormat> kUpgradeFrom = {
    "", "CREATE TABLE in_doubt (upto TEXT NOT NULL, after TEXT, mark TEXT NOT NULL)",
    "ALTER TABLE run ADD COLUMN signals TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE run ADD COLUMN rested_s TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sample ADD COLUMN progress REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE sample ADD COLUMN batches_done INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sample ADD COLUMN batches_retried INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sample ADD COLUMN rows_conflicts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sample ADD COLUMN rows_rejected INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sample ADD COLUMN signals TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sample ADD COLUMN rested_s TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sample ADD COLUMN phases_ms TEXT NOT NULL DEFAULT '{}'"};

}  // namespace backfill
