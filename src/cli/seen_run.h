// cli/seen_run.h
//
// A run as people are to see it: what the checkpoint file says, corrected by whether anybody is at
// work. A runner that was killed leaves the state `running` behind.

#pragma once

#include "checkpoint/saved_run.h"
#include "job/job.h"

namespace backfill {

struct SeenRun {
  SavedRun run;
  bool is_at_work;  // a runner is, also in a pause
};

// Opens and closes the checkpoint file: not for a process that has it in a transaction.
SeenRun seen_run(SavedRun saved, const Job& job);

}  // namespace backfill
