#include "cli/seen_run.h"

#include "sqlite/runner_lock.h"

namespace backfill {

SavedRun seen_run(SavedRun saved, const Job& job) {
  const bool says_running = saved.state == RunState::running;
  if (says_running && !SqliteRunnerLock::is_held(job.checkpoint.string(), job.name)) {
    saved.state = RunState::stopped;
    saved.reason = "its process is gone; run again with --resume";
    saved.signals.clear();
  }
  saved.state = visible_state(saved);
  return saved;
}

}  // namespace backfill
