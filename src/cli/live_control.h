// cli/live_control.h
//
// What somebody has set for a job by `backfill pause`, `resume` and `set`, or by SIGHUP after an
// edit of the job file: before a run, and while one goes on. The checkpoint file carries it.
//
// One thread.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_store.h"
#include "core/log.h"
#include "job/job.h"
#include "throttle/controller.h"

namespace backfill {

// The job with what was set for it. Throws Error(ExitCode::usage) where that does not fit the file.
Job controlled_job(const Job& job, std::vector<Override> given,
                   const std::vector<Control>& controls);

// None unless somebody has asked for a pause.
std::optional<Standstill> pause_of(const std::vector<Control>& controls);

// `batch.size = 500, since 2026-11-23T00:00:00.000Z`
std::string describe_control(const Control& control);

struct LiveSettings {
  Job job;
  std::optional<Standstill> pause;
  bool watches_others = false;  // what is watched is not what it was
};

class LiveControl {
 public:
  // `job` as controlled_job() made it of these.
  LiveControl(Job job, std::vector<Override> given, std::vector<Control> controls, Log& log);

  // What is to hold from now on; none while nothing has changed. A change that cannot be is told
  // in the log, and the settings are left as they are. Never throws Error.
  std::optional<LiveSettings> look(bool rereads_file);

 private:
  Job wanted_job(bool rereads_file) const;
  void tell_changes(const Job& now, bool rereads_file);

  Job job_;
  const std::vector<Override> given_;
  std::vector<Control> controls_;
  Log& log_;
  std::optional<CheckpointStore> store_;  // a connection of its own, that only reads
  bool has_told_ = false;                 // that the file cannot be read
};

}  // namespace backfill
