#include "cli/seen_run.h"

#include <utility>

#include "sqlite/runner_lock.h"

namespace backfill {

SeenRun seen_run(SavedRun saved, const Job& job) {
  const bool says_running = saved.state == RunState::running;
  const bool is_at_work =
      says_running && SqliteRunnerLock::is_held(job.checkpoint.string(), job.name);
  if (says_running && !is_at_work) {
    saved.state = RunState::stopped;
    saved.reason = "its process is gone; run again with --resume";
    saved.signals.clear();
  }
  saved.state = visible_state(saved);
  return {std::move(saved), is_at_work};
}

}  // namespace backfill
