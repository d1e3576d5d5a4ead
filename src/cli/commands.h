// cli/commands.h
//
// One function a command, from its options to the exit code. Failures come as Error.

#pragma once

#include <string>

#include "cli/options.h"
#include "core/error.h"

namespace backfill {

// `summary` is what has become of the run, the pass or the repairs, once there are any; also when
// they fail.
ExitCode run_command(const Options& options, std::string& summary);
ExitCode plan_command(const Options& options);
ExitCode status_command(const Options& options);
ExitCode control_command(const Options& options);  // pause, resume, set
ExitCode report_command(const Options& options);
ExitCode verify_command(const Options& options, std::string& summary);
ExitCode reconcile_command(const Options& options, std::string& summary);

// Under which one `verify` or `reconcile` of a job holds its checkpoint file; a run may go on.
inline std::string verify_lock_name(const std::string& job) { return job + "/verify"; }

}  // namespace backfill
