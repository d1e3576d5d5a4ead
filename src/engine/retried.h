// engine/retried.h
//
// Work on a database outside of any chunk, tried again as a chunk is: a server that restarts is
// waited for wherever the run happens to be. What is tried must be harmless when done twice.
//
// Any thread; the last failure is thrown when the retries are used up.

#pragma once

#include <stop_token>

#include "core/error.h"
#include "core/log.h"
#include "engine/backoff.h"

namespace backfill {

template <class Work>
auto retried(const BackoffOptions& options, Clock& clock, Log& log, const std::stop_token& stop,
             const Work& work) {
  Backoff backoff(options, clock);
  while (true) {
    try {
      return work();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::retry) throw;
      log.write(LogLevel::warning, "will try again", {{"reason", error.what()}});
      if (backoff.wait(stop)) continue;
      if (!stop.stop_requested()) throw;
      throw Error(ExitCode::stopped, "stopped before the run began; run again with --resume");
    }
  }
}

}  // namespace backfill
