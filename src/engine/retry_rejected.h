// engine/retry_rejected.h
//
// Tries the rows among the dead letters of a finished run again, after somebody has mended what
// they were refused for. Each is read anew by its key: one that is written leaves the dead
// letters, one that is refused again stays with its new reason, one that is gone is forgotten.
//
// The same order as in a run: the target commits, then the checkpoint is written. A crash in
// between means that a row is done again; where that would do harm a ledger of its own says what
// is done already, and what may have become stale meanwhile is levelled, as in a run.

#pragma once

#include <functional>
#include <stop_token>

#include "engine/run.h"

namespace backfill {

// What became of the dead letters.
struct RetryReport {
  std::int64_t retried = 0;
  std::int64_t gone = 0;  // from the source
  RowCounts rows;         // of those that are there
  SavedRun run;           // as it is in the checkpoint now
};

// The job under which a retry keeps its ledger; a run's own ranges are another job's.
std::string retry_ledger_job(const std::string& job, const std::string& run_id);

// What is to hold from now on, if anything has changed. Asked before each row.
using LookForOptions = std::function<std::optional<RunOptions>()>;

// `run` is the finished run in `store`; its runner's lock is ours, and parts.ledger that of
// retry_ledger_job(). Nothing is pushed down. Waits while there is a pause or no window is open.
// Throws Error(ExitCode::stopped) when a stop came before the end; what is done by then is done.
RetryReport retry_rejected(const RunParts& parts, const RunOptions& options, SavedRun run,
                           CheckpointStore& store, Clock& clock, Log& log,
                           const LookForOptions& look_for_options, std::stop_token stop);

}  // namespace backfill
