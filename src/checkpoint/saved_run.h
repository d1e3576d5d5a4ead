// checkpoint/saved_run.h
//
// What the checkpoint file holds of a run: what a later process needs to go on, and what
// `status` shows. Plain values.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/watermark.h"
#include "core/chunk.h"

namespace backfill {

enum class RunState {
  running,
  paused,    // a planned stop with work left
  stopped,   // by a signal, with work left
  complete,  // every row was visited, and no more were rejected than allowed
  failed,    // by an error, or more rows rejected than allowed; `reason` says which
};
const char* run_state_name(RunState state);

// Numbers by name.
using Figures = std::map<std::string, double>;

struct BatchCounts {
  std::int64_t done = 0;
  std::int64_t retried = 0;
  std::int64_t split = 0;
};

struct SavedRun {
  std::string run_id;
  RunState state = RunState::running;
  std::string reason;      // why it is paused, stopped or failed; what it waits for
  std::string started_at;  // UTC, ISO 8601
  std::string updated_at;
  double elapsed_s = 0;  // time spent running, over all its processes
  double throttled_s = 0;
  RowCounts rows;
  BatchCounts batches;
  std::optional<std::int64_t> estimated_total;
  double progress = 0;  // 0..1; never falls
  std::optional<double> rate_rows_per_s;
  std::optional<double> eta_low_s;
  std::optional<double> eta_high_s;
  std::int64_t batch_size = 0;  // rows asked for now
  int workers = 0;
  double share = 1;
  std::optional<double> pressure;
  std::string pressure_signal;
  Figures signals;           // each that is watched, while it runs: 1 at its limit
  Figures rested_s;          // of all workers, over all processes, by what made them rest
  bool all_visited = false;  // the end of the table was proven
  std::string forced;        // fingerprint fields that --force overrode; empty: none

  std::optional<Key> watermark;
  std::optional<Key> end_key;  // none: the table was empty
  std::vector<DoneRange> done_ahead;
  std::vector<Doubt> in_doubt;
};

// A point of the time series behind `report`.
struct Sample {
  std::string taken_at;  // UTC, ISO 8601
  double elapsed_s = 0;
  std::int64_t rows_read = 0;
  std::int64_t rows_written = 0;
  double rate_rows_per_s = 0;
  std::int64_t batch_size = 0;
  double batch_ms = 0;  // a batch's work, of those since the sample before
  double share = 1;
  std::optional<double> pressure;
  std::string reason;
  double progress = 0;
  std::int64_t batches_done = 0;
  std::int64_t batches_retried = 0;
  std::int64_t rows_conflicts = 0;
  std::int64_t rows_rejected = 0;
  Figures signals;    // as in SavedRun
  Figures rested_s;   // as in SavedRun
  Figures phases_ms;  // of batches since the sample before

  bool operator==(const Sample&) const = default;
};

// Names in order, values as text: what decides which rows become what.
using FingerprintFields = std::map<std::string, std::string>;

// A setting that somebody changed while a run goes on, or before the next; a pause is one too.
struct Control {
  std::string key;  // a dotted job key, or kPauseControl
  std::string value;
  std::string set_at;  // UTC, ISO 8601

  bool operator==(const Control&) const = default;
};
inline constexpr const char* kPauseControl = "pause";

// The state as people see it: a run that is at work but waits for others is paused.
inline RunState visible_state(const SavedRun& run) {
  const bool waits = run.state == RunState::running && run.share <= 0;
  return waits ? RunState::paused : run.state;
}

}  // namespace backfill
