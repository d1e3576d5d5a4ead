#include "verify/patience.h"

namespace backfill {
namespace {

bool is_connection_loss(const Error& error) {
  return error.code().starts_with("08") || error.code().starts_with("57P");
}

}  // namespace

void wait_and_reconnect(const Patience& patience, Backoff& backoff, const std::string& what,
                        const Error& error, const std::stop_token& stop) {
  Error last = error;
  while (true) {
    patience.log.write(LogLevel::warning, "will try again",
                       {{"work", what}, {"retry", backoff.retries() + 1}, {"reason", last.what()}});
    if (!backoff.wait(stop)) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, what + ": stopped");
      const ExitCode code = is_connection_loss(last) ? patience.sides.side() : ExitCode::failed;
      throw Error(ErrorKind::stop,
                  what + ": given up after " + std::to_string(backoff.retries()) +
                      " retries: " + last.what(),
                  last.code())
          .ending_with(code);
    }
    try {
      patience.sides.reconnect();
      return;
    } catch (const Error& again) {
      if (again.kind() != ErrorKind::retry && again.kind() != ErrorKind::cancelled) throw;
      last = again;
    }
  }
}

}  // namespace backfill
