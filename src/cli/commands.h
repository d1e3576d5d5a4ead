// cli/commands.h
//
// One function a command, from its options to the exit code. Failures come as Error.

#pragma once

#include "cli/options.h"
#include "core/error.h"

namespace backfill {

ExitCode run_command(const Options& options);
ExitCode plan_command(const Options& options);
ExitCode status_command(const Options& options);
ExitCode control_command(const Options& options);  // pause, resume, set

}  // namespace backfill
