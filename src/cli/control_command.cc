// `backfill pause`, `resume` and `set`: words to a run in progress, kept in the checkpoint file for
// it to find, and for those that come after it.

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/checkpoint_store.h"
#include "cli/commands.h"
#include "cli/live_control.h"
#include "sqlite/runner_lock.h"
#include "support/clock.h"

namespace backfill {
namespace {

void refuse_unchangeable(const std::string& key) {
  if (can_change_in_run(key)) return;
  throw Error(ExitCode::usage,
              "set " + key +
                  ": cannot change while a run goes on; what can are throttle.*, batch.*, "
                  "limits.*, schedule.* and run.workers");
}

// The file is readable by its owner only, but passwords belong into no checkpoint.
void refuse_password(const Override& change) {
  if (without_password(change.value) == change.value) return;
  throw Error(ExitCode::usage, "set " + change.name +
                                   ": has a password in it; put that into PGPASSFILE or a service "
                                   "file of the run");
}

// A relative path is the caller's, and means nothing to a run that was started elsewhere.
std::string kept_value(const Override& change, const Job& job) {
  return change.name == "throttle.pause_file" ? job.throttle.pause_file : change.value;
}

std::vector<Control> apply(std::vector<Control> controls, const Options& options) {
  for (const std::string& key : options.unset) {
    refuse_unchangeable(key);
    std::erase_if(controls, [&](const Control& control) { return control.key == key; });
  }
  for (const Override& change : options.changes) {
    refuse_unchangeable(change.name);
    refuse_password(change);
    std::erase_if(controls, [&](const Control& control) { return control.key == change.name; });
    controls.push_back({change.name, change.value, utc_now()});
  }
  return controls;
}

void set(const Options& options, const Job& job, CheckpointStore& store) {
  const std::vector<Control> wanted = apply(store.controls(), options);
  const Job changed = controlled_job(job, options.overrides, wanted);
  std::vector<Control> changes;
  for (const Override& change : options.changes) {
    changes.push_back({change.name, kept_value(change, changed), utc_now()});
  }
  store.change_controls(changes, options.unset);
}

void list(const Job& job, const std::vector<Control>& controls) {
  if (controls.empty()) fmt::print("{}: nothing is set\n", job.name);
  for (const Control& control : controls) {
    fmt::print("{}: {}\n", job.name, describe_control(control));
  }
}

}  // namespace

ExitCode control_command(const Options& options) {
  const Job job = load_job(options.job_file, options.overrides);
  std::vector<Control> controls;
  {
    CheckpointStore store = CheckpointStore::open(job.checkpoint);
    if (options.command == "pause") {
      store.change_controls({{kPauseControl, "true", utc_now()}}, {});
    } else if (options.command == "resume") {
      store.change_controls({}, {kPauseControl});
    } else if (!options.changes.empty() || !options.unset.empty()) {
      set(options, job, store);
    }
    controls = store.controls();
  }
  list(job, controls);
  // The file is closed by now: asking for the lock would drop SQLite's own.
  const auto is_held = [&](const std::string& name) {
    return SqliteRunnerLock::is_held(job.checkpoint.string(), name);
  };
  const bool runs = is_held(job.name);
  const bool verifies = is_held(verify_lock_name(job.name));
  fmt::print("{}: {}\n", job.name,
             runs       ? "a run is in progress, which takes this up within a second"
             : verifies ? "a verify is in progress, which takes this up within a second"
                        : "no run is in progress; this holds for the next one");
  return ExitCode::done;
}

}  // namespace backfill
