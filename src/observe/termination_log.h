// observe/termination_log.h
//
// The last words of a command, where Kubernetes looks for them: `kubectl describe pod` shows what
// is in a container's /dev/termination-log when it ends.

#pragma once

#include <string>

#include "core/error.h"

namespace backfill {

// `exit code 75: users: stopped (stopped by SIGTERM), 31000 rows read, …`: one line in place of
// what the file holds, cut to what Kubernetes takes. BACKFILL_TERMINATION_LOG names another file.
// Where there is none it is not made, and trouble with it is nobody's: the same words are on
// stderr.
void write_termination_log(ExitCode exit_code, const std::string& summary,
                           const std::string& failure = "");

}  // namespace backfill
