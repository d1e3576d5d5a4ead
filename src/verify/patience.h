// verify/patience.h
//
// Work on both sides, tried again after a wait and with new connections while its errors are such
// as pass: lost connections, deadlocks, timeouts for locks. What is tried must be harmless when
// done twice.
//
// One thread, that of its Sides.

#pragma once

#include <stop_token>
#include <string>

#include "core/error.h"
#include "core/log.h"
#include "engine/backoff.h"
#include "verify/sides.h"

namespace backfill {

struct Patience {
  Sides& sides;
  const BackoffOptions& backoff;
  Clock& clock;
  Log& log;
};

// One more wait, then new connections; until they are there. `what` is for the log. Throws
// Error(cancelled) when a stop came, and when the retries are used up Error(stop), with the exit
// code of the side that cannot be reached.
void wait_and_reconnect(const Patience& patience, Backoff& backoff, const std::string& what,
                        const Error& error, const std::stop_token& stop);

template <class Work>
auto patiently(const Patience& patience, const std::string& what, const std::stop_token& stop,
               const Work& work) {
  Backoff backoff(patience.backoff, patience.clock);
  while (true) {
    try {
      return work();
    } catch (const Error& error) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, what + ": stopped");
      const bool passes = error.kind() == ErrorKind::retry || error.kind() == ErrorKind::cancelled;
      if (!passes) throw;
      wait_and_reconnect(patience, backoff, what, error, stop);
    }
  }
}

}  // namespace backfill
