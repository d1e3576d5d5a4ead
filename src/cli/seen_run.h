// cli/seen_run.h
//
// A run as people are to see it: what the checkpoint file says, corrected by whether anybody is at
// work. A runner that was killed leaves the state `running` behind.

#pragma once

#include "checkpoint/saved_run.h"
#include "job/job.h"

namespace backfill {

// Opens and closes the checkpoint file: not for a process that has it in a transaction.
SavedRun seen_run(SavedRun saved, const Job& job);

}  // namespace backfill
